r"""3x3 convolutions that keep resolution, with a weight gradient that is a matrix product.

$$\frac{\partial}{\partial w_{c,a,ij}} = \sum_{b,h,w} g_{b,c,h,w}\, x_{b,a,h+i,w+j}
  = \big(g^\top\, \mathrm{patches}(x)\big)_{c,ija}$$

On two cores, 96 channels of 32 x 32, batch 4, gradients of input and weights together take 10 ms, the library's own 16.

Shapes: `B` batch; `A` input and `C` output channels; `k` kernel; `H W` space.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from hvae.processor import prefers_onednn

WIDE = 64
"""Channels from which on the product is quicker than the library: with fewer, gathering the patches costs more."""
SMALL = 256
"""Positions up to which patches are copied: nine times a small map is still small, and margins would add half to it."""
_MOST = 1 << 22
"""Numbers of patches held at once (16 MB in single precision): the memory does not grow with the batch."""


class SquareConv(nn.Conv2d):
    """A convolution with an odd kernel and stride 1, padded by half of it.  Weights as in `nn.Conv2d`."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, channels, kernel, padding=kernel // 2)

    def forward(self, h: Tensor) -> Tensor:
        return square(h, self.weight, self.bias)


def square(h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution with an odd kernel and stride 1, padded by half of it, by the quickest way there is for it."""
    if not _quicker(h, weight):
        return F.conv2d(h, weight, bias, padding=weight.shape[-1] // 2)
    image: Tensor = _ByProduct.apply(h, weight, bias)
    return image


def _quicker(h: Tensor, weight: Tensor) -> bool:
    """Where it was measured: on a CPU, in one precision, channels last, and a gradient is wanted at all."""
    if h.dtype == torch.float32 and prefers_onednn():
        return False  # where it is at its best, the library's own gradient takes 2.5 ms, this one 7.1
    plain = h.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()
    last = h.is_contiguous(memory_format=torch.channels_last)
    return plain and last and weight.requires_grad and torch.is_grad_enabled() and h.shape[1] >= WIDE


class _ByProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        on_x, on_weight, on_bias = ctx.needs_input_grad
        g = g.contiguous(memory_format=torch.channels_last)
        dx = conv2d_input(x.shape, weight, g, padding=weight.shape[-1] // 2) if on_x else None
        return dx, weight_gradient(x, g, weight.shape[-1]) if on_weight else None, g.sum((0, 2, 3)) if on_bias else None


def weight_gradient(x: Tensor, g: Tensor, k: int) -> Tensor:
    """The gradient of the weights, (C, A, k, k), from inputs (B, A, H, W) and gradients (B, C, H, W).

    >>> weight_gradient(torch.ones(1, 2, 1, 1), torch.ones(1, 3, 1, 1), 3)[0, 0]
    tensor([[0., 0., 0.],
            [0., 1., 0.],
            [0., 0., 0.]])
    """
    # Shifts are written where they belong, which has no gradient.
    is_large = x.shape[2] * x.shape[3] > SMALL and not torch.is_grad_enabled()
    way = _by_shifts if is_large else _by_patches
    return way(x.movedim(1, -1), g.movedim(1, -1), k).permute(2, 3, 0, 1)


def _by_shifts(x: Tensor, g: Tensor, k: int) -> Tensor:
    """k^2 products, (k, k, C, A): with margins of zeros around both, a shift in space is one along the rows."""
    (_, _, w, a), c, r = x.shape, g.shape[-1], k // 2
    rows = F.pad(x, (0, 0, r, r, r, r)).reshape(-1, a)
    slopes = F.pad(g, (0, 0, 0, 2 * r, 0, 2 * r)).reshape(-1, c)
    line, count = w + 2 * r, len(rows) - 2 * r * (w + 2 * r + 1)
    total, slopes = x.new_empty(k * k, c, a), slopes[:count].t()
    for at in range(k * k):
        start = at // k * line + at % k
        torch.mm(slopes, rows[start : start + count], out=total[at])
    return total.view(k, k, c, a)


def _by_patches(x: Tensor, g: Tensor, k: int) -> Tensor:
    """One product with all patches side by side, (k, k, C, A), of a part of the batch at a time."""
    (_, h, w, a), c, r = x.shape, g.shape[-1], k // 2
    total = x.new_zeros(c, k * k * a)
    at_once = max(1, _MOST // (h * w * k * k * a))
    for some, slopes in zip(x.split(at_once), g.split(at_once), strict=True):
        padded = F.pad(some, (0, 0, r, r, r, r))  # (b, H + 2r, W + 2r, A)
        b, y, x_, one = padded.stride()
        patches = padded.as_strided((len(some), h, w, k, k, a), (b, y, x_, y, x_, one)).reshape(-1, k * k * a)
        total.addmm_(slopes.reshape(-1, c).t(), patches)
    return total.view(c, k, k, a).permute(1, 2, 0, 3)
