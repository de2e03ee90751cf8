"""Maps of any size by the same weights: patches of the data, and a first state that is the same everywhere.

A network of these and of convolutions can be built for pictures of another size and take over every weight.

Shapes: `B` batch; `C` channels; `H W` the data; `h w` patches, ceil(H / s) x ceil(W / s); `s` the side of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.modules import Spatial
from hvae.nn.conv import conv, pointwise
from hvae.nn.kit import Shape


def patched(size: Sequence[int], side: int) -> Shape:
    """How many patches cover a size.

    >>> patched((13, 8), 4)
    (4, 2)
    """
    return tuple(-(-s // side) for s in size)


class Patches(nn.Module):
    """Squares of `side` x `side` values, each mapped to `width` channels; the edge is repeated to a whole one."""

    def __init__(self, channels: int, width: int, side: int) -> None:
        super().__init__()
        self.side, self.layer = side, pointwise(channels * side * side, width)

    def forward(self, x: Tensor) -> Tensor:
        rest = [-s % self.side for s in x.shape[2:]]
        whole = F.pad(x, (0, rest[1], 0, rest[0]), mode="replicate") if any(rest) else x
        return self.layer(F.pixel_unshuffle(whole, self.side))  # (B, width, h, w)


class Unpatched(Spatial):
    """The way back: `side` x `side` x `channels` numbers at each place, cut to `size`."""

    def __init__(self, width: int, channels: int, side: int, size: Sequence[int]) -> None:
        super().__init__(size)
        self.side = side
        self.layer = conv(width, channels * side * side)

    def forward(self, h: Tensor) -> Tensor:
        fine = F.pixel_shuffle(self.layer(h), self.side)
        return fine[..., : self.size[0], : self.size[1]]  # (B, C, *size)


class Everywhere(Spatial):
    """A learned first state, the same for every datum and at every place: n -> (n, C, *size)."""

    def __init__(self, channels: int, size: Sequence[int]) -> None:
        super().__init__(size)
        # Not zeros: from them the first layer of the top level would learn nothing in the first step.
        self.state = nn.Parameter(torch.randn(channels, *[1] * len(self.size)))

    def forward(self, n: int) -> Tensor:
        return self.state.expand(n, -1, *self.size).contiguous()  # (n, C, *size): as `Start`
