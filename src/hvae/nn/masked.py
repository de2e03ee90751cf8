r"""Autoregressive convolutions, and the volume-preserving flow that is made of them.

An order of all elements of a map, row by row and channel by channel within a pixel, and kernels that look at earlier
elements only.  Mirrored, rows and columns run backwards (channels do not): two layers of opposite order look both ways.

Shapes: `B` batch; `C` channels of the latent; `E` hidden channels a latent channel; `k` kernel; `H W` space.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.kernels import Convolution, WeightCache
from hvae.nn.lengths import Factors, first_length, lengthened


def raster_mask(a: int, b: int, size: int, *, strict: bool, mirrored: bool) -> Tensor:
    """1 where an output channel may look, (b, a, size, size): earlier pixels, and in its own pixel earlier channels.

    Channels of unlike number share an order: each of the fewer stands for a run of the more.  `strict` excludes the
    channel's own place in that order.

    >>> raster_mask(2, 2, 3, strict=True, mirrored=False)[1, 0]
    tensor([[1., 1., 1.],
            [1., 1., 0.],
            [0., 0., 0.]])
    """
    fewer, m = min(a, b), size // 2
    place = (torch.arange(size * size) - (m * size + m)).view(size, size)  # below zero: an earlier pixel
    inputs = torch.arange(a) * fewer // a
    own = torch.arange(b)[:, None] * fewer // b
    mask = (place < 0).to(torch.float32).expand(b, a, size, size).clone()
    mask[:, :, m, m] = (inputs < own if strict else inputs <= own).to(torch.float32)
    return mask.flip(2, 3) if mirrored else mask


class MaskedConv(Convolution):
    """A weight-normalised convolution of which a mask leaves the earlier elements, (C, A/G, k, k).

    `scale` multiplies the length at the start.  The mask is a function of the sizes, and no part of a checkpoint.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, *, groups: int = 1, bias: bool = False, scale: float = 1.0) -> None:
        b, a, size, _ = mask.shape
        super().__init__(a * groups, b, size, groups=groups, bias=bias)
        self.register_buffer("mask", mask, persistent=False)
        start = first_length(self.weight * mask) + math.log(scale)
        self.log_length = nn.Parameter(start.detach())  # (C, 1, 1, 1)
        self.cache: WeightCache[Tensor] = WeightCache()

    def kernel(self) -> Tensor:
        return self.cache(lambda: lengthened(self.weight * self.mask, self.log_length), self.weight, self.log_length)

    def factors(self) -> Factors:
        return Factors(self.weight * self.mask, self.log_length)


class Shift(nn.Module):
    r"""$z' = z - m(z)$ with m at each element a function of the earlier ones: volume is preserved.

    A masked 3x3, a masked depthwise 5x5, and a linear map at every position; released code of Vahdat and Kautz 2020,
    arXiv 2007.03898, sec. 3.2.  Arguments: `channels` of z; `mirrored`, the order.
    """

    expansion = 6

    def __init__(self, channels: int, *, mirrored: bool) -> None:
        super().__init__()
        hidden = self.expansion * channels
        self.enter = MaskedConv(raster_mask(channels, hidden, 3, strict=True, mirrored=mirrored))
        # Depthwise: each channel sees earlier pixels and itself.
        self.spread = MaskedConv(
            raster_mask(1, 1, 5, strict=False, mirrored=mirrored).repeat(hidden, 1, 1, 1), groups=hidden
        )
        last = raster_mask(hidden, channels, 1, strict=False, mirrored=mirrored)
        self.leave = MaskedConv(last, bias=True, scale=0.1)

    def shift(self, z: Tensor) -> Tensor:
        """m(z), (B, C, H, W)."""
        # Twice: the published code has the last nonlinearity in both of the layers that it stands between.
        return self.leave(F.elu(F.elu(self.spread(F.elu(self.enter(z))))))

    def forward(self, z: Tensor) -> Tensor:
        return z - self.shift(z)

    def inverse(self, z: Tensor) -> Tensor:
        """What is mapped to z: a fixed point, exact after as many rounds as there are elements, found in far fewer.

        Once all earlier elements stand still, so does an element: the iteration ends where nothing changes any more.
        """
        start = z
        for _ in range(z[0].numel()):
            start, before = z + self.shift(start), start
            if torch.equal(start, before):
                break
        return start


class Shifts(nn.Module):
    """So many pairs of shifts, in the order of the map and against it; the log-determinant is zero."""

    def __init__(self, channels: int, pairs: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(
            Shift(channels, mirrored=mirrored) for _ in range(pairs) for mirrored in (False, True)
        )

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        for cell in self.cells:
            z = cell(z)
        return z, torch.zeros_like(z)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        for cell in reversed(self.cells):
            z = cell.inverse(z)  # type: ignore[operator]
        return z, torch.zeros_like(z)
