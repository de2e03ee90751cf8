"""Between resolutions, and between the units of data and of networks, without a product.

Shapes: `B` batch; `C` channels; `h w` space.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.modules import Spatial
from hvae.nn.bottleneck import channels_last
from hvae.nn.kit import Shape


class Normalise(nn.Module):
    """Data in [0, 1] to (255 x + shift) * scale, with the channels last: mean and deviation are told in grey values."""

    def __init__(self, shift: float, scale: float) -> None:
        super().__init__()
        self.shift, self.scale = shift, scale

    def forward(self, x: Tensor) -> Tensor:
        return channels_last((255 * x + self.shift) * self.scale)

    def extra_repr(self) -> str:
        return f"(255 x {self.shift:+.6g}) * {self.scale:.6g}"


class Pool(nn.Module):
    """The mean over boxes of `rate` x `rate`, then `extra` channels of zeros: (B, C, h, w) -> (B, C + extra, ...)."""

    def __init__(self, rate: int, extra: int = 0) -> None:
        super().__init__()
        self.rate, self.extra = rate, extra

    def forward(self, h: Tensor) -> Tensor:
        h = F.avg_pool2d(h, self.rate)
        return F.pad(h, (0, 0, 0, 0, 0, self.extra)) if self.extra else h

    def extra_repr(self) -> str:
        return f"{self.rate}, extra={self.extra}"


class Take(Spatial):
    """The first `channels` of a coarser map, by nearest neighbours at `size`: (B, C, h, w) -> (B, channels, *size)."""

    def __init__(self, channels: int, size: Sequence[int]) -> None:
        super().__init__(size)
        self.channels = channels

    def forward(self, h: Tensor) -> Tensor:
        return channels_last(F.interpolate(h[:, : self.channels], size=self.size, mode="nearest"))

    def extra_repr(self) -> str:
        return f"{self.channels}, {self.size}"


class Bias(nn.Module):
    """Adds a learned map, the same for every datum; it starts at zero."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.bias


class Affine(nn.Module):
    """A gain and a bias for each channel, which start at one and zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, h: Tensor) -> Tensor:
        return torch.addcmul(self.bias, h, self.gain)
