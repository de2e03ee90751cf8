"""The convolutions of the quantised models: down by strided layers to a stack of residual blocks, and up again.

van den Oord et al. 2017, arXiv 1711.00937, sec. 4.1, in the sizes of the code released with Sonnet: kernels of 4 with
stride 2, half the channels next to the data, residual blocks of a 3x3 and a 1x1 layer.

Shapes: `B` batch; `C` channels; `h w` space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from hvae.modules import Spatial


class Block(nn.Module):
    """h + f(h): a rectifier and a 3x3 layer to `hidden` channels, a rectifier and a linear map back."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, hidden, 3, padding=1)
        self.last = nn.Conv2d(hidden, channels, 1)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.last(F.relu(self.first(F.relu(h))))


def blocks(channels: int, hidden: int, count: int) -> list[nn.Module]:
    """So many blocks, and the rectifier that ends them."""
    return [*(Block(channels, hidden) for _ in range(count)), nn.ReLU()]


def halvings(stride: int) -> int:
    """How many strides of two make a stride: 4 are 2.

    >>> halvings(4), halvings(1)
    (2, 0)
    """
    return int(math.log2(stride))


def downward(a: int, channels: int, hidden: int, count: int, stride: int) -> nn.Sequential:
    """From `a` channels to `channels` at 1 / stride of the resolution, stride a power of two."""
    times = halvings(stride)
    widths = [a, *_widths(channels, times)]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], channels, 3, padding=1), *blocks(channels, hidden, count))


def upward(a: int, channels: int, hidden: int, count: int, stride: int, out: int) -> nn.Sequential:
    """From `a` channels to `out` at `stride` times the resolution: the mirror of `downward`."""
    times = halvings(stride)
    widths = [channels, *_widths(channels, times)[::-1][1:], out]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths) if times else ():
        layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
    last = layers[:-1] or [nn.Conv2d(channels, out, 3, padding=1)]
    return nn.Sequential(nn.Conv2d(a, channels, 3, padding=1), *blocks(channels, hidden, count), *last)


def _widths(channels: int, times: int) -> list[int]:
    """Channels after each halving on the way from the data: half of them after the first."""
    return [max(1, channels // 2), *[channels] * (times - 1)][:times]


def enlarged(channels: int, stride: int) -> nn.Sequential:
    """A map of codes at `stride` times its resolution, its channels as they are."""
    return nn.Sequential(*(nn.ConvTranspose2d(channels, channels, 4, 2, 1) for _ in range(halvings(stride))))


class Pad(Spatial):
    """The last row and column repeated until the map has a size; `Crop` takes them away again."""

    def forward(self, h: Tensor) -> Tensor:
        down, right = (goal - side for goal, side in zip(self.size, h.shape[2:], strict=True))
        return F.pad(h, (0, right, 0, down), mode="replicate") if down or right else h


class Crop(Spatial):
    """The first rows and columns: (B, C, h, w) -> (B, C, *size)."""

    def forward(self, h: Tensor) -> Tensor:
        return h[..., : self.size[0], : self.size[1]]


class Shrink(Spatial):
    """The mean over the boxes of a coarser map: (B, C, h, w) -> (B, C, *size)."""

    def forward(self, h: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(h, list(self.size))  # type: ignore[arg-type]  # its stub knows tuples of two alone


class Grow(Spatial):
    """A coarser map at a size, half as interpolated and half through a convolution that mends it."""

    def __init__(self, channels: int, size: Sequence[int]) -> None:
        super().__init__(size)
        self.mend = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        h = F.interpolate(h, size=self.size, mode="bilinear")
        return 0.5 * (h + self.mend(h))
