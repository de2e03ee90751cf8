"""Batch norm against the library's: values, running statistics, gradients and gradients of gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.batchnorm import BatchNorm, _Normalised


def pair() -> tuple[BatchNorm, nn.BatchNorm2d]:
    torch.manual_seed(0)
    ours, theirs = BatchNorm(3, eps=1e-5, momentum=0.05), nn.BatchNorm2d(3, eps=1e-5, momentum=0.05)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (1, 3, 2, 2), (2, 3, 1, 1)])
@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_it_is_the_library_s(shape: tuple[int, ...], mean: float) -> None:
    ours, theirs = pair()
    for _ in range(3):
        x = torch.randn(shape) + mean
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-3 if mean else 1e-5, atol=1e-3 if mean else 1e-5)
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer, rtol=1e-5, atol=1e-6)
    x = torch.randn(shape)
    assert torch.equal(ours.eval()(x), copy.deepcopy(ours)(x)), "at rest nothing moves"


def test_a_single_number_a_channel_is_refused_in_training() -> None:
    ours, _ = pair()
    with pytest.raises(HvaeError, match="at least 2 numbers a channel.*one datum of a map of 1x1"):
        ours(torch.ones(1, 3, 1, 1))
    assert ours.eval()(torch.ones(1, 3, 1, 1)).shape == (1, 3, 1, 1)


def normalised(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    image: Tensor = _Normalised.apply(x, weight, bias, 1e-5)[0]
    return image


def test_values_and_gradients_in_double_precision() -> None:
    ours, _ = pair()
    x = torch.randn(4, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    weight, bias = (p.detach().double().requires_grad_() for p in (ours.weight, ours.bias))
    y = normalised(x, weight, bias)
    library = nn.functional.batch_norm(x, None, None, weight, bias, True, 0.0, 1e-5)
    torch.testing.assert_close(y, library, rtol=1e-12, atol=1e-13)
    g = torch.randn_like(y)
    slopes = torch.autograd.grad(y, (x, weight, bias), g)
    for a, b in zip(slopes, torch.autograd.grad(library, (x, weight, bias), g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_gradients_of_gradients() -> None:
    ours, _ = pair()
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(
        normalised, (x, *(p.detach().double().requires_grad_() for p in (ours.weight, ours.bias)))
    )


def test_a_constant_channel_has_variance_zero() -> None:
    ours, _ = pair()
    y = ours(torch.ones(2, 3, 4, 4))
    torch.testing.assert_close(y, ours.bias.view(1, 3, 1, 1).expand_as(y))


def test_half_precision_and_other_orders_are_the_library_s() -> None:
    for x in (
        torch.randn(2, 3, 4, 4, dtype=torch.bfloat16),
        torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    ):
        ours, theirs = pair()
        assert torch.equal(ours(x), theirs(x))
