"""Convolutions with a kernel as wide as the map, by their frequencies: the library's to rounding, and where used."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from hvae.nn.circle import Circle, _cached, correlate, spectrum
from hvae.nn.weightnorm import NormedConv, padding
from hvae.nn.wide import LEAST, SEVERAL, direct

WIDTH = LEAST + 1
Way = Callable[[Tensor, Tensor, Tensor], Tensor]


def library(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    (top, bottom), (left, right) = (padding(size, weight.shape[-1], 1) for size in x.shape[2:])
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias)


def circle(x: Tensor, weight: Tensor) -> Circle:
    top, left = (padding(size, weight.shape[-1], 1)[0] for size in x.shape[2:])
    return Circle((x.shape[2], x.shape[3]), weight.shape[-1], (top, left))


def by_frequencies(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    at = circle(x, weight)
    return correlate(x, spectrum(weight, at), bias, at)


def by_rows(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return direct(x, weight, bias, circle(x, weight))


@pytest.mark.parametrize("way", [by_frequencies, by_rows])
@pytest.mark.parametrize("kernel", [1, 4, 5, 6, 9])
@pytest.mark.parametrize("size", [(5, 5), (4, 6), (1, 3), (6, 2)])
def test_values_and_gradients_are_the_librarys(way: Way, kernel: int, size: tuple[int, int]) -> None:
    """Any kernel on any map: even and odd ones, narrower and wider than it, in double precision."""
    torch.manual_seed(0)
    shapes = (2, 3, *size), (4, 3, kernel, kernel), (4,)
    wanted = tuple(torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    own, expected = way(*wanted), library(*wanted)
    torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-12)
    g = torch.randn_like(own)
    for a, b in zip(torch.autograd.grad(own, wanted, g), torch.autograd.grad(expected, wanted, g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [4, 5])
def test_gradients_of_gradients_are_the_librarys(kernel: int) -> None:
    """Of an even kernel too, whose odd zeros are no part of what the gradient is a function of."""
    torch.manual_seed(0)
    shapes = (2, 3, 5, 4), (4, 3, kernel, kernel), (4,)
    wanted = tuple(torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    own, expected = ([*second(way(*wanted), wanted)] for way in (by_rows, library))
    for a, b in zip(own, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def second(y: Tensor, wanted: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The gradients of a number that the gradients of an output say."""
    first = torch.autograd.grad(y.sin().sum(), wanted, create_graph=True)
    return torch.autograd.grad(sum((slope.cos().sum() for slope in first), y.new_zeros(())), wanted)


def test_only_what_is_wanted_is_computed() -> None:
    x, weight, bias = torch.randn(1, 3, 4, 4), torch.randn(2, 3, 4, 4, requires_grad=True), torch.randn(2)
    (own,), (theirs,) = (torch.autograd.grad(way(x, weight, bias).sum(), weight) for way in (by_rows, library))
    torch.testing.assert_close(own, theirs)


def test_in_single_precision_it_errs_no_more_than_the_library() -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 32, 16, 16), torch.randn(8, 32, 16, 16), torch.randn(8)
    exact = library(x.double(), weight.double(), bias.double())
    own, theirs = ((way(x, weight, bias) - exact).abs().max() for way in (by_frequencies, library))
    assert own < 2 * theirs and own < 1e-6 * exact.abs().max()


def layer(kernel: int = WIDTH) -> NormedConv:
    torch.manual_seed(0)
    return NormedConv(3, 2, kernel, std=0.1)


def calls(monkeypatch: pytest.MonkeyPatch) -> list[Circle]:
    """The kernels that were transformed, as they come."""
    seen_by: list[Circle] = []

    def counted(weight: Tensor, circle: Circle) -> Tensor:
        seen_by.append(circle)
        return spectrum(weight, circle)

    monkeypatch.setattr("hvae.nn.weightnorm.spectrum", counted)
    return seen_by


def test_a_wide_layer_takes_it_and_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    transformed, one, x = calls(monkeypatch), layer(), torch.randn(SEVERAL, 3, WIDTH, LEAST)
    y = one(x)
    assert len(transformed) == 1
    torch.testing.assert_close(y, library(x, one.weight(), one.bias), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(one(x[:1]), y[:1], rtol=1e-5, atol=1e-5)
    assert len(transformed) == 1 and "_Direct" in type(one(x[:1]).grad_fn).__name__
    torch.testing.assert_close(y.double(), deepcopy(one).double()(x.double()), rtol=1e-5, atol=1e-5)
    assert len(transformed) == 1  # double precision, that of the codec, is the library's


@pytest.mark.parametrize("case", ["narrow kernel", "small map", "strided", "autocast"])
def test_everything_else_is_the_librarys(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    transformed, x = calls(monkeypatch), torch.randn(2, 3, WIDTH, WIDTH)
    one = NormedConv(3, 2, WIDTH - (case == "narrow kernel"), stride=1 + (case == "strided"), std=0.1)
    x = x[..., : LEAST - 1, : LEAST - 1] if case == "small map" else x
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"), torch.no_grad():
        one(x)
    assert not transformed


def test_tensors_without_storage_and_graphs_keep_the_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts operations sees the model as it is written, and so does another runtime."""
    transformed = calls(monkeypatch)
    with FakeTensorMode():
        layer()(torch.zeros(2, 3, WIDTH, WIDTH))
    graph = torch.export.export(layer(), (torch.zeros(2, 3, WIDTH, WIDTH),)).graph
    assert not transformed and any("conv2d" in str(node.target) for node in graph.nodes)


def test_frequencies_are_cached_until_weights_or_sizes_change(monkeypatch: pytest.MonkeyPatch) -> None:
    transformed, one = calls(monkeypatch), layer()
    large, small = torch.randn(SEVERAL, 3, WIDTH, WIDTH), torch.randn(SEVERAL, 3, LEAST, LEAST)
    with torch.no_grad():
        first = one(large)
        assert torch.equal(one(large), first) and len(transformed) == 1
        one(small)
        assert len(transformed) == 2 and len(one.spectra) == 1
        one.gain.mul_(2)
        torch.testing.assert_close(one(small), library(small, one.weight(), one.bias), rtol=1e-5, atol=1e-5)
    one(small).sum().backward()
    one(small).sum().backward()
    assert len(transformed) == 5  # with gradients each pass has its own
    with torch.no_grad():
        one(small)
    one(small[:1]).sum().backward()
    assert len(transformed) == 6 and not one.spectra  # few data leave the memory to the step


def test_what_was_cached_without_gradients_serves_no_training() -> None:
    """Matrices made in inference mode are no part of a graph, and a copy has a cache of its own."""
    _cached.cache_clear()
    one, x = layer(), torch.randn(SEVERAL, 3, WIDTH, WIDTH)
    with torch.inference_mode():
        one(x)
    twin = deepcopy(one)
    one(x).sum().backward()
    assert one.direction.grad is not None and twin.direction.grad is None
