"""The law of data under a diffusion: one of a grid, and a sum that leaves nothing out."""

from __future__ import annotations

import pytest
import torch

from hvae.distributions import Denoising, GridGaussian, divergence, log_ratio, normal_kl
from hvae.distributions.denoising import alpha, sigma
from hvae.site import Site
from hvae.trace import Trace


def levels_of(low: float, total: int, kind: torch.dtype) -> tuple[Denoising, Denoising]:
    """q and p at levels of all of the time, under a denoiser that sees nine tenths of the noise."""
    torch.manual_seed(0)
    x, eps = ((2 * torch.rand(4000, dtype=torch.float64) - 1).to(kind), torch.randn(4000, dtype=torch.float64).to(kind))
    place = ((torch.arange(4000, dtype=torch.float64) + 0.5) / 4000 * total).long()
    near, far = (low + (5 - low) * (number.to(kind) / total) for number in (place, place + 1))
    z = alpha(far) * x + sigma(far) * eps
    guess = (z - 0.9 * sigma(far) * eps) / alpha(far)
    return Denoising(z, x, far, near), Denoising(z, guess, far, near)


def diffusion_loss(low: float, total: int, kind: torch.dtype) -> float:
    """L_T of one number."""
    q, p = levels_of(low, total, kind)
    kl, how = divergence(q, p, q.z)
    assert how == "analytic"
    return float(total * kl.mean())


@pytest.mark.parametrize("low", [-7.8, -13.3, -24.4, -30.0])
@pytest.mark.parametrize("total", [10, 1000, 1_000_000])
def test_many_levels_and_deep_data_cost_in_float32_what_they_cost(low: float, total: int) -> None:
    """By the difference of two means a million levels cost twice as much, and 1,000 at 16 bits 4 % more."""
    right = diffusion_loss(low, total, torch.float64)
    assert diffusion_loss(low, total, torch.float32) == pytest.approx(right, rel=0.015)


def ratios(low: float, total: int, kind: torch.dtype) -> torch.Tensor:
    """log q - log p of a value of q at each level, computed in one precision and returned in float64."""
    q, p = levels_of(low, total, kind)
    return log_ratio(q, p, q.loc + q.scale * torch.randn(4000, dtype=torch.float64).to(kind)).double()


@pytest.mark.parametrize("low", [-7.8, -13.3, -24.4])
def test_weights_of_many_levels_are_in_float32_what_they_are(low: float) -> None:
    """By two deviations from two means the ratios of 1,000 levels at 16 bits are wrong by a fifth of their size."""
    right = ratios(low, 1000, torch.float64)
    assert float((ratios(low, 1000, torch.float32) - right).std()) < 0.02 * float(right.std())


def test_a_ratio_of_levels_is_that_of_two_gaussians() -> None:
    q, p = levels_of(-7.8, 10, torch.float64)
    value = q.sample()
    torch.testing.assert_close(log_ratio(q, p, value), q.log_prob(value) - p.log_prob(value), rtol=1e-8, atol=1e-8)
    other = Denoising(q.z.clone(), p.guess, p.far, p.near)
    torch.testing.assert_close(log_ratio(q, other, value), log_ratio(q, p, value), rtol=1e-8, atol=1e-8)


def test_a_trace_counts_each_level_of_a_series_by_its_guess() -> None:
    """At 16 bits the steps of one name, stacked by location and scale, cost 2.4 times what they do."""
    q, p = levels_of(-30.0, 1000, torch.float32)
    trace = Trace()
    for step, rows in enumerate(zip(*(t.chunk(4) for t in (q.z, q.guess, p.guess, q.far, q.near)), strict=True)):
        z, x, guess, far, near = (t[:, None] for t in rows)
        law = Denoising(z, x, far, near)
        trace.note(Site("z1", Denoising(z, guess, far, near), law, step=step), law.sample(), law)
    loss = float(1000 * trace.rates()["z1"].sum() / 4000)
    assert loss == pytest.approx(diffusion_loss(-30.0, 1000, torch.float64), rel=0.02)


