"""Guidance: closed forms on a Gaussian, the plain walk at weight 1, and what cannot be guided."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from conditional_gaussian import DIMS, T, linear_gaussian, means
from families import FAMILIES, SHAPE

from hvae.config.condition import ConditionConfig
from hvae.distributions import Bernoulli
from hvae.draw import guided, prior
from hvae.errors import HvaeError
from hvae.explore import sample, sample_pixels
from hvae.explore.cells import Grid, cells
from hvae.explore.frame import Remembered, decode
from hvae.site import Site
from hvae.walk import Evidence, Model, names, run
from hvae.zoo import build

N = 20_000


def model(name: str = "ladder-residual", **keys: Any) -> Model:
    torch.manual_seed(1)
    condition = ConditionConfig(**{"kind": "class", "classes": 3, "drop": 0.2, **keys})
    return build(replace(FAMILIES[name], condition=condition), shape=SHAPE, bits=1).double().eval()


def both(n: int, label: int) -> Evidence:
    return Evidence(2 * n, context={"label": torch.tensor([label] * n + [-1] * n)})


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 2.5])
def test_the_guided_law_of_a_gaussian(weight: float) -> None:
    """p_u = N(0, T^2) and p_c = N(b_y, T^2), so that the guided one is N(w b_y, T^2)."""
    gaussian = linear_gaussian()
    with torch.no_grad():
        trace = run(gaussian, guided({"z1": weight}), both(N, 2))
    z = trace["z1"].value
    assert torch.equal(z[:N], z[N:])
    expected = weight * means(gaussian, torch.tensor(2))
    torch.testing.assert_close(trace["z1"].proposal.loc[0], expected)  # type: ignore[union-attr]
    torch.testing.assert_close(z[:N].mean(0), expected, atol=5 * T / math.sqrt(N), rtol=0)
    torch.testing.assert_close(z[:N].std(0), torch.full((DIMS,), T).double(), atol=0.02, rtol=0)


def test_scales_move_between_the_two_laws_and_no_further() -> None:
    ladder, top = model(), "z3"
    torch.manual_seed(0)
    free = run(ladder, prior(), n=1)[top].law.scale
    torch.manual_seed(0)
    told = run(ladder, prior(), n=1, context={"label": 1})[top].law.scale
    expected = {0.0: free, 0.5: (free * told).sqrt(), 1.0: told, 3.0: told}
    for weight, scale in expected.items():
        law = run(ladder, guided({top: weight}), both(1, 1))[top].proposal
        torch.testing.assert_close(law.scale[:1], scale)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["ladder-residual", "lvae-mlp-precision", "markov-mlp", "vdvae", "iafvae", "nvae"])
def test_weight_one_is_the_plain_conditional_walk_and_zero_the_unconditional_one(name: str) -> None:
    told = model(name)
    levels = names(told)
    for weight, context in ((1.0, {"label": 1}), (0.0, {})):
        with torch.no_grad():
            torch.manual_seed(2)
            plain = run(told, prior(), n=3, context=context)
            torch.manual_seed(2)
            steered = run(told, guided(dict.fromkeys(levels, weight)), both(3, 1))
        for level in levels:
            torch.testing.assert_close(steered[level].value[:3], plain[level].value)


def test_samples_follow_by_level_and_pins_stay() -> None:
    ladder = model()
    plain = sample(ladder, 4, context={"label": 1}, seed=1)
    assert torch.equal(plain, sample(ladder, 4, context={"label": 1}, seed=1, guidance=1))
    strong = sample(ladder, 4, context={"label": 1}, seed=1, guidance=3)
    one = sample(ladder, 4, context={"label": 1}, seed=1, guidance={"z3": 3})
    assert strong.shape == plain.shape and not torch.equal(strong, one) and not torch.equal(one, plain)
    assert sample_pixels(ladder, 4, context={"label": 1}, guidance=2.0, temperature=0).unique().tolist() == [0, 1]
    every = {record.name: record.value for record in run(ladder, prior(), n=4).latents}
    pinned = sample(ladder, 4, context={"label": 1}, given=every, guidance=3)
    torch.testing.assert_close(pinned, decode(ladder, every, 4, context={"label": 1}))
    parts = sample(ladder, 5, context={"label": [0, 1, 2, 0, 1]}, guidance=2, seed=3, chunk=2)
    assert parts.shape == (5, *SHAPE)


def test_cells_are_guided_and_keep_their_noise() -> None:
    """z = mu + sigma eps(seed), mu and sigma those of the guided law; the level below follows what was drawn."""
    ladder, seeds = model(), {"z3": [1, 2], "z2": [3, 4], "z1": [5, 6]}
    said = {"label": torch.tensor([2, 0])}
    plain, strong = Remembered(), Remembered(copies=2)
    Grid.of(ladder).draw(seeds, context=said, read=plain)
    pictures = Grid.of(ladder).draw(seeds, 1.0, said, guidance={"z3": 3.0}, read=strong)
    with torch.no_grad():
        told, free = (run(ladder, prior(), n=2, context=one)["z3"].law for one in (said, {}))
    noise = (plain.values()["z3"] - told.loc) / told.scale
    expected = free.loc + 3 * (told.loc - free.loc) + told.scale * noise
    torch.testing.assert_close(strong.values()["z3"], expected)
    torch.testing.assert_close(decode(ladder, strong.values(), 2, context=said), pictures)
    torch.testing.assert_close(cells(ladder, seeds, context=said, guidance={"z3": 3.0}, chunk=1), pictures)
    assert torch.equal(cells(ladder, seeds, context=said, guidance=1.0), cells(ladder, seeds, context=said))


@pytest.mark.parametrize(
    ("keys", "asked", "line"),
    [
        ({"kind": "none", "drop": 0.0}, {}, "this model has none"),
        ({"drop": 0.0}, {"context": {"label": 1}}, "train it with model.condition.drop above 0"),
        ({}, {}, "expected a context with a known label"),
        ({}, {"context": {"label": -1}}, "expected a context with a known label"),
        ({}, {"context": {"label": 1}, "guidance": {"z9": 2}}, "no level named 'z9'"),
        ({}, {"context": {"label": 1}, "guidance": -1.0}, "expected a weight from 0 to 100"),
        ({}, {"context": {"label": 1}, "guidance": math.nan}, "expected a weight from 0 to 100"),
    ],
)
def test_what_cannot_be_guided_is_said(keys: dict[str, Any], asked: dict[str, Any], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        sample(model(**keys), 2, **{"guidance": 2.0, **asked})


def test_a_level_without_a_location_is_refused() -> None:
    with pytest.raises(HvaeError, match="guidance moves Gaussian levels and codes, got Bernoulli at z1"):
        guided({"z1": 2.0})(Site("z1", Bernoulli(torch.zeros(2, 1))))
