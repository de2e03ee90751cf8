"""3x3 convolutions whose weight gradient is a product: the library's to the last digits, wherever they are used."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

from hvae.nn import square
from hvae.nn.square import WIDE, SquareConv, weight_gradient


def maps(*shape: int) -> Tensor:
    h = torch.randn(*shape, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    return h.requires_grad_()


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 1), (2, 3), (17, 16)])
def test_gradients_are_the_librarys(k: int, height: int, width: int) -> None:
    torch.manual_seed(0)
    layer, h = SquareConv(WIDE, k).double(), maps(3, WIDE, height, width)
    wanted = (h, layer.weight, layer.bias)
    own = layer(h)
    assert "_ByProduct" in type(own.grad_fn).__name__
    library = F.conv2d(h, layer.weight, layer.bias, padding=k // 2)
    assert torch.equal(own, library)
    g = torch.randn_like(own)
    for a, b in zip(torch.autograd.grad(own, wanted, g), torch.autograd.grad(library, wanted, g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [(5, 7), (17, 16)])
def test_gradients_of_gradients_are_the_librarys(size: tuple[int, int]) -> None:
    """Of maps of either side of what is small."""
    torch.manual_seed(0)
    layer, h = SquareConv(WIDE, 3).double(), maps(2, WIDE, *size)
    wanted = (h, layer.weight)

    def second(y: Tensor) -> tuple[Tensor, ...]:
        first = torch.autograd.grad(y.sin().sum(), wanted, create_graph=True)
        return torch.autograd.grad(first[0].square().sum() + first[1].square().sum(), wanted)

    for a, b in zip(second(layer(h)), second(F.conv2d(h, layer.weight, layer.bias, padding=1)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_memory_is_bounded_and_parts_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x, g = torch.randn(5, 4, 6, 6, dtype=torch.float64), torch.randn(5, 3, 6, 6, dtype=torch.float64)
    whole = weight_gradient(x, g, 3)
    monkeypatch.setattr(square, "_MOST", 2 * 6 * 6 * 9 * 4)
    torch.testing.assert_close(weight_gradient(x, g, 3), whole)
    torch.testing.assert_close(whole, conv2d_weight(x, (3, 4, 3, 3), g, padding=1))


def test_only_what_is_wanted_is_computed() -> None:
    layer, h = SquareConv(WIDE, 3).double(), maps(2, WIDE, 4, 4)
    (dw,) = torch.autograd.grad(layer(h.detach()).sum(), layer.weight)
    (expected,) = torch.autograd.grad(F.conv2d(h.detach(), layer.weight, padding=1).sum(), layer.weight)
    torch.testing.assert_close(dw, expected)


@pytest.mark.parametrize("case", ["narrow", "frozen", "no gradient", "channels first", "autocast"])
def test_everything_else_is_the_librarys(case: str) -> None:
    layer = SquareConv(8 if case == "narrow" else WIDE, 3)
    h = torch.randn(2, layer.in_channels, 4, 4)
    h = h if case == "channels first" else h.contiguous(memory_format=torch.channels_last)
    layer.requires_grad_(case != "frozen")
    h.requires_grad_(case == "frozen")
    with (
        torch.set_grad_enabled(case != "no gradient"),
        torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"),
    ):
        assert "_ByProduct" not in type(layer(h).grad_fn).__name__
