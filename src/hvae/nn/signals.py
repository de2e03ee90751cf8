"""Causal strided convolutions over signals: down to few positions, and up again.

Zeghidour et al. 2021 (SoundStream), arXiv 2107.03312, sec. III-A and III-B: kernels of twice the stride, before each
stride (after it, on the way up) residual units whose dilations grow by three, exponential linear units.  Every layer
pads the past alone, so that an output at a time hears nothing later, and what is behind a signal changes none of it.

Shapes: `B` batch; `C` channels; `T` times; `P` positions, one for each `stride` times.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

KERNEL = 7
"""Of the first and the last layer."""


def factors(stride: int) -> list[int]:
    """A stride, a power of two, as strides of four and at most one of two, next to the data first.

    >>> factors(8), factors(16), factors(1)
    ([4, 2], [4, 4], [])
    """
    parts: list[int] = []
    while stride > 1:
        parts.append(min(4, stride))
        stride //= parts[-1]
    return parts


class Causal(nn.Module):
    """A convolution whose output at position p hears times up to the last of `stride` times there: (B, a, T) ->
    (B, b, T / stride)."""

    def __init__(self, a: int, b: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.past = (kernel - 1) * dilation - (stride - 1)
        self.layer = nn.Conv1d(a, b, kernel, stride=stride, dilation=dilation)

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = self.layer(F.pad(h, (self.past, 0)))
        return out


class CausalUp(nn.Module):
    """The way back, of a kernel of twice the stride: (B, a, P) -> (B, b, P stride), each time of the position it lies
    in and the one before."""

    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.stride, self.layer = stride, nn.ConvTranspose1d(a, b, 2 * stride, stride=stride)

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = self.layer(h)
        return out[..., : h.shape[2] * self.stride]


class Unit(nn.Module):
    """h + f(h): a dilated layer to `hidden` channels, and a linear map back."""

    def __init__(self, channels: int, hidden: int, dilation: int) -> None:
        super().__init__()
        self.first = Causal(channels, hidden, 3, dilation=dilation)
        self.last = nn.Conv1d(hidden, channels, 1)

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = h + self.last(F.elu(self.first(F.elu(h))))
        return out


def units(channels: int, hidden: int, count: int) -> list[nn.Module]:
    """So many units, of dilations 1, 3, 9 ..., and what ends them."""
    return [*(Unit(channels, hidden, 3**i) for i in range(count)), nn.ELU()]


def downward(a: int, channels: int, hidden: int, count: int, stride: int) -> nn.Sequential:
    """From `a` channels to `channels` at 1 / stride of the times, with `count` units at each scale."""
    parts = factors(stride)
    widths = _widths(channels, parts)
    layers: list[nn.Module] = [Causal(a, widths[0], KERNEL)]
    for part, (before, after) in zip(parts, pairwise(widths), strict=True):
        layers += [*units(before, hidden, count), Causal(before, after, 2 * part, stride=part)]
    return nn.Sequential(*layers, *units(channels, hidden, count))


def upward(a: int, channels: int, hidden: int, count: int, stride: int, out: int) -> nn.Sequential:
    """From `a` channels to `out` at `stride` times the positions: the mirror of `downward`."""
    parts = factors(stride)
    widths = _widths(channels, parts)[::-1]
    layers: list[nn.Module] = [Causal(a, channels, KERNEL), *units(channels, hidden, count)]
    for part, (before, after) in zip(reversed(parts), pairwise(widths), strict=True):
        layers += [CausalUp(before, after, part), *units(after, hidden, count)]
    return nn.Sequential(*layers, Causal(widths[-1], out, KERNEL))


def _widths(channels: int, parts: Sequence[int]) -> list[int]:
    """Channels at each scale, the data first: half of them there."""
    return [max(1, channels // 2), *[channels] * len(parts)] if parts else [channels]
