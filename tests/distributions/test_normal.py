"""The Gaussian and its divergence, against closed forms, Monte Carlo and torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hvae.distributions import Bernoulli, Normal, divergence, full, log_ratio, normal_kl, standard_normal, sum_rest
from hvae.distributions.masked import Masked

reals = st.floats(-3, 3)
scales = st.floats(0.05, 4)


def one(x: float) -> torch.Tensor:
    return torch.tensor([x], dtype=torch.float64)


@given(reals, scales, reals)
def test_log_prob_is_torchs(loc: float, scale: float, z: float) -> None:
    expected = torch.distributions.Normal(one(loc), one(scale)).log_prob(one(z))
    torch.testing.assert_close(Normal(one(loc), one(scale)).log_prob(one(z)), expected)


def test_kl_by_hand() -> None:
    # q = N(1, 2^2), p = N(0, 1): log(1/2) + (4 + 1)/2 - 1/2 = 2 - log 2.
    kl = normal_kl(Normal(one(1.0), one(2.0)), Normal(one(0.0), one(1.0)))
    assert kl.item() == pytest.approx(2 - math.log(2), abs=1e-12)


@given(reals, scales, reals, scales)
def test_kl_is_torchs_and_never_negative(m: float, s: float, n: float, t: float) -> None:
    kl = normal_kl(Normal(one(m), one(s)), Normal(one(n), one(t)))
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(one(m), one(s)), torch.distributions.Normal(one(n), one(t))
    )
    torch.testing.assert_close(kl, expected)
    assert kl.item() >= -1e-12


@given(reals, scales, reals, scales, reals)
def test_a_log_ratio_is_the_difference_of_two_log_densities(m: float, s: float, n: float, t: float, z: float) -> None:
    q, p = Normal(one(m), one(s)), Normal(one(n), one(t))
    expected = q.log_prob(one(z)) - p.log_prob(one(z))
    torch.testing.assert_close(log_ratio(q, p, one(z)), expected, rtol=1e-12, atol=1e-12 * (1 + (z - n) ** 2 / t**2))


def test_a_gaussian_of_another_kind_is_asked_for_its_own_score() -> None:
    class Twice(Normal):
        def log_prob(self, value: Tensor) -> Tensor:
            return 2 * Normal(self.loc, self.scale).log_prob(value)

    q, p, z = Twice(one(0.5), one(1.0)), Normal(one(0.0), one(2.0)), one(0.3)
    torch.testing.assert_close(log_ratio(q, p, z), q.log_prob(z) - p.log_prob(z))


def test_kl_is_its_monte_carlo_mean() -> None:
    q, p = Normal(one(0.7).expand(200_000), one(0.6).expand(200_000)), Normal(one(-0.2), one(1.3))
    z = q.sample()
    sampled = q.log_prob(z) - p.log_prob(z)
    assert sampled.mean().item() == pytest.approx(
        normal_kl(q, p)[0].item(), abs=5 * sampled.std().item() / 200_000**0.5
    )


def test_the_estimator_is_named() -> None:
    q, p = Normal(one(0.5), one(1.0)), standard_normal(one(0.0), ())
    assert divergence(q, p, one(0.0))[1] == "analytic"
    mixed = Masked(torch.tensor([True]), q, None)
    nats, estimator = divergence(mixed, p, one(0.3))
    assert estimator == "sampled"
    torch.testing.assert_close(nats, q.log_prob(one(0.3)) - p.log_prob(one(0.3)))


def test_samples_are_reparameterised_and_have_their_moments() -> None:
    loc, scale = one(2.0).requires_grad_(), one(0.5).requires_grad_()
    z = Normal(loc.expand(100_000), scale.expand(100_000)).sample()
    assert z.mean().item() == pytest.approx(2.0, abs=0.01) and z.std().item() == pytest.approx(0.5, abs=0.01)
    z.mean().backward()
    assert loc.grad.item() == pytest.approx(1.0)
    assert scale.grad.item() == pytest.approx((z.mean().item() - 2.0) / 0.5, abs=1e-9)


def test_tempered_detached_and_modes() -> None:
    d = Normal(one(1.0).requires_grad_(), one(2.0))
    assert d.tempered(0.25).scale.item() == 0.5
    assert not d.detach().loc.requires_grad
    assert d.mode() is d.loc and d.mean() is d.loc
    assert torch.equal(d.penalty(), torch.zeros(1, dtype=torch.float64))


def test_masked_costs_nothing_where_given() -> None:
    mask = torch.tensor([[True, False]])
    d = Masked(mask, None, Normal(torch.zeros(1, 2), torch.ones(1, 2)))
    assert d.log_prob(torch.ones(1, 2))[0, 0] == 0.0
    assert d.log_prob(torch.ones(1, 2))[0, 1] == pytest.approx(-0.5 - 0.5 * math.log(2 * math.pi))
    assert d.tempered(0.5).b.scale[0, 0] == 0.5


def test_sums_keep_the_batch_and_halves_become_whole() -> None:
    assert sum_rest(torch.ones(3)).shape == (3,)
    assert sum_rest(torch.ones(3, 2, 2)).tolist() == [4.0] * 3
    assert full(torch.ones(1, dtype=torch.bfloat16)).dtype == torch.float32
    assert full(torch.ones(1, dtype=torch.float64)).dtype == torch.float64


def test_density_and_mass_say_what_they_are() -> None:
    assert Normal(one(0.0), one(1.0)).density
    assert not Bernoulli(one(0.0)).density
