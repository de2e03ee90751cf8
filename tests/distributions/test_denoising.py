"""The law of data under a diffusion: one of a grid, and a sum that leaves nothing out."""

from __future__ import annotations

import pytest
import torch

from hvae.distributions import GridGaussian


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
