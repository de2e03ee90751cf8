"""Gradients are shortened to a bound as PyTorch does it, and left alone within."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hvae.training.norms import shorten


@pytest.mark.parametrize("bound", [1e-3, 2.5, 4.9999])
def test_gradients_beyond_the_bound_are_those_of_pytorch(bound: float) -> None:
    weights = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))]
    gradients = [torch.tensor([3.0]), torch.tensor([0.0, -4.0])]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient.clone()
    nn.utils.clip_grad_norm_(weights, bound)
    shorten(gradients, 5.0, bound)
    torch.testing.assert_close(gradients, [w.grad for w in weights])
    assert torch.nn.utils.get_total_norm(gradients).item() == pytest.approx(bound, rel=1e-5)


@pytest.mark.parametrize("bound", [5.1, 1e6])
def test_gradients_within_the_bound_are_not_written(bound: float) -> None:
    gradients = [torch.tensor([3.0]), torch.tensor([0.0, -4.0])]
    shorten(gradients, 5.0, bound)
    assert [g.tolist() for g in gradients] == [[3.0], [0.0, -4.0]] and not any(g._version for g in gradients)
