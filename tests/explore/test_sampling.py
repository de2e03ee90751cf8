from __future__ import annotations

import math

import pytest
import torch
from toys import GREY, RGB, Chain, Ladder

from hvae.draw import given, mode, prior
from hvae.errors import HvaeError
from hvae.explore import sample, sample_pixels
from hvae.explore.frame import levels
from hvae.walk import Model, run, still

MODELS = pytest.mark.parametrize("model", [Ladder(GREY), Chain(GREY), Ladder(RGB)], ids=["ladder", "chain", "rgb"])


@MODELS
def test_shape_and_range(model: Model) -> None:
    made = sample(model, 5)
    assert made.shape == (5, *model.shape)
    assert made.min() >= 0 and made.max() <= 1
    assert not made.requires_grad


@MODELS
def test_the_seed_decides(model: Model) -> None:
    assert torch.equal(sample(model, 5, seed=1), sample(model, 5, seed=1))
    assert not torch.equal(sample(model, 5, seed=1), sample(model, 5, seed=2))


def test_a_seed_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    sample(_LADDER, 2, seed=7)
    assert torch.equal(torch.rand(3), expected)


def test_without_a_seed_two_calls_differ() -> None:
    assert not torch.equal(sample(_LADDER, 4), sample(_LADDER, 4))


def test_it_is_the_likelihoods_mean_of_drawn_latents() -> None:
    made = sample(_LADDER, 4, seed=1)
    with still(_LADDER, 1):
        trace = run(_LADDER, prior(), n=4)
    assert torch.equal(made, trace["x"].p.mean())


def test_pixels_are_drawn_with_the_same_latents() -> None:
    mean, drawn = sample(_LADDER, 4000, seed=1), sample_pixels(_LADDER, 4000, seed=1)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    sure = (mean < 0.01) | (mean > 0.99)
    assert (drawn[sure] - mean[sure]).abs().mean() < 0.01
    assert torch.allclose(drawn.mean(), mean.mean(), atol=0.01)


@MODELS
def test_zero_temperature_is_the_mode_and_low_ones_vary_less(model: Model) -> None:
    frozen = sample(model, 6, temperature=0.0)
    with torch.no_grad():
        expected = run(model.eval(), mode)["x"].p.mean()
    assert torch.allclose(frozen, expected.expand_as(frozen))
    spreads = [sample(model, 200, temperature=t, seed=1).var(0).mean() for t in (0.01, 0.5, 1.0)]
    assert spreads[0] < 0.01 * spreads[2] and spreads[1] < spreads[2]


def test_temperature_by_level() -> None:
    cool = {name: 0.0 for name in levels(_LADDER)}
    assert torch.equal(sample(_LADDER, 3, temperature=cool), sample(_LADDER, 3, temperature=0.0))
    warm_top = sample(_LADDER, 50, temperature={"z2": 0.0, "z1": 0.0}, seed=1)
    assert 0 < warm_top.var(0).mean() < sample(_LADDER, 50, seed=1).var(0).mean()


def test_pixels_are_never_tempered() -> None:
    drawn = sample_pixels(_LADDER, 200, temperature=0.0, seed=1)
    assert drawn.var(0).mean() > 0.01


@MODELS
def test_pinned_levels_stay(model: Model) -> None:
    values = {"z3": torch.randn(5, 2), "z2": torch.randn(5, 3)}
    made = sample(model, 5, given=values, temperature=0.0)
    with torch.no_grad():
        trace = run(model.eval(), given(values, mode), n=5)
    assert torch.equal(made, trace["x"].p.mean())
    everything = values | {"z1": torch.randn(1, 4)}
    assert torch.equal(sample(model, 5, given=everything), sample(model, 5, given=everything))


def test_chunks_cut_the_given_values_too() -> None:
    values = {"z3": torch.randn(7, 2), "z2": torch.randn(7, 3), "z1": torch.randn(7, 4)}
    assert torch.allclose(sample(_LADDER, 7, given=values, chunk=3), sample(_LADDER, 7, given=values), atol=1e-6)
    assert len(sample(_LADDER, 130)) == 130


def test_training_mode_is_suspended_and_restored() -> None:
    model = Ladder(GREY).train()
    model.out.eval()
    sample(model, 1)
    assert model.training and model.dropout.training and not model.out.training


def test_bad_input() -> None:
    for arguments, message in [
        ({"temperature": {"z9": 1.0}}, "no level named 'z9'"),
        ({"temperature": {"x": 1.0}}, "no level named 'x'"),
        ({"given": {"z7": torch.zeros(2, 2)}}, "no level named 'z7'"),
        ({"given": {"z3": torch.zeros(2, 5)}}, r"expected given\['z3'\] of shape \(2, 2\)"),
        ({"given": {"z3": torch.zeros(3, 2)}}, r"got \(3, 2\)"),
        ({"temperature": -0.1}, "0 or above"),
        ({"temperature": {"z1": math.nan}}, "for z1, got nan"),
    ]:
        with pytest.raises(HvaeError, match=message):
            sample(_LADDER, 2, **arguments)
    with pytest.raises(HvaeError, match="n: expected at least 1, got 0"):
        sample(_LADDER, 0)


_LADDER = Ladder(GREY)
