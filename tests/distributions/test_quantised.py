"""Latents to be rounded: masses that sum to one, a density that is a mass, and tails that stay finite."""

from __future__ import annotations

import math

import pytest
import torch

from hvae.distributions import divergence
from hvae.distributions.quantised import BlurredNormal, Uniform


def blurred(scale: float, loc: float = 0.3, width: float = 1.0) -> BlurredNormal:
    return BlurredNormal(*(torch.full((1, 1), v, dtype=torch.float64) for v in (loc, scale)), width)


@pytest.mark.parametrize("scale", [0.1, 0.7, 3.0, 40.0])
@pytest.mark.parametrize("width", [1.0, 0.5])
@pytest.mark.parametrize("offset", [0.0, 0.37])
def test_masses_of_a_grid_sum_to_one(scale: float, width: float, offset: float) -> None:
    """On every grid of the width, not only on the one around the mean that files use."""
    p, k = blurred(scale, width=width), torch.arange(-1000, 1001, dtype=torch.float64)
    grid = (0.3 + (k + offset) * width)[:, None]
    masses = p.log_prob(grid).exp() * width
    torch.testing.assert_close(masses.sum(), torch.ones((), dtype=torch.float64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
def test_the_density_is_the_mass_of_the_bin_around_a_value(scale: float) -> None:
    p, z = blurred(scale), torch.linspace(-4, 4, 33, dtype=torch.float64)[:, None]
    cdf = torch.distributions.Normal(*torch.tensor([0.3, scale], dtype=torch.float64)).cdf
    expected = cdf(z + 0.5) - cdf(z - 0.5)
    torch.testing.assert_close(p.log_prob(z).exp(), expected, rtol=1e-9, atol=1e-15)


def test_tails_are_finite_and_steep() -> None:
    """Where the difference of two cumulative probabilities would be 0, its logarithm is that of the nearer edge."""
    z = torch.tensor([[-60.0], [25.0], [1000.0]], requires_grad=True)
    p = BlurredNormal(torch.zeros(3, 1), torch.full((3, 1), 0.1))
    log_mass = p.log_prob(z)
    log_mass.sum().backward()
    edge = -0.5 * ((z.detach().abs() - 0.5) / 0.1) ** 2
    assert ((log_mass / edge - 1).abs() < 0.01).all()
    assert z.grad is not None and torch.isfinite(z.grad).all()
    assert torch.equal(z.grad.sign(), -z.detach().sign())


def test_scales_have_finite_gradients_from_narrow_to_wide() -> None:
    scale = torch.tensor([[0.1], [1.0], [1e4]], requires_grad=True)
    BlurredNormal(torch.zeros(3, 1), scale).log_prob(torch.full((3, 1), 2.4)).sum().backward()
    assert scale.grad is not None and torch.isfinite(scale.grad).all()
    assert scale.grad[0] > 0 > scale.grad[2]


def test_samples_have_the_moments_of_the_sum() -> None:
    torch.manual_seed(0)
    p = BlurredNormal(torch.full((200_000, 1), 2.0), torch.full((200_000, 1), 0.5), 2.0)
    z = p.sample()
    assert abs(float(z.mean()) - 2.0) < 0.01
    assert abs(float(z.var()) - (0.25 + 4 / 12)) < 0.01


def test_noise_stays_within_its_width_and_costs_what_it_should() -> None:
    torch.manual_seed(0)
    q = Uniform(torch.randn(1000, 3) * 100, 2.0)
    z = q.sample()
    torch.testing.assert_close(q.log_prob(z), torch.full_like(z, -math.log(2.0)))
    assert (q.log_prob(z + 2.01) == -math.inf).all()
    assert abs(float((z - q.loc).std()) - 2 / math.sqrt(12)) < 0.02


def test_the_rate_is_what_a_rounded_value_costs_on_average() -> None:
    """q as a blurred point: E[-log p(z)] over the noise is the mean of -log mass over every place of the grid."""
    torch.manual_seed(0)
    p = blurred(1.5)
    q = Uniform(torch.full((200_000, 1), 1.1, dtype=torch.float64))
    z = q.sample()
    nats, estimator = divergence(q, p, z)
    assert estimator == "sampled"
    places = torch.linspace(0.6, 1.6, 20_001, dtype=torch.float64)[:, None]
    torch.testing.assert_close(nats.mean(), -p.log_prob(places).mean(), rtol=2e-3, atol=0)


def test_temperature_and_detaching() -> None:
    p = blurred(2.0)
    assert (p.tempered(0.5).scale, p.tempered(0.5).width) == (p.scale * 0.5, 0.5)
    assert Uniform(p.loc, 1.0).tempered(0.25).width == 0.25
    loc = torch.zeros(1, 1, requires_grad=True)
    assert not BlurredNormal(loc, p.scale).detach().loc.requires_grad and not Uniform(loc).detach().loc.requires_grad
    assert torch.equal(p.mode(), p.mean()) and repr(p) == "BlurredNormal(1, 1)"


@pytest.mark.parametrize("distance", [0.3, 5.0, 200.0, 6_000.0])
@pytest.mark.parametrize("scale", [0.2, 1.0, 20.0])
def test_single_precision_has_the_slope_of_double_however_far(distance: float, scale: float) -> None:
    """A latent that is 30,000 scales off is drawn back by as much, and one that is 1,000 off by all of that."""

    def slope(kind: torch.dtype) -> float:
        value, loc = torch.full((1, 1), distance, dtype=kind, requires_grad=True), torch.zeros(1, 1, dtype=kind)
        (slope,) = torch.autograd.grad(BlurredNormal(loc, torch.full_like(loc, scale)).log_prob(value).sum(), value)
        return float(slope)

    assert slope(torch.float32) == pytest.approx(slope(torch.float64), rel=2e-3)
    if distance >= 200:
        # Far out the mass of a bin is that of its nearer edge.
        assert slope(torch.float64) == pytest.approx(-(distance - 0.5) / scale**2, rel=0.01)
