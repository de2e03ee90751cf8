"""Counts and seeds from Python: what is no whole number is refused in one line, and whole ones of NumPy are taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvae
from hvae.config.model import LVAEConfig
from hvae.draw.upper import upper
from hvae.explore.resample import top_swapped
from hvae.restoration import Diffuse, Gibbs, Metropolis, Refine, Seen, held_out
from hvae.restoration import restore as restored

MODEL = hvae.build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 8, 8), bits=1).eval()
X = torch.bernoulli(torch.full((4, 1, 8, 8), 0.5))
SEEN = Seen(X, torch.ones(4, 1, 8, 8).bool())

COUNTS: dict[str, Callable[[Any], object]] = {
    "n": lambda n: hvae.sample(MODEL, n),
    "rows": lambda n: hvae.run(MODEL, hvae.prior(), n=n),
    "chunk": lambda n: hvae.sample(MODEL, 3, chunk=n),
    "seed": lambda n: hvae.sample(MODEL, 3, seed=n),
    "chunk of data": lambda n: hvae.encode(MODEL, X, chunk=n),
    "steps": lambda n: hvae.interpolate(MODEL, X[:1], X[1:2], n),
    "anchor": lambda n: hvae.traverse(MODEL, X, anchor=n),
    "directions": lambda n: hvae.traverse(MODEL, X, directions=n),
    "steps of a way": lambda n: hvae.traverse(MODEL, X, steps=n),
    "repeats": lambda n: hvae.top_held(MODEL, X, count=1, repeats=n),
    "samples": lambda n: hvae.bounds(MODEL, [X], n),
    "chunk_rows": lambda n: hvae.bounds(MODEL, [X], chunk_rows=n),
    "seed of bounds": lambda n: hvae.bounds(MODEL, [X], seed=n),
    "samples of units": lambda n: hvae.activity(MODEL, [X], samples=n),
    "samples of a loss": lambda n: hvae.IWAE(n),
    "batch": lambda n: hvae.inspect(MODEL, batch=n),
    "draws": lambda n: restored(MODEL, SEEN, Refine(steps=1), draws=n),
    "features, draws": lambda n: hvae.Features("digits", draws=n).fit_transform(X),
    "features, batch": lambda n: hvae.Features("digits", batch=n).fit_transform(X),
    "features, seed": lambda n: hvae.Features("digits", draws=1, seed=n).fit_transform(X),
    "levels of a walk": hvae.coarse,
    "steps of a walk": hvae.thin,
    "upper levels": upper,
    "chunk of cells": lambda n: hvae.cells(MODEL, {"z2": [1], "z1": [1]}, chunk=n),
    "levels from the top": lambda n: hvae.from_top(MODEL, X, counts=[n]),
    "levels held": lambda n: hvae.top_held(MODEL, X, count=n),
    "levels redrawn": lambda n: hvae.top_redrawn(MODEL, X, count=n),
    "levels swapped": lambda n: top_swapped(MODEL, X, count=n),
    "bits": lambda n: hvae.Codec(MODEL, bits=n),
    "classes": lambda n: hvae.Condition(classes=n),
    "shape": lambda n: hvae.Condition(shape=(2, n)),
    "size": lambda n: list(hvae.Datum(X).split(n)),
    "sweeps of Gibbs": lambda n: restored(MODEL, SEEN, Gibbs(sweeps=n)),
    "sweeps of Metropolis": lambda n: restored(MODEL, SEEN, Metropolis(sweeps=n)),
    "steps of Refine": lambda n: restored(MODEL, SEEN, Refine(steps=n)),
    "settle": lambda n: restored(MODEL, SEEN, Refine(steps=1, settle=n)),
    "sweeps of a diffusion": lambda n: Diffuse(sweeps=n),
    "draws of values held out": lambda n: held_out(MODEL, X, SEEN.seen, Gibbs(sweeps=1), draws=n),
}
RESTORING = {"task": "inpaint", "mask": "0,0,4,4", "number": 2, "draws": 2, "steps": 2}


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("number", [1.5, "3", True])
def test_what_only_looks_like_a_count_is_one_line(name: str, number: object) -> None:
    with pytest.raises(hvae.HvaeError, match=": expected a whole number, got ") as refused:
        COUNTS[name](number)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_numpy_are_counts(name: str) -> None:
    COUNTS[name](np.int64(2))


@pytest.mark.parametrize("option", ["draws", "steps", "sweeps", "number", "seed", "factor", "views"])
def test_a_restoration_counts_in_whole_numbers(option: str) -> None:
    with pytest.raises(hvae.HvaeError, match=f"--{option}: expected a whole number, got 1.5"):
        hvae.restore("digits", "test", **{**RESTORING, option: 1.5})


@pytest.mark.parametrize("option", ["only", "levels", "workers"])
def test_a_decompression_counts_in_whole_numbers(option: str, tmp_path: Path) -> None:
    with pytest.raises(hvae.HvaeError, match=f"--{option}: expected a whole number, got '1'"):
        hvae.decompress(tmp_path / "a.hvz", tmp_path / "back", **{option: "1"})  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["levels", "below", "latent", "replays", "seed"])
def test_a_growth_counts_in_whole_numbers(option: str, tmp_path: Path) -> None:
    with pytest.raises(hvae.HvaeError, match=f"--{option}: expected a whole number, got 0.5"):
        hvae.grow("digits", "digits", tmp_path / "grown", **{option: 0.5})  # type: ignore[arg-type]


def test_an_anchor_is_one_of_the_data() -> None:
    with pytest.raises(hvae.HvaeError, match="anchor: expected a row of x, 0 to 3, got 4"):
        hvae.traverse(MODEL, X, anchor=4)


LISTS: dict[str, Callable[[Any], object]] = {
    "counts": lambda numbers: hvae.from_top(MODEL, X, counts=numbers),
    "shape": lambda numbers: hvae.Condition(shape=numbers),
    "--magnifications": lambda numbers: hvae.score_slide("digits", "none.png", out="none", magnifications=numbers),
    "--top": lambda numbers: hvae.listen({"a": "digits"}, top=numbers),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("numbers", [2, 1.5, "12"])
def test_one_number_is_no_list_of_them(name: str, numbers: object) -> None:
    with pytest.raises(hvae.HvaeError, match=f"^{name}: expected a list of whole numbers, as in .1, 2., got "):
        LISTS[name](numbers)


@pytest.mark.parametrize("option", ["count", "seed"])
def test_what_is_forgotten_is_counted_in_whole_numbers(option: str) -> None:
    with pytest.raises(hvae.HvaeError, match=f"{option}: expected a whole number, got 1.5"):
        hvae.forgetting("digits", ["digits"], **{option: 1.5})  # type: ignore[arg-type]
