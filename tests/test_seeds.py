"""Data made with a seed, measured with the same seed: the noise of the measurement must not be the data again."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Normal, standard_normal
from hvae.draw import prior
from hvae.explore import encode, reconstruct, sample, sample_pixels
from hvae.metrics import activity, bounds, codes, contribution, hierarchical_bounds, measure, mutual, regret
from hvae.seeds import noise_seed, reseed
from hvae.site import Site
from hvae.training.seeds import seed_posterior, seed_valid
from hvae.walk import Evidence, Model, Visit, run, still

NOISE = 0.35


class Channel(Model):
    """z2 = nothing, z1 = x + noise: I(x; z1) of standard normal x is log(1 + 1 / noise^2) / 2 a coordinate."""

    def __init__(self) -> None:
        super().__init__()
        self.shape = (1, 1, 1)
        self.weight = nn.Parameter(torch.ones(1))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        x = None if evidence.x is None else evidence.x.flatten(1)
        flat = standard_normal(self.weight.new_zeros(evidence.n, 1), (1,))
        z1 = visit(Site("z1", flat, None if x is None else Normal(x, torch.full_like(x, NOISE))))
        visit(Site("z2", flat, flat if x is not None else None))
        law = Normal(z1.unflatten(1, self.shape), torch.ones(evidence.n, *self.shape))
        return visit(evidence.site(law))


def made(seed: int, n: int = 1500) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(n, 1, 1, 1)


@pytest.mark.parametrize("seed", [0, 1, 7, -3])
def test_information_is_that_of_the_channel_whatever_seed_made_the_data(seed: int) -> None:
    found = mutual(Channel(), [made(seed)], seed=seed, population=10**7)
    expected = 0.5 * math.log1p(1 / NOISE**2)
    assert found.levels["z1"].information_nats.stratified.mean == pytest.approx(expected, abs=0.12)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_draw_under_the_seed_of_the_data_is_not_the_data(seed: int) -> None:
    data = made(seed).flatten()
    with still(Channel(), seed):
        first = run(Channel(), prior(), n=len(data))["z1"].value.flatten()
    seed_posterior(seed, 0, 0)
    second = torch.randn(len(data))
    seed_valid(seed, 0)
    third = torch.randn(len(data))
    picture = sample(Channel(), len(data), seed=seed, chunk=len(data)).flatten()
    for other in (first, second, third, picture):
        assert abs(float(torch.corrcoef(torch.stack([data, other]))[0, 1])) < 0.12


MEASURES: dict[str, Callable[[Model, Tensor], object]] = {
    "bounds": lambda model, x: bounds(model, [x, x], samples=3, chunk_rows=8),
    "hierarchical": lambda model, x: hierarchical_bounds(model, [x], ["z1"], groups=2, samples=2),
    "activity": lambda model, x: activity(model, [x]),
    "codes": lambda model, x: codes(model, [x], "samples"),
    "contribution": lambda model, x: contribution(model, [x]),
    "measure": lambda model, x: measure(model, [x], bits=8),
    "regret": lambda model, x: regret(model, [x], steps=1),
    "encode": lambda model, x: encode(model, x, seed=0),
    "reconstruct": lambda model, x: reconstruct(model, x, seed=0),
    "sample_pixels": lambda model, x: sample_pixels(model, 2, seed=0),
}


@pytest.mark.parametrize("name", MEASURES)
def test_no_measure_sets_a_seed_that_people_use(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Listening(torch.default_generator)
    monkeypatch.setattr(torch, "default_generator", generator)
    monkeypatch.setattr(torch, "manual_seed", lambda seed: pytest.fail("it stores a stack for devices not in use"))
    MEASURES[name](Channel(), torch.rand(8, 1, 1, 1))
    assert generator.seeds and min(generator.seeds) > 10**4


class Listening:
    """A generator, and the seeds that it was set to."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.seeds: list[int] = []

    def manual_seed(self, seed: int) -> None:
        self.seeds.append(seed)
        self.generator.manual_seed(seed)


def test_setting_the_seed_stores_no_call() -> None:
    """What is queued for devices that are never used would be as long as the training."""
    before = len(torch.cuda._queued_calls)
    reseed(5)
    first = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), first)
    torch.cuda._queued_calls[:] = torch.cuda._queued_calls[:before]
    reseed(6)
    assert len(torch.cuda._queued_calls) == before and not torch.equal(torch.rand(3), first)


def test_seeds_of_noise_differ_in_seed_and_place() -> None:
    keys = [(seed, *place) for seed in (0, 1, 2**40, -1) for place in ((), (0,), (1,), (0, 0), (0, 1), (1, 0))]
    assert len({noise_seed(*key) for key in keys}) == len(keys)
