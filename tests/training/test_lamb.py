from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hvae.config.train import TrainConfig
from hvae.errors import HvaeError
from hvae.training.lamb import Lamb


def parameter(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


def give(w: nn.Parameter, *gradient: float) -> None:
    w.grad = torch.tensor(gradient, dtype=torch.float64)


def by_hand(w: Tensor, gradients: list[Tensor], lr: float, b1: float, b2: float, eps: float, decay: float) -> Tensor:
    """Algorithm 2 of You et al., line by line."""
    m = v = torch.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        r = (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + eps)
        u = r + decay * w
        w = w - lr * w.norm() / u.norm() * u
    return w


def test_first_step_in_numbers() -> None:
    w = parameter(0.6, 0.8)
    give(w, 2.0, -4.0)
    Lamb([w], lr=0.1, eps=0.0, weight_decay=0.5).step()
    # The corrected moments of a first step are g and g^2, so r = (1, -1); u = r + w / 2 = (1.3, -0.6); |w| = 1.
    length = (1.3**2 + 0.6**2) ** 0.5
    assert torch.allclose(w.data, torch.tensor([0.6 - 0.13 / length, 0.8 + 0.06 / length], dtype=torch.float64))


def test_several_steps_follow_the_paper() -> None:
    w, other = parameter(1.0, -2.0, 0.5), parameter(3.0)
    start, gradients = w.detach().clone(), [torch.randn(3, dtype=torch.float64) for _ in range(4)]
    lamb = Lamb([w, other], lr=0.03, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)
    for g in gradients:
        w.grad, other.grad = g.clone(), torch.ones(1, dtype=torch.float64)
        lamb.step()
    assert torch.allclose(w.data, by_hand(start, gradients, 0.03, 0.8, 0.95, 1e-3, 0.1), rtol=1e-12)


def test_a_weight_of_zero_leaves_zero() -> None:
    w = parameter(0.0, 0.0)
    give(w, 1.0, 1.0)
    Lamb([w], lr=0.1, eps=0.0).step()
    assert torch.allclose(w.data, torch.full((2,), -0.1, dtype=torch.float64))


def test_a_weight_that_joins_later_is_corrected_by_its_own_age() -> None:
    early, late = parameter(1.0, 1.0), parameter(1.0, 1.0)
    lamb = Lamb([early, late], lr=0.1)
    give(early, 1.0, 2.0)
    lamb.step()
    first = early.detach().clone()
    give(late, 1.0, 2.0)
    lamb.step()
    assert torch.equal(late.detach(), first)


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "adamax", "lamb"])
def test_a_denominator_that_may_be_zero_is_refused(optimiser: str) -> None:
    # 0 / 0 for each weight without a gradient, which no resuming would undo.
    for eps in (0.0, 1e-300):
        with pytest.raises(HvaeError, match="train.eps: expected at least 1e-30, got"):
            TrainConfig(optimiser=optimiser, eps=eps)
