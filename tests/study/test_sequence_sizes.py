"""Memory that a long walk takes is known by short ones, before it begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from families import SEQUENCE, TIMED

from hvae import build
from hvae.draw import prior
from hvae.errors import HvaeError
from hvae.inspection.costs import peak_of
from hvae.study import sequence_samples, sequence_sizes
from hvae.study.sequence_latents import STEPS, latents_of
from hvae.study.sequence_sizes import bytes_per_step, check_walk, time_of
from hvae.walk import Model, run, still

NAMES = ("vrnn", "srnn", "stcn", "cwvae", "vrae", "vrae-transformer", "seqladder", "seqladder-recurrent")


def family(name: str) -> Model:
    torch.manual_seed(0)
    return build(TIMED[name], shape=SEQUENCE, bits=1).eval()


@pytest.mark.parametrize("name", NAMES)
def test_a_long_walk_takes_no_less_than_short_ones_say(name: str) -> None:
    model, steps = family(name), 700
    with still(model, seed=0):
        peak = peak_of(lambda: run(model, prior(), model.nothing(2, steps=steps)))
    foretold = steps * bytes_per_step(model, 2)
    values = 2 * steps * 4 * int(np.prod(SEQUENCE[1:]))
    assert values < foretold <= 1.05 * peak


@pytest.mark.parametrize("name", NAMES)
def test_more_than_there_is_is_refused_before_the_walk(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    longest: list[int] = []
    actual = run

    def watched(model: Model, draw: object, evidence: object) -> object:
        longest.append(evidence.steps or 0)  # type: ignore[attr-defined]
        return actual(model, draw, evidence)  # type: ignore[arg-type]

    monkeypatch.setattr("hvae.walk.run", watched)
    with pytest.raises(HvaeError, match="a walk of 1,000,000,000,000 steps, 4 sequences at once, takes at least"):
        check_walk(family(name), 4, 10**12)
    assert max(longest) == 2 * sequence_sizes.FEW


@pytest.mark.parametrize("name", ["seqladder", "vrnn"])
def test_a_file_that_claims_long_sequences_is_not_walked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, steps = family(name), 10_000
    data = 8 * steps * int(np.prod(SEQUENCE[1:]))
    monkeypatch.setattr("hvae.capacity.free_memory", lambda: data + 1)
    with pytest.raises(HvaeError, match=f"a walk of {steps:,} steps, 1 sequence at once, .*; decode shorter sequences"):
        latents_of({STEPS: np.array([steps])}, model, Path("z.npz"))


@pytest.mark.parametrize("name", ["vrnn", "seqladder"])
def test_the_time_of_a_long_walk_is_foretold_by_a_short_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((10.0, 11.5))
    assert time_of(family(name), 2, 128_000, timer=lambda: next(times)) == 1.5 * 128_000 / sequence_sizes.FEW
    monkeypatch.setattr(sequence_samples, "time_of", lambda *_: 75.0)
    remarks = [sequence_samples.slowness(family(name), 5, 2, steps, None) for steps in (999, 5_000)]
    assert remarks == [(), ("5,000 steps, one after the other: at least 3:45 here",)]
