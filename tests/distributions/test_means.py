"""A mean that calls itself exact is the expected value of draws; one that is near it says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hvae.distributions import Distribution, LogisticMixture, Normal
from hvae.distributions.fivebit import HighBits
from hvae.distributions.flow import Flowed
from hvae.distributions.masked import Masked
from hvae.levels.heads import Head
from hvae.levels.likelihoods import HEADS, head

EXACT = [
    kind for kind in HEADS if kind not in ("dmol", "bernoulli", "bernoulli-bounded", "noise", "noise-global", "columns")
]
ROWS = 40_000


def law(made: Head) -> Distribution:
    raw = torch.randn(1, made.width, 1, 1, dtype=torch.float64)
    return made.double()(raw.expand(ROWS, -1, -1, -1))


def error(found: Distribution) -> Tensor:
    """How far the mean of draws lies from the mean, in standard errors (a little more, for values drawn about once)."""
    draws = found.sample()
    return (draws.mean(0) - found.mean()[0]).abs() / (draws.std(0) / ROWS**0.5 + 1e-4)


@pytest.mark.parametrize("kind", EXACT)
def test_exact_means_are_those_of_draws(kind: str) -> None:
    found = law(head(kind, (2, 1, 1), 8))
    assert found.has_exact_mean and bool((error(found) < 5).all())


def exponential(z: Tensor) -> tuple[Tensor, Tensor]:
    return z.exp(), z


MADE: dict[str, Callable[[], Distribution]] = {
    "mixture": lambda: law(head("dmol", (1, 1, 1), 4)),
    "noise": lambda: law(head("noise", (1, 1, 1), 4)),
    "five bits of a mixture": lambda: HighBits(law(head("dmol", (1, 1, 1), 32))),
    "flow": lambda: Flowed(Normal(torch.zeros(2, 2), torch.ones(2, 2)), exponential),
    "partly a flow": lambda: Masked(torch.tensor(True), None, MADE["flow"]()),
}


@pytest.mark.parametrize("name", MADE)
def test_means_that_are_not_exact_say_so(name: str) -> None:
    assert not MADE[name]().has_exact_mean


def test_a_mixture_at_the_edge_is_off_by_what_it_leaves_out() -> None:
    wide = torch.full((ROWS, 1, 1, 1), 1.0, dtype=torch.float64)
    found = LogisticMixture(wide[..., 0], loc=wide, log_scale=wide, coefficients=wide[:, :, :0], levels=2)
    assert float(error(found).max()) > 10
