"""Codes: lossless for every symbol, and as short as the distribution says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from hvae.coding.entropy.bins import EqualMass, Even, Spread
from hvae.coding.entropy.numerics import noise
from hvae.coding.entropy.registry import continuous, data, latent, levels_of
from hvae.coding.entropy.stack import Stack
from hvae.coding.entropy.steady import Uncodable
from hvae.distributions import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    Distribution,
    LinearPrediction,
    LogisticMixture,
    Normal,
)
from hvae.distributions.discrete import level_of
from hvae.distributions.fivebit import HighBits, overlapping_mass


def rand(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def mixture(batch: int, channels: int, space: tuple[int, ...], levels: int, **options: object) -> LogisticMixture:
    m, pairs = 4, channels * (channels - 1) // 2
    return LogisticMixture(
        rand(batch, m, *space),
        loc=0.5 * rand(batch, m, channels, *space),
        log_scale=rand(batch, m, channels, *space) - 2.5,
        coefficients=rand(batch, m, pairs, *space).tanh(),
        levels=levels,
        **options,  # type: ignore[arg-type]
    )


LAWS = {
    "bernoulli": lambda: Bernoulli(3 * rand(8, 1, 9, 7)),
    "categorical-256": lambda: Categorical(rand(8, 256, 1, 9, 7)),
    "categorical-10": lambda: Categorical(rand(8, 10, 3, 4)),
    "logistic-256": lambda: DiscretizedLogistic(0.5 * rand(8, 3, 9, 7), rand(8, 3, 9, 7) - 3, 256),
    "logistic-5": lambda: DiscretizedLogistic(0.5 * rand(8, 3, 9, 7), rand(8, 3, 9, 7) - 1, 5),
    "mixture-grey": lambda: mixture(8, 1, (9, 7), 256),
    "mixture-colour": lambda: mixture(8, 3, (9, 7), 256),
    "mixture-four-channels": lambda: mixture(3, 4, (5,), 32),
    "linear-prediction": lambda: LinearPrediction(
        0.01 * rand(8, 20),
        rand(8, 20) - 3,
        logits=rand(8, 3),
        ratio=rand(8, 3),
        reflection=rand(8, 5).tanh(),
        levels=2**16,
    ),
    "mixture-vector": lambda: mixture(8, 1, (50,), 256, shape=(50,)),
}


@pytest.fixture(params=list(LAWS))
def law(request: pytest.FixtureRequest) -> Distribution:
    return LAWS[request.param]()


def symbols_of(law: Distribution, value: Tensor) -> np.ndarray:
    return level_of(value, levels_of(law)).long().reshape(-1).numpy()


def cost(law: Distribution, symbols: np.ndarray) -> int:
    stack = Stack.start(noise(2))
    before = stack.bits
    data(law).push(stack, symbols)
    spent = stack.bits - before
    assert np.array_equal(data(law).pop(stack), symbols)
    assert np.array_equal(stack.ending(), noise(2))
    return spent


def test_data_cost_their_log_probability(law: Distribution) -> None:
    value = law.sample()
    ideal = -float(law.log_prob(value).sum()) / math.log(2)
    assert cost(law, symbols_of(law, value)) == pytest.approx(ideal, rel=2e-3, abs=3)


@pytest.mark.parametrize("pick", ["first", "last", "any"])
def test_whatever_the_data_they_come_back(law: Distribution, pick: str) -> None:
    shape, top = symbols_of(law, law.sample()).shape, levels_of(law) - 1
    any_of_them = np.random.default_rng(0).integers(0, top + 1, shape)
    symbols = {"first": np.zeros_like(any_of_them), "last": np.full_like(any_of_them, top), "any": any_of_them}[pick]
    bits_a_symbol = cost(law, symbols) / len(symbols)
    assert bits_a_symbol < 90  # three digits, each of 2^-30 at least


def test_pops_from_noise_can_be_given_back(law: Distribution) -> None:
    stack = Stack.start(noise(20_000))
    symbols = data(law).pop(stack)
    data(law).push(stack, symbols)
    assert np.array_equal(stack.ending(), noise(20_000))


def test_pops_from_noise_are_draws() -> None:
    law = DiscretizedLogistic(torch.full((1, 20_000), 0.1).double(), torch.full((1, 20_000), -1.5).double(), 16)
    found = np.bincount(data(law).pop(Stack.start(noise(10_000))), minlength=16) / 20_000
    grid = (torch.arange(16.0, dtype=torch.float64) / 15)[:, None].expand(16, 1)
    exact = DiscretizedLogistic(torch.full((16, 1), 0.1).double(), torch.full((16, 1), -1.5).double(), 16)
    assert np.abs(found - exact.log_prob(grid).exp()[:, 0].numpy()).max() < 0.015


LATENTS = {
    "prior-relative": lambda p: EqualMass(p, continuous(p), 9),
    "even on p's scale": lambda p: Spread(continuous(p), 2.0**-5, 9),
    "even": lambda p: Even(-6.0, 2.0**-5, 9),
}


@pytest.mark.parametrize("bins", list(LATENTS))
def test_latents_cost_the_mass_of_their_bins(bins: str) -> None:
    p = Normal(0.3 * rand(4, 50), (0.2 * rand(4, 50)).exp())
    q = Normal(p.loc + 0.5 * rand(4, 50), 0.3 * p.scale)
    chosen = LATENTS[bins](p)
    symbols = latent(q, chosen).pop(Stack.start(noise(1000)))
    index = symbols[:, None] + np.arange(2)
    edges = torch.from_numpy(chosen.edges(index)).view(4, 50, 2)
    for law in (p, q):
        mass = torch.special.ndtr((edges - law.loc[..., None]) / law.scale[..., None]).diff(dim=-1)
        stack = Stack.start(noise(2))
        before = stack.bits
        latent(law, chosen).push(stack, symbols)
        assert stack.bits - before == pytest.approx(-float(mass.log2().sum()), rel=2e-3, abs=2)
        assert np.array_equal(latent(law, chosen).pop(stack), symbols)


def test_equal_bins_cost_exactly_their_bits() -> None:
    p = Normal(rand(2, 10), rand(2, 10).exp())
    stack = Stack.start(noise(2))
    before = stack.bits
    latent(p, EqualMass(p, continuous(p), 7)).push(stack, np.arange(20))
    assert stack.bits - before == 140


@pytest.mark.parametrize("bins", list(LATENTS))
def test_centres_lie_in_their_bins(bins: str) -> None:
    p = Normal(rand(1, 512), rand(1, 512).exp())
    chosen, index = LATENTS[bins](p), np.arange(512)
    edges = chosen.edges(index[:, None] + np.arange(2))
    centres = chosen.centres(index)
    assert (edges[:, 0] < centres).all() and (centres < edges[:, 1]).all()
    assert edges[0, 0] == -np.inf and edges[-1, 1] == np.inf


def test_published_masses_that_are_none_are_put_right() -> None:
    """Weights of published code can be used; what is coded with them sums to one."""
    law = mixture(4, 3, (6, 6), 32)
    value = law.sample()
    ideal = -float(law.log_prob(value).sum()) / math.log(2)
    law.mass = overlapping_mass
    assert cost(law, symbols_of(law, value)) == pytest.approx(ideal, rel=2e-3)


def test_what_has_no_masses_is_refused_with_advice() -> None:
    for law in (
        Normal(rand(1, 3), rand(1, 3).exp()),
        HighBits(Categorical(rand(1, 32, 3))),
    ):
        with pytest.raises(Uncodable, match=r"train with --model\.likelihood dmol"):
            data(law)
