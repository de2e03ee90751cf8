"""The law of a camera: it sums to one, is the normal distribution of its bins, and has gradients however far it is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from torch import Tensor

from hvae.distributions import Camera
from hvae.distributions.tails import log_mass, log_ndtr


def grid(levels: int) -> Tensor:
    return torch.arange(levels, dtype=torch.float64) / (levels - 1)


def camera(signal: float, scale: float, levels: int) -> Camera:
    each = torch.ones(1, levels, dtype=torch.float64)
    return Camera(signal * each, scale * each, levels)


@settings(deadline=None)
@given(bits=st.sampled_from([1, 4, 8, 12]), signal=st.floats(-3, 4), scale=st.floats(1e-4, 30))
def test_the_levels_sum_to_one(bits: int, signal: float, scale: float) -> None:
    log_p = camera(signal, scale, 2**bits).log_prob(grid(2**bits)[None])
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("half", [1e-6, 0.02, 0.0999, 0.1001, 1.0, 8.0])
def test_masses_are_those_of_the_normal_distribution(half: float) -> None:
    z = torch.linspace(0, 6, 61, dtype=torch.float64)
    # From the upper tail, where the difference of two small numbers cancels least.
    expected = torch.from_numpy(norm.sf((z - half).numpy()) - norm.sf((z + half).numpy()))
    found = log_mass(z, torch.full_like(z, half)).exp()
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-15)
    torch.testing.assert_close(log_mass(-z, torch.full_like(z, half)).exp(), found)


def test_tails_and_their_gradients() -> None:
    z = torch.tensor([-5e3, -100.0, -15.1, -14.9, -3.0, 2.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(log_ndtr(z).sum(), z)
    at = z.detach().numpy()
    torch.testing.assert_close(log_ndtr(z).detach(), torch.from_numpy(norm.logcdf(at)), rtol=1e-9, atol=1e-12)
    expected = torch.from_numpy(norm.logpdf(at) - norm.logcdf(at)).exp()
    # Beyond -100 the logarithms that scipy gives are of another size than their difference.
    torch.testing.assert_close(slope[1:], expected[1:], rtol=1e-6, atol=0)
    assert float(slope[0]) == pytest.approx(5e3, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-4, 0.1, 10.0])
@pytest.mark.parametrize("signal", [-50.0, 0.5, 60.0])
def test_gradients_point_home_from_far_away(scale: float, signal: float) -> None:
    at = torch.full((1, 256), signal, requires_grad=True)
    x = grid(256)[None].float()
    nats = Camera(at, torch.full_like(at, scale), 256).log_prob(x)
    (slope,) = torch.autograd.grad(nats.sum(), at)
    assert bool(nats.isfinite().all() and slope.isfinite().all())
    inner, away = slope[0, 1:-1], (x - signal)[0, 1:-1]
    assert bool((inner.sign() == away.sign())[away.abs() > 0.01].all())


@pytest.mark.parametrize(("signal", "scale"), [(0.02, 0.1), (0.5, 0.3), (1.1, 0.2)])
def test_the_mean_is_that_of_clipped_draws(signal: float, scale: float) -> None:
    wide = torch.full((1, 400_000), signal, dtype=torch.float64)
    torch.manual_seed(0)
    drawn = Camera(wide, torch.full_like(wide, scale), 256).sample()
    assert camera(signal, scale, 256).mean()[0, 0].item() == pytest.approx(drawn.mean().item(), abs=2e-3)
    levels = (drawn * 255).round().long().flatten().bincount(minlength=256) / drawn.numel()
    mass = camera(signal, scale, 256).log_prob(grid(256)[None])[0].exp()
    assert float((levels - mass).abs().max()) < 3e-3
