"""Products by another library: the same numbers and gradients to rounding, and never where it was not measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae import processor
from hvae.nn import product
from hvae.nn.product import Linear, added, linear, pointwise

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build has no oneDNN")


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The other library for products of every size; the shapes that it was asked for."""
    shapes: list[tuple[int, ...]] = []
    plain, joined = product._product, product._sum

    def noted(x: Tensor, *rest: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return plain(x, *rest)

    def noted_sum(h: Tensor, x: Tensor, *rest: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return joined(h, x, *rest)

    monkeypatch.setattr(product, "_product", noted)
    monkeypatch.setattr(product, "_sum", noted_sum)
    monkeypatch.setattr(product, "prefers_onednn", lambda: True)
    monkeypatch.setattr(product, "LARGE", 1)
    return shapes


def tensors(*shapes: tuple[int, ...]) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(shape, requires_grad=True) for shape in shapes]


def gradients(f: Callable[..., Tensor], inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """The value, its gradients, and the gradients of a function of these."""
    y = f(*inputs)
    first = torch.autograd.grad(y.square().sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), inputs)
    return (y, *first, *second)


@needs_onednn
@pytest.mark.parametrize("rows", [(7,), (2, 3, 4), ()])
def test_a_linear_map_and_its_gradients_are_those_of_pytorch(
    rows: tuple[int, ...], other: list[tuple[int, ...]]
) -> None:
    inputs = tensors((*rows, 5), (3, 5), (3,))
    for ours, theirs in zip(gradients(linear, inputs), gradients(F.linear, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert len(other) >= 3  # the value, and the gradients of the input and of the weight


@needs_onednn
@pytest.mark.parametrize(("inputs", "outputs"), [(5, 3), (3, 5)])
def test_the_narrower_side_is_transposed_for_the_gradient_of_a_weight(
    inputs: int, outputs: int, other: list[tuple[int, ...]]
) -> None:
    x, w = torch.ones(7, inputs), torch.ones(outputs, inputs, requires_grad=True)
    linear(x, w).sum().backward()
    assert other[-1] == (3, 7)
    torch.testing.assert_close(w.grad, torch.full((outputs, inputs), 7.0))


@needs_onednn
def test_a_sum_of_maps_and_its_gradients_are_those_of_pytorch(other: list[tuple[int, ...]]) -> None:
    def maps(h: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return added(h, (x, w, b), (2 * x, w, b))

    def plain(h: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return h + F.linear(x, w, b) + F.linear(2 * x, w, b)

    inputs = tensors((7, 3), (7, 5), (3, 5), (3,))
    for ours, theirs in zip(gradients(maps, inputs), gradients(plain, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert other[:2] == [(7, 5), (7, 5)]


@needs_onednn
def test_no_weight_with_gaps_in_memory_reaches_the_library(
    other: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, ...]] = []
    packed = product.packed
    monkeypatch.setattr(product, "packed", lambda weight: given.append(weight.stride()) or packed(weight))
    x, w = (t.detach().requires_grad_() for t in tensors((7, 5), (3, 5)))
    wide = torch.cat([x, x], 1)[:, :5]
    for ours, theirs in zip(
        gradients(lambda x, w: linear(torch.cat([x, x], 1)[:, :5], w), [x, w]),
        gradients(lambda x, w: F.linear(torch.cat([x, x], 1)[:, :5], w), [x, w]),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert wide.t().stride() in given  # the gradient of the weight multiplies by the input, here a slice
    assert all(packed(torch.empty_strided((4, 6), s)).stride() in ((6, 1), (1, 4)) for s in ((9, 1), (1, 9), (2, 20)))


@needs_onednn
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_a_pointwise_convolution_and_its_gradients_are_those_of_pytorch(
    order: torch.memory_format, other: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    inputs = tensors((2, 5, 3, 4), (6, 5, 1, 1), (6,))

    def own(h: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return pointwise(h.contiguous(memory_format=order), w, b)

    for ours, theirs in zip(gradients(own, inputs), gradients(F.conv2d, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert other  # the gradient of the kernel is made of products


@pytest.mark.parametrize(("threads", "batch"), [(2, 2), (1, 16)])
def test_where_pytorch_takes_it_by_itself_it_is_left_alone(
    threads: int, batch: int, other: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(product, "_image", lambda *_: pytest.fail("taken"))
    pointwise(torch.ones(batch, 3, 4, 4), torch.ones(2, 3, 1, 1), None)


@needs_onednn
def test_without_a_gradient_the_number_is_the_same(other: list[tuple[int, ...]]) -> None:
    x, w, b = (t.detach() for t in tensors((7, 5), (3, 5), (3,)))
    torch.testing.assert_close(linear(x, w, b), F.linear(x, w, b))
    torch.testing.assert_close(linear(x, w), F.linear(x, w))
    torch.testing.assert_close(added(torch.ones(7, 3), (x, w, b)), 1 + F.linear(x, w, b))
    assert len(other) == 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_never_take_it(dtype: torch.dtype, other: list[tuple[int, ...]]) -> None:
    x, w, b = (t.detach().to(dtype) for t in tensors((7, 5), (3, 5), (3,)))
    assert torch.equal(linear(x, w, b), F.linear(x, w, b))
    added(torch.ones(7, 3, dtype=dtype), (x, w, b))
    assert not other


def test_autocast_and_export_never_take_it(other: list[tuple[int, ...]]) -> None:
    layer, x = Linear(5, 3), torch.ones(7, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    torch.export.export(layer, (x,))
    assert not other


def test_small_products_are_pytorch_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "prefers_onednn", lambda: True)
    monkeypatch.setattr(product, "_product", lambda *_: pytest.fail("taken for a small product"))
    linear(torch.ones(7, 5), torch.ones(3, 5))


def test_a_layer_is_one_of_pytorch_s() -> None:
    layer = Linear(5, 3)
    assert isinstance(layer, nn.Linear)
    assert list(layer.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize(
    ("vendor", "capability", "expected"),
    [("AuthenticAMD", "AVX512", True), ("AuthenticAMD", "AVX2", False), ("GenuineIntel", "AVX512", False)],
)
def test_only_where_it_was_measured(
    vendor: str, capability: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "facts", lambda name: [vendor] if name == "vendor_id" else [])
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert processor.prefers_onednn.__wrapped__() is expected
