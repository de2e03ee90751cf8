"""NVAE's released likelihood: right where it is right, wrong where it is known to be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hvae.distributions import LogisticMixture
from hvae.distributions.logistic import bins, log_mass, published_mass
from hvae.levels.heads import GaussianClampedHead


def masses(loc: float, scale: float, levels: int) -> Tensor:
    """Of every value of the grid."""
    values = torch.arange(levels, dtype=torch.float64) / (levels - 1)
    mean, log_scale = torch.tensor(loc).double(), torch.tensor(scale).double().log()
    return published_mass(mean, log_scale, bins(values, levels), levels).exp()


@pytest.mark.parametrize(("loc", "scale", "total"), [(0.0, 0.5, 1.120), (0.97, 0.02, 1.214), (0.99, 0.005, 1.229)])
def test_eight_bits_sum_to_more_than_one(loc: float, scale: float, total: float) -> None:
    assert float(masses(loc, scale, 256).sum()) == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 0.5), (0.97, 0.1), (-1.0, 0.2)])
def test_five_bits_sum_to_one(loc: float, scale: float) -> None:
    assert float(masses(loc, scale, 32).sum()) == pytest.approx(1.0, abs=1e-4)


def test_the_wrong_value_is_254() -> None:
    values = torch.arange(256, dtype=torch.float64) / 255
    where, zero, log_scale = bins(values, 256), torch.zeros((), dtype=torch.float64), torch.tensor(0.2).double().log()
    difference = (published_mass(zero, log_scale, where, 256) - log_mass(zero, log_scale, where, 256)).abs()
    assert difference.argmax() == 254 and difference[254] > 1
    assert difference[torch.arange(256) != 254].max() < 1e-6


def test_thin_bins_get_a_density() -> None:
    """exp(-7) and 0.5 away: the bin is four scales wide, where a density at its centre is off by nats."""
    where, loc = bins(torch.tensor([0.5], dtype=torch.float64), 256), torch.tensor([0.5], dtype=torch.float64)
    log_scale = torch.tensor([-7.0], dtype=torch.float64)
    published, exact = published_mass(loc, log_scale, where, 256), log_mass(loc, log_scale, where, 256)
    assert 2 < float(exact - published) < 3


def test_a_mixture_keeps_its_mass() -> None:
    one, two = torch.zeros(1, 1, 2), torch.zeros(1, 1, 1, 2)
    p = LogisticMixture(
        one,
        loc=two,
        log_scale=two,
        coefficients=one[:, :, :0, None].expand(1, 1, 0, 2),
        levels=256,
        mass=published_mass,
    )
    x = torch.tensor([[[254 / 255, 0.3]]])
    right = LogisticMixture(one, loc=two, log_scale=two, coefficients=p.coefficients, levels=256)
    assert p.log_prob(x)[0, 0] > right.log_prob(x)[0, 0] + 1
    for other in (p.detach(), p.tempered(1.0)):
        torch.testing.assert_close(other.log_prob(x), p.log_prob(x))


def test_the_clamped_gaussian_lives_on_data_in_0_1() -> None:
    head = GaussianClampedHead((1, 1, 1))
    p = head(torch.tensor([[[[100.0]], [[0.0]]]]))
    torch.testing.assert_close(p.loc, torch.full((1, 1, 1, 1), 3.0))  # 5 on [-1, 1]
    torch.testing.assert_close(p.scale, torch.full((1, 1, 1, 1), 1.01 / 2))


def test_the_clamped_gaussian_is_log_2_a_value_above_the_published_one() -> None:
    raw, x = torch.randn(2, 2, 3, 3, dtype=torch.float64), torch.rand(2, 1, 3, 3, dtype=torch.float64)
    loc, log_scale = (5 * torch.tanh(part / 5) for part in raw.chunk(2, 1))
    published = torch.distributions.Normal(loc, log_scale.exp() + 0.01).log_prob(2 * x - 1)
    torch.testing.assert_close(GaussianClampedHead((1, 3, 3))(raw).log_prob(x), published + math.log(2))
