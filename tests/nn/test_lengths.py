"""Kernels of given length against autograd, to the second gradient, and a row that is zero."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvae.nn.lengths import EPSILON, lengthened

SHAPES = [(5, 3, 3, 3), (4, 6, 1, 1), (6, 1, 5, 5)]


def factor(v: Tensor, log_length: Tensor) -> Tensor:
    return log_length.exp() / (v.square().sum((1, 2, 3), keepdim=True).sqrt() + EPSILON)


def inputs(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    v = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    return v, torch.randn(shape[0], 1, 1, 1, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_the_formula(shape: tuple[int, ...]) -> None:
    v, length = inputs(shape)
    ours, formula = lengthened(v, length), v * factor(v, length)
    torch.testing.assert_close(ours, formula, rtol=1e-14, atol=0)
    g = torch.randn_like(ours)
    slopes = torch.autograd.grad(ours, (v, length), g)
    for a, b in zip(slopes, torch.autograd.grad(formula, (v, length), g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_gradients(shape: tuple[int, ...]) -> None:
    assert torch.autograd.gradgradcheck(lengthened, inputs(shape))


def test_the_quick_gradient_needs_no_order_in_memory() -> None:
    v, length = inputs((5, 3, 3, 3))
    last = v.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    g = torch.randn_like(v)
    slopes = torch.autograd.grad(lengthened(v, length), (v, length), g)
    again = torch.autograd.grad(lengthened(last, length), (last, length), g.movedim(1, -1).contiguous().movedim(-1, 1))
    for a, b in zip(slopes, again, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-15)


def test_a_row_of_zeros_has_finite_slopes() -> None:
    v = torch.zeros(2, 3, 1, 1, requires_grad=True)
    length = torch.zeros(2, 1, 1, 1, requires_grad=True)
    lengthened(v, length).sum().backward()
    torch.testing.assert_close(v.grad, torch.full_like(v, 1 / EPSILON), rtol=1e-4, atol=0)
    assert length.grad is not None and length.grad.isfinite().all()


def test_a_frozen_direction_gets_none() -> None:
    v, length = inputs((5, 3, 3, 3))
    lengthened(v.detach(), length).sum().backward()
    assert length.grad is not None and v.grad is None
