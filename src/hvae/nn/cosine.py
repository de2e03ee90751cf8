r"""The lowest frequencies of a map by the discrete cosine transform, and the map that they are of, at any resolution.

    U = D_H X D_W' / sqrt(H W),   D_n[k, i] = sqrt((2 - [k = 0]) / n) cos(pi k (i + 1/2) / n),   D D' = 1
    X ~ sqrt(h w) D_h' U D_w                                                          the same map at h x w

Ahmed, Natarajan and Rao 1974, IEEE Transactions on Computers 23 (DCT-II).  U_00 is the mean, whatever the resolution.

Shapes: `B` batch; `C` channels; `H W` the data; `h w` any other resolution; `k l` frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hvae.nn.conv import pointwise
from hvae.nn.kit import Shape


def cosines(count: int, size: int, like: Tensor) -> Tensor:
    """The first `count` rows of the orthonormal transform of `size` points, (count, size), as `like`.

    >>> d = cosines(4, 4, torch.zeros((), dtype=torch.float64))
    >>> torch.allclose(d @ d.T, torch.eye(4, dtype=torch.float64))
    True
    """
    places = torch.arange(size, dtype=torch.float64, device=like.device) + 0.5
    rows = torch.arange(count, dtype=torch.float64, device=like.device)
    waves = (math.pi / size * rows[:, None] * places).cos() * math.sqrt(2 / size)
    waves[:1] /= math.sqrt(2)
    return waves.to(like.dtype)


def transformed(x: Tensor, frequencies: Sequence[int]) -> Tensor:
    """The lowest (k, l) `frequencies` of each channel, (B, C, H, W) -> (B, C, k, l)."""
    k, l = frequencies
    h, w = x.shape[-2:]
    # In half precision data near the border of two values would fall to either.
    with torch.autocast(x.device.type, enabled=False):
        return cosines(k, h, x) @ x @ cosines(l, w, x).mT / math.sqrt(h * w)


class Grid(nn.Module):
    """Each frequency as one of `levels` values, evenly spaced from `low` to `high`; beyond them the nearest.

    It starts from what data in [0, 1] can reach.  Arguments: `shape` (C, H, W) of the data; `size`, frequencies in each
    direction; `levels` L.
    """

    low: Tensor
    high: Tensor

    def __init__(self, shape: Shape, size: int, levels: int) -> None:
        super().__init__()
        self.levels, self.frequencies = levels, (size, size)
        rows, columns = (cosines(size, side, torch.zeros(())) for side in shape[1:])
        waves = torch.einsum("kh,lw->klhw", rows, columns).flatten(2) / math.sqrt(math.prod(shape[1:]))
        for name, reach in (("low", waves.clamp(max=0).sum(-1)), ("high", waves.clamp(min=0).sum(-1))):
            self.register_buffer(name, reach.expand(shape[0], *self.frequencies).clone())

    def start(self, x: Tensor) -> None:
        """From now on the values lie between the least and the most of these data, (B, C, H, W)."""
        spectra = transformed(x, self.frequencies)
        apart = (self.high - self.low) / (1 << 16)  # a frequency that never varies keeps a width
        self.low.copy_(spectra.amin(0) - apart)
        self.high.copy_(spectra.amax(0) + apart)

    def forward(self, x: Tensor) -> Tensor:
        """Data to the numbers of their values by that of the last one, k / (L - 1), (B, C, H, W) -> (B, C, k, l)."""
        share = (transformed(x, self.frequencies) - self.low) / (self.high - self.low)
        return (share.clamp(0, 1) * (self.levels - 1)).round() / (self.levels - 1)

    def frequencies_at(self, u: Tensor) -> Tensor:
        """The frequencies that such numbers stand for, both (B, C, k, l)."""
        return self.low + u * (self.high - self.low)


class Shown(nn.Module):
    """h + W m, where m is the map that some frequencies are of, at the resolution of h.

    Arguments: `channels` C of the frequencies; `width` W of h; `gain` of the first weights.
    """

    def __init__(self, channels: int, width: int, gain: float) -> None:
        super().__init__()
        self.layer = pointwise(channels, width, gain)

    def forward(self, h: Tensor, frequencies: Tensor) -> Tensor:
        added: Tensor = self.layer(shown(frequencies, h.shape[-2:]))
        return h + added


def shown(frequencies: Tensor, there: Sequence[int]) -> Tensor:
    """The map whose lowest frequencies these are, at a resolution `there` (h, w): (B, C, k, l) -> (B, C, h, w).

    A resolution shows no more frequencies than it has places.

    >>> shown(transformed(torch.full((1, 1, 4, 6), 0.3), (2, 2)), (2, 3)).mean()
    tensor(0.3000)
    """
    k, l = (min(n, places) for n, places in zip(frequencies.shape[-2:], there, strict=True))
    rows, columns = cosines(k, there[0], frequencies), cosines(l, there[1], frequencies)
    return math.sqrt(math.prod(there)) * (rows.mT @ frequencies[..., :k, :l] @ columns)
