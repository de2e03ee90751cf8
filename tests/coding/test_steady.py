"""Rounded parameters: the last bits of a network do not count, and what cannot be rounded is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hvae.coding.entropy.registry import continuous
from hvae.coding.entropy.steady import Uncodable, steady
from hvae.distributions import Bernoulli, Flowed, Normal
from hvae.errors import HvaeError


def test_last_bits_do_not_count() -> None:
    loc = torch.randn(100_000, dtype=torch.float64)
    scale = torch.randn(100_000, dtype=torch.float64).exp()
    nudge = 1 + 4e-16 * torch.randn(100_000, dtype=torch.float64)
    a, b = steady(loc, scale), steady(loc * nudge, scale * nudge)
    assert np.array_equal(a.loc, b.loc) and np.array_equal(a.scale, b.scale)


@given(st.floats(-1e6, 1e6), st.floats(1e-12, 1e12))
def test_little_is_lost(loc: float, scale: float) -> None:
    found = steady(torch.tensor([loc], dtype=torch.float64), torch.tensor([scale], dtype=torch.float64))
    assert abs(found.loc[0] - loc) <= scale / 1024
    assert abs(found.scale[0] - scale) <= scale / 1024


@given(st.floats(-1e6, 1e6), st.floats(1e-12, 1e12))
def test_twice_is_once(loc: float, scale: float) -> None:
    once = steady(torch.tensor([loc], dtype=torch.float64), torch.tensor([scale], dtype=torch.float64))
    twice = steady(torch.from_numpy(once.loc), torch.from_numpy(once.scale))
    assert np.array_equal(once.scale, twice.scale)
    # A scale that was rounded up to a power of two has units twice as wide the second time.
    assert np.array_equal(once.loc, twice.loc) or np.frexp(once.scale)[0] == 0.5


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0])
def test_impossible_scales_are_refused(bad: float) -> None:
    with pytest.raises(HvaeError, match="cannot be coded"):
        steady(torch.zeros(1), torch.tensor([bad]))


def test_only_gaussian_latents_can_be_coded() -> None:
    plain = Normal(torch.zeros(1, 2), torch.ones(1, 2))
    assert continuous(plain).parameters.loc.shape == (2,)
    for law in (Flowed(plain, lambda z: (z, torch.zeros_like(z))), Bernoulli(torch.zeros(1, 2))):
        with pytest.raises(Uncodable, match="train with Gaussians"):
            continuous(law)
