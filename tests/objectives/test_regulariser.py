"""The weight of what depends on a model's weights alone."""

from __future__ import annotations

import math

import pytest
import torch

from hvae.config import ObjectiveConfig, RegulariserConfig, WarmUpConfig
from hvae.errors import HvaeError
from hvae.objectives import ELBO, IWAE, Regulariser, WarmUp, build


@pytest.mark.parametrize("step", [0, 3, 50, 99, 100, 1000])
def test_it_moves_log_linearly_with_the_rates(step: int) -> None:
    """The published form: exp((1 - c) log init + c log final), c the weight of the rates with its floor."""
    warmup = WarmUp(length=100, floor=1e-4)
    c = max(min(step / 100, 1.0), 1e-4)
    published = math.exp((1 - c) * math.log(1.0) + c * math.log(0.01))
    assert Regulariser(0.01, 1.0, warmup)(["z2", "z1"], step) == pytest.approx(published, rel=1e-12)


def test_the_slowest_level_counts() -> None:
    anneal = Regulariser(0.01, 1.0, WarmUp(length={"z1": 10}))
    assert [anneal(["z2", "z1"], step) for step in (0, 10)] == [1.0, 0.01]


def test_without_a_start_it_stays() -> None:
    assert Regulariser(0.3, warmup=WarmUp(length=10))(["z1"], 0) == 0.3


def test_objectives_have_one() -> None:
    config = ObjectiveConfig(warmup=WarmUpConfig(length=10), regulariser=RegulariserConfig(weight=0.1, start=10.0))
    assert [build(config).regulariser(["z1"], step) for step in (0, 5, 10)] == pytest.approx([10.0, 1.0, 0.1], rel=1e-3)
    assert build(ObjectiveConfig(kind="iwae", samples=2)).regulariser(["z1"], 0) == 0.01
    assert ELBO().regulariser(["z1"], 0) == IWAE(2).regulariser(["z1"], 0) == 1.0


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"weight": -1.0}, "regulariser.weight: expected at least 0"),
        ({"start": -1.0}, "regulariser.start: expected at least 0"),
        ({"weight": 0.0, "start": 1.0}, "cannot fall to 0 along a logarithm"),
    ],
)
def test_impossible_weights(config: dict[str, float], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        RegulariserConfig(**config)


def test_annealing_needs_a_warm_up() -> None:
    with pytest.raises(HvaeError, match="regulariser.start: moves with the warm-up and there is none"):
        ObjectiveConfig(regulariser=RegulariserConfig(start=1.0))


def test_balance_is_the_published_one() -> None:
    """alpha of the released code, (2^i)^2 over the groups of scale i, in a hierarchy of unlike scales."""
    from hvae.objectives import Balance

    sides, groups = (2, 4, 8), (1, 2, 4)
    rates = {}
    for i, (side, count) in enumerate(zip(sides, groups, strict=True)):
        rates |= {f"z{i}{g}": torch.rand(3, 2, side, side, dtype=torch.float64) for g in range(count)}
    alpha = torch.tensor([4.0**i / n for i, n in enumerate(groups) for _ in range(n)], dtype=torch.float64)
    share = (torch.stack([nats.sum((1, 2, 3)).abs().mean() for nats in rates.values()]) + 0.01) / alpha
    charged = Balance(WarmUp(length=10))(rates, 5)
    for gamma, name in zip(share / share.mean(), rates, strict=True):
        torch.testing.assert_close(charged[name], gamma * rates[name])
