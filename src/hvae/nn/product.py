r"""Linear maps, $y = x W^\top + b$, by the library that is quickest on this processor.

PyTorch multiplies matrices in single precision by MKL, its convolutions by oneDNN.  Where oneDNN is quicker for both
(`processor.prefers_onednn`), large products take it too, forwards and backwards; everything else is `F.linear`.  Both
agree to rounding.  Other precisions, autocast, compilation, export and fake tensors never come here.

Shapes: `...` any leading dimensions; `A` input and `C` output features; `N` rows.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.processor import prefers_onednn

LARGE = 2_000_000
"""Multiplications from which on it pays: below, oneDNN's call costs more than the product."""


class Linear(nn.Linear):
    """`nn.Linear`, by the quickest library."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b: (..., A), (C, A) and (C,) -> (..., C).

    >>> linear(torch.ones(2, 3), torch.ones(5, 3), torch.ones(5))[0]
    tensor([4., 4., 4., 4., 4.])
    """
    if not quicker(x, weight):
        return F.linear(x, weight, bias)
    if learns(x, weight, bias):
        y: Tensor = _Linear.apply(x, weight, bias)
        return y
    return _product(x, weight, bias)


def added(h: Tensor, *maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    r"""$h + \sum_i (x_i W_i^\top + b_i)$ with few passes over the outcome: h is (N, C), each map (N, A), (C, A), (C,).

    >>> added(torch.ones(2, 5), (torch.ones(2, 3), torch.ones(5, 3), torch.ones(5)))[0]
    tensor([5., 5., 5., 5., 5.])
    """
    if all(quicker(x, weight) for x, weight, _ in maps):
        flat = [t for one in maps for t in one]
        total: Tensor = _Added.apply(h, *flat) if learns(h, *flat) else _summed(h, *flat)
        return total
    rows = h + sum(bias for _, _, bias in maps)
    for x, weight, _ in maps:
        rows.addmm_(x, weight.t())
    return rows


FEW = 16
"""Data of a batch from which on PyTorch takes oneDNN for 1x1 convolutions by itself; of several threads always."""


def pointwise(h: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """A 1x1 convolution, (B, A, H, W) and (C, A, 1, 1) -> (B, C, H, W), whatever the order of the map in memory.

    >>> pointwise(torch.ones(1, 3, 2, 2), torch.ones(5, 3, 1, 1), None)[0, :, 0, 0]
    tensor([3., 3., 3., 3., 3.])
    """
    if not quicker(h, kernel) or h.shape[0] >= FEW or torch.get_num_threads() > 1:
        return F.conv2d(h, kernel, bias)
    if learns(h, kernel, bias):
        y: Tensor = _Pointwise.apply(h, kernel, bias)
        return y
    return _image(h, kernel, bias)


def _image(h: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    y: Tensor = torch.ops.aten.mkldnn_convolution(h, kernel, bias, (0, 0), (1, 1), (1, 1), 1)
    return y


class _Pointwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(h, kernel)
        return _image(h, kernel, bias)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        h, kernel = ctx.saved_tensors
        on_h, on_kernel, on_bias = ctx.needs_input_grad
        dh = pointwise(g, kernel.transpose(0, 1), None) if on_h else None
        # A product a datum: there are few.
        pairs = zip(g.flatten(2).unbind(), h.flatten(2).unbind(), strict=True) if on_kernel else ()
        parts = [linear(slopes, rows) for slopes, rows in pairs]
        return dh, torch.stack(parts).sum(0)[:, :, None, None] if parts else None, g.sum((0, 2, 3)) if on_bias else None


def quicker(x: Tensor, weight: Tensor) -> bool:
    """Whether the product of these is one of those that oneDNN is quicker at."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    plain = type(x) is Tensor and type(weight) in (Tensor, nn.Parameter)
    single = plain and x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu"
    if not single or x.numel() * weight.shape[0] < LARGE or torch.is_autocast_enabled("cpu"):
        return False
    return prefers_onednn()


def learns(*tensors: Tensor | None) -> bool:
    """Whether autograd wants gradients of any of these."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed(weight), bias, "none", [], "")
    return y


def _sum(h: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, h, packed(weight), bias, "add")
    return y


def packed(weight: Tensor) -> Tensor:
    """The weight without gaps in memory, copied if it has any.

    oneDNN has quick products for a matrix and for its transpose; for a slice of a wider one it takes its reference
    implementation, a thousand times slower (6000 x 128 by 128 x 64: 1.1 s instead of 1.3 ms).

    >>> packed(torch.ones(5, 8)[:, :3]).stride(), packed(torch.ones(3, 5).t()).stride()
    ((3, 1), (1, 5))
    """
    whole = weight.is_contiguous() or weight.t().is_contiguous()
    return weight if whole else weight.contiguous()


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        return gradients(ctx.saved_tensors, g, ctx.needs_input_grad)


def _summed(h: Tensor, *maps: Tensor) -> Tensor:
    for x, weight, bias in zip(maps[::3], maps[1::3], maps[2::3], strict=True):
        h = _sum(h, x, weight, bias)
    return h


class _Added(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, *maps: Tensor) -> Tensor:
        ctx.save_for_backward(*maps[::3], *maps[1::3])
        return _summed(h, *maps)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        saved, needed = ctx.saved_tensors, ctx.needs_input_grad[1:]
        # All biases have one gradient: they are added to the same numbers.
        on_bias = g.sum(0) if any(needed[2::3]) else None
        outcome: list[Tensor | None] = [g]
        half = len(saved) // 2
        for n, pair in enumerate(zip(saved[:half], saved[half:], strict=True)):
            outcome += [*gradients(pair, g, (*needed[3 * n : 3 * n + 2], False))[:2], on_bias]
        return tuple(outcome)


def gradients(saved: tuple[Tensor, Tensor], g: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """Of x, the weight and the bias.  By `linear` again, so that gradients of gradients exist."""
    x, weight = saved
    on_x, on_weight, on_bias = needed
    slopes = g.reshape(-1, g.shape[-1])
    dx = linear(g, weight.t()) if on_x else None
    dw = _weight_gradient(slopes, x.reshape(-1, x.shape[-1])) if on_weight else None
    return dx, dw, slopes.sum(0) if on_bias else None


def _weight_gradient(slopes: Tensor, rows: Tensor) -> Tensor:
    """(N, C) and (N, A) -> (C, A).

    oneDNN's left factor is copied to be transposed, by one thread alone (4096 x 384: as long as the product on two): so
    the narrower side is on the left.
    """
    if slopes.shape[1] <= rows.shape[1]:
        return linear(transposed(slopes), rows.t())
    return linear(transposed(rows), slopes.t()).t()


def transposed(rows: Tensor) -> Tensor:
    """(N, C) -> (C, N), side by side in memory where that is done by several threads.

    A plain copy of a transposed matrix takes one thread whatever there is (4096 x 96, two threads: 0.31 ms for 0.19).
    """
    if torch.get_num_threads() == 1 or torch.is_grad_enabled():
        return rows.t()
    whole = rows.new_empty(rows.shape[1], rows.shape[0])
    whole.t().copy_(rows)
    return whole