def test_of_two_values_above_the_general_form_holds() -> None:
    x, z, other = torch.randn(3, 5, 2, dtype=torch.float64)
    far, near = torch.tensor(1.0).double(), torch.tensor(-2.0).double()
    q, p = Denoising(z, x, far, near), Denoising(other, x, far, near)
    torch.testing.assert_close(divergence(q, p, z)[0], normal_kl(q, p))
    same = Denoising(z, other, far, near)
    torch.testing.assert_close(divergence(q, same, z)[0], normal_kl(q, same), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("levels", [2, 16, 256])
@pytest.mark.parametrize("scale", [1e-5, 1e-3, 0.02, 0.3, 4.0])
def test_all_values_together_have_probability_one(levels: int, scale: float) -> None:
    loc = torch.linspace(-1.3, 1.3, 41, dtype=torch.float64)[None]
    law = GridGaussian(loc, torch.tensor(scale).double(), levels)
    values = torch.arange(levels).double() / (levels - 1)
    total = torch.stack([law.log_prob(torch.full_like(loc, v)) for v in values.tolist()]).logsumexp(0)
    torch.testing.assert_close(total, torch.zeros_like(total), rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 0.05, 1.0])
def test_what_is_near_is_all_that_counts(scale: float) -> None:
    loc = torch.randn(4, 3, 2, dtype=torch.float64)
    law, x = GridGaussian(loc, torch.tensor(scale).double(), 256), torch.randint(0, 256, (4, 3, 2)).double() / 255
    whole = law.logits.log_softmax(1).gather(1, (x * 255).round().long()[:, None])[:, 0]
    torch.testing.assert_close(law.log_prob(x), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("levels", "scale"), [(256, 0.002), (256, 0.4), (1 << 16, 1e-4), (1 << 16, 1e-3)])
def test_mean_and_samples_need_what_is_near_alone(levels: int, scale: float) -> None:
    loc = torch.linspace(-1.1031, 1.1, 9, dtype=torch.float64)[None]
    law = GridGaussian(loc, torch.tensor(scale, dtype=torch.float64), levels)
    k = torch.arange(levels, dtype=torch.float64) / (levels - 1)
    masses = (-0.5 * ((loc[..., None] - (2 * torch.arange(levels) + 1) / levels + 1) / scale) ** 2).softmax(-1)
    mean = masses @ k
    torch.testing.assert_close(law.mean(), mean, rtol=1e-12, atol=1e-12)
    assert torch.equal(law.mode(), k[masses.argmax(-1)])
    draws = GridGaussian(loc.expand(2000, -1), law.scale, levels).sample()
    spread = (masses @ k**2 - mean**2).clamp_min(0).sqrt()
    assert torch.all((draws.mean(0) - mean).abs() <= 5 * spread / 2000**0.5 + 1e-12)


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_a_scale_that_diverged_is_a_loss_that_did(scale: float) -> None:
    """Training goes back by itself where a loss is not a number, and not where a walk stops."""
    law = GridGaussian(torch.zeros(2, 3), torch.tensor(scale), 256)
    assert law.log_prob(torch.zeros(2, 3)).shape == law.mean().shape == law.sample().shape == (2, 3)
    assert scale == float("inf") or law.log_prob(torch.zeros(2, 3)).isnan().all()


def test_gradients_reach_location_and_scale() -> None:
    loc, scale = torch.randn(3, 4).double().requires_grad_(), torch.tensor(0.05).double().requires_grad_()
    x = torch.randint(0, 256, (3, 4)).double() / 255
    assert torch.autograd.gradcheck(lambda a, b: GridGaussian(a, b, 256).log_prob(x), (loc, scale))


def test_samples_mode_and_mean_are_of_the_grid() -> None:
    torch.manual_seed(0)
    law = GridGaussian(torch.full((20_000, 1), 0.2), torch.tensor(0.3), 8)
    mass = law.logits[0, :, 0].softmax(0)
    counts = torch.bincount((law.sample() * 7).round().long().flatten(), minlength=8) / 20_000
    assert ((counts - mass).abs() < 5 * (mass * (1 - mass) / 20_000).sqrt() + 1e-4).all()
    assert float(law.mode()[0, 0]) == pytest.approx(float(mass.argmax()) / 7)
    torch.testing.assert_close(law.mean()[0, 0], (mass * torch.linspace(0, 1, 8)).sum())
    assert float(law.tempered(0.01).mean()[0, 0]) == pytest.approx(4 / 7)
    assert not law.detach().log_prob(law.mode()).requires_grad
