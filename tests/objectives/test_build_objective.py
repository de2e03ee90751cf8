from __future__ import annotations

from typing import Literal

import pytest
import torch
from linear_gaussian import TopDownGaussian

from hvae.config.objective import FreeBitsConfig, ObjectiveConfig, RegulariserConfig, WarmUpConfig
from hvae.config.parse import plain, read
from hvae.errors import HvaeError
from hvae.objectives import ELBO, FIVO, IWAE, STL, DReG, build
from hvae.particles import ParticleFilter


def test_the_default_is_the_plain_elbo() -> None:
    trace = TopDownGaussian(2).loosened()(torch.randn(8, 5, dtype=torch.float64))
    objective = build(ObjectiveConfig())
    assert isinstance(objective, ELBO) and objective.samples == 1
    torch.testing.assert_close(objective(trace, 0).total, -trace.elbo().mean())


def test_free_bits_count_true_nats_and_are_weighed_afterwards() -> None:
    trace = TopDownGaussian(2).loosened()(torch.randn(8, 5, dtype=torch.float64))
    config = ObjectiveConfig(beta=2.0, free_bits=FreeBitsConfig(nats=50.0), warmup=WarmUpConfig(length=10, floor=0.0))
    loss = build(config)(trace, 5)
    # Both levels at 50 nats, weighed by beta 2 and half a warm-up.
    torch.testing.assert_close(loss.total, 100.0 - trace.log_likelihood().mean())


def test_every_shape_of_warm_up() -> None:
    trace = TopDownGaussian(1)(torch.randn(8, 5, dtype=torch.float64))
    for shape, weight in (("linear", 0.75), ("sigmoid", 0.9548), ("cyclical", 1.0)):
        config = ObjectiveConfig(warmup=WarmUpConfig(shape=shape, start=10, length=20, cycles=1))
        assert float(build(config)(trace, 25).terms["warmup/z1"]) == pytest.approx(weight, abs=1e-4)
        assert float(build(config)(trace, 3).terms["warmup/z1"]) == pytest.approx(1e-4)


@pytest.mark.parametrize("length", [0.25, {"z1": 0.25}])
def test_a_warm_up_can_be_a_share_of_the_steps(length: float | dict[str, float]) -> None:
    config = ObjectiveConfig(warmup=WarmUpConfig(length=length, start=0.5))
    trace = TopDownGaussian(1)(torch.randn(8, 5, dtype=torch.float64))
    objective = build(config.over(40))
    found = [float(objective(trace, step).terms["warmup/z1"]) for step in (20, 25, 30, 39)]
    assert found == pytest.approx([1e-4, 0.5, 1.0, 1.0])
    with pytest.raises(HvaeError, match=r"got shares of them; give config.over\(steps\)"):
        build(config)
    assert read(ObjectiveConfig, plain(config)) == config


@pytest.mark.parametrize("value", [1.0, 1.5, -0.1, "0.5x"])
def test_a_share_lies_below_one(value: object) -> None:
    with pytest.raises(HvaeError, match="warmup.length: expected"):
        read(ObjectiveConfig, {"warmup": {"length": value}})


def test_balance_sees_the_warm_up_and_all_processes() -> None:
    trace = TopDownGaussian(2).loosened()(torch.randn(8, 5, dtype=torch.float64))
    config = ObjectiveConfig(balance=True, warmup=WarmUpConfig(length=10))
    seen: list[torch.Tensor] = []
    objective = build(config, average=lambda t: seen.append(t) or t)
    objective(trace, 5)
    torch.testing.assert_close(seen[0], torch.stack([rate.mean() for rate in trace.rates().values()]).detach())
    torch.testing.assert_close(objective(trace, 10).total, -trace.elbo().mean())
    assert len(seen) == 1


def test_iwae() -> None:
    objective = build(ObjectiveConfig(kind="iwae", samples=7))
    assert isinstance(objective, IWAE) and objective.samples == 7


