"""Convolutions with computed kernels: their values, their gradients, and what is kept."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.kernels import LengthConv, PlainConv, WeightCache, convolve


def inputs(c: int, k: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(2, c, 5, 4, dtype=torch.float64, requires_grad=True)
    return x, torch.randn(c, 1, k, k, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_depthwise_gradients(k: int) -> None:
    x, w = inputs(3, k)
    torch.testing.assert_close(convolve(x, w, None, 1, 3), F.conv2d(x, w, padding=k // 2, groups=3))
    b = torch.randn(3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(convolve(x, w, b, 1, 3), F.conv2d(x, w, b, padding=k // 2, groups=3))
    assert torch.autograd.gradcheck(lambda x, w, b: convolve(x, w, b, 1, 3), (x, w, b))
    assert torch.autograd.gradcheck(lambda x, w: convolve(x, w, None, 1, 3), (x, w))


def test_depthwise_gradients_are_the_librarys_in_single_precision() -> None:
    x, w = torch.randn(4, 6, 9, 8, requires_grad=True), torch.randn(6, 1, 5, 5, requires_grad=True)
    g = torch.randn(4, 6, 9, 8)
    own = torch.autograd.grad(convolve(x, w, None, 1, 6), (x, w), g)
    library = torch.autograd.grad(F.conv2d(x, w, padding=2, groups=6), (x, w), g)
    for a, b in zip(own, library, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()))


def test_depthwise_without_a_gradient_for_the_input() -> None:
    x, w = inputs(3, 3)
    (dw,) = torch.autograd.grad(convolve(x.detach(), w, None, 1, 3).sum(), w)
    (expected,) = torch.autograd.grad(F.conv2d(x, w, padding=1, groups=3).sum(), w)
    torch.testing.assert_close(dw, expected)


def test_depthwise_under_autocast_keeps_single_precision_inside() -> None:
    x, w = torch.randn(2, 3, 5, 5), torch.randn(3, 1, 5, 5, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = convolve(x, w, None, 1, 3)
    assert y.dtype == torch.bfloat16
    expected = F.conv2d(x.bfloat16().float(), w, padding=2, groups=3)
    assert torch.equal(y, expected.bfloat16())
    y.sum().backward()
    assert w.grad is not None and w.grad.dtype == torch.float32


@pytest.mark.parametrize(("stride", "groups", "bias"), [(2, 3, False), (1, 1, False), (1, 1, True)])
def test_everything_else_is_the_librarys(stride: int, groups: int, bias: bool) -> None:
    x, w = torch.randn(2, 3, 6, 6), torch.randn(3, 3 // groups, 3, 3)
    b = torch.randn(3) if bias else None
    assert torch.equal(convolve(x, w, b, stride, groups), F.conv2d(x, w, b, stride, 1, groups=groups))


def test_length_of_the_kernel() -> None:
    layer = LengthConv(4, 6, 3)
    start = layer.kernel().detach().flatten(1).norm(dim=1)
    torch.testing.assert_close(start, layer.weight.detach().flatten(1).norm(dim=1) + 0.01, rtol=1e-4, atol=0)
    nn.init.constant_(layer.log_length, 1.0)
    lengths = layer.kernel().flatten(1).norm(dim=1)
    v = layer.weight.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.e * v / (v + 1e-5))


def test_a_row_of_zeros_has_a_finite_gradient() -> None:
    layer = LengthConv(2, 3, 1)
    nn.init.zeros_(layer.weight)
    layer.kernel().sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.isfinite().all()


class Counted:
    """How often a kernel was computed."""

    def __init__(self, *weights: Tensor) -> None:
        self.weights, self.times = weights, 0
        self.cache: WeightCache[Tensor] = WeightCache()

    def __call__(self) -> Tensor:
        return self.cache(self.make, *self.weights)

    def make(self) -> Tensor:
        self.times += 1
        return self.weights[0] * 2


def test_a_kernel_is_kept_until_its_weights_change() -> None:
    w = torch.ones(2, requires_grad=True)
    kernel = Counted(w)
    with torch.no_grad():
        kernel(), kernel()
        assert kernel.times == 1
        w.add_(1)
        assert torch.equal(kernel(), torch.full((2,), 4.0))
        torch._foreach_lerp_([w.detach()], [torch.zeros(2)], 0.5)  # as an average of weights moves
        assert torch.equal(kernel(), torch.full((2,), 2.0))
    assert kernel().requires_grad and kernel.times == 4


def test_a_kernel_follows_loading_moving_and_copying() -> None:
    layer, other = LengthConv(2, 3, 3), LengthConv(2, 3, 3)
    x = torch.randn(1, 2, 4, 4)
    with torch.no_grad():
        before = layer(x)
        layer.load_state_dict(other.state_dict())
        assert not torch.equal(layer(x), before)
        assert torch.equal(layer(x), other(x))
        twin = copy.deepcopy(layer)
        twin.log_length.add_(1)
        assert not torch.equal(twin(x), layer(x))
        assert layer.double()(x.double()).dtype == torch.float64


def test_plain_kernels_are_weights() -> None:
    layer = PlainConv(4, 4, 5, groups=4, bias=False)
    assert layer.kernel() is layer.weight and layer.bias is None