@pytest.mark.parametrize(("kind", "made"), [("stl", STL), ("dreg", DReG)])
@pytest.mark.parametrize("samples", [1, 3])
def test_estimators_without_the_score(kind: Literal["stl", "dreg"], made: type, samples: int) -> None:
    objective = build(ObjectiveConfig(kind=kind, samples=samples, regulariser=RegulariserConfig(weight=0.5)))
    assert type(objective) is made and objective.samples == 2 * samples
    assert objective.regulariser.weight == 0.5


def test_configurations_survive_text() -> None:
    text = {"beta": "z1=2,z2=0.5", "warmup": {"length": "2000"}, "free_bits": {"nats": 0.5, "per": "channel"}}
    config = read(ObjectiveConfig, text, "objective")
    assert config.beta == {"z1": 2.0, "z2": 0.5} and config.warmup.length == 2000 and config.free_bits.per == "channel"
    assert read(ObjectiveConfig, plain(config), "objective") == config


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"beta": -1}, "objective.beta: expected at least 0, got -1"),
        ({"beta": {"z1": -1}}, "objective.beta.z1: expected at least 0, got -1"),
        ({"samples": 0}, "objective.samples: expected at least 1, got 0"),
        ({"kind": "iwae"}, "objective.samples: expected at least 2 with kind iwae"),
        ({"kind": "iwae", "samples": 5, "beta": 2}, "objective.kind: iwae has no separate rates"),
        ({"kind": "iwae", "samples": 5, "free_bits": {"nats": 1}}, "objective.kind: iwae has no separate rates"),
        ({"kind": "stl", "beta": 2}, "objective.kind: stl has no separate rates"),
        (
            {"kind": "dreg", "warmup": {"length": 5}},
            "dreg has no separate rates to weigh; set objective.warmup.length 0$",
        ),
        ({"kind": "dreg", "samples": 0}, "objective.samples: expected at least 1, got 0"),
        ({"kind": "drag"}, "did you mean 'dreg'"),
        ({"balance": True}, "objective.balance: .*set objective.warmup.length"),
        ({"balance": True, "warmup": {"length": 5}, "free_bits": {"nats": 1}}, "choose one of the two"),
        ({"warmup": {"floor": 1.0}}, r"objective.warmup.floor: expected a weight in \[0, 1\), got 1.0"),
        (
            {"warmup": {"length": -5}},
            "objective.warmup.length: expected a number of steps, or a share of .*, got -5",
        ),
        ({"warmup": {"cycles": 0}}, "objective.warmup.cycles: expected at least 1, got 0"),
        ({"free_bits": {"nats": -1}}, "objective.free_bits.nats: expected at least 0, got -1"),
        ({"free_bits": {"per": "levle"}}, "objective.free_bits.per: .*did you mean 'level'"),
    ],
)
def test_bad_configurations_are_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(HvaeError, match=message) as fault:
        read(ObjectiveConfig, given, "objective")
    assert "\n" not in str(fault.value)


def test_choices_are_checked_without_a_parser_too() -> None:
    with pytest.raises(HvaeError, match=r"objective.kind: no choice named 'elb'; did you mean 'elbo'"):
        ObjectiveConfig(kind="elb")  # type: ignore[arg-type]
    with pytest.raises(HvaeError, match=r"objective.warmup.shape: no choice named 'none'"):
        WarmUpConfig(shape="none")  # type: ignore[arg-type]


def test_a_particle_filter_by_its_key() -> None:
    objective = build(ObjectiveConfig(kind="fivo", samples=8, threshold=0.25))
    assert isinstance(objective, FIVO) and objective.loop == ParticleFilter(8, 0.25)
    with pytest.raises(HvaeError, match="expected at least 2 with kind fivo"):
        ObjectiveConfig(kind="fivo")
    with pytest.raises(HvaeError, match=r"objective.threshold: a choice of fivo alone, got kind iwae; leave it out"):
        ObjectiveConfig(kind="iwae", samples=2, threshold=0.1)
    with pytest.raises(HvaeError, match="fivo has no separate rates"):
        ObjectiveConfig(kind="fivo", samples=2, beta=2.0)
