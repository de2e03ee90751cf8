"""Kinds of layers from a map to one of twice its size, any size of it being reached by a cut.

Shapes: `B` batch; `a`, `b` channels before and after; `h w` the coarse space, in one or three axes as in two; `size`
the fine one, `h = ceil(size / 2)` along each axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from hvae.modules import Spatial
from hvae.nn.conv import Larger, Resize, SubPixel, cut, halved, repeated
from hvae.nn.kit import Shape
from hvae.nn.mlp import SLOPE

TRANSPOSED: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
"""By the number of axes."""


class Transposed(Spatial):
    r"""A transposed convolution of four places and stride two along each axis, then a cut to `size`.

    $$y_n = \sum_{2m + k = n + 1} W_k x_m, \quad k = 0, \dots, 3$$

    The adjoint of a strided convolution (Dumoulin and Visin 2016, arXiv 1603.07285, sec. 4.2).  Four is a multiple of
    the stride, so that each place hears equally many others and no chequerboard is built in (Odena et al. 2016).

    >>> import torch
    >>> Transposed(3, 5, (7, 6))(torch.zeros(2, 3, 4, 3)).shape
    torch.Size([2, 5, 7, 6])
    """

    def __init__(self, a: int, b: int, size: Sequence[int]) -> None:
        super().__init__(size)
        self.layer = TRANSPOSED[len(self.size)](a, b, 4, stride=2, padding=1)
        # He et al. 2015, arXiv 1502.01852, eq. (10): of the four places of an axis two reach any one output.
        nn.init.normal_(self.layer.weight, std=math.sqrt(2 / ((1 + SLOPE**2) * a * 2 ** len(self.size))))
        nn.init.zeros_(self.layer.bias)

    def forward(self, h: Tensor) -> Tensor:
        return cut(self.layer(h), self.size)


def transposed(a: int, b: int, size: Sequence[int]) -> list[nn.Module]:
    """A transposed convolution."""
    return [Transposed(a, b, size)]


def sub_pixel(a: int, b: int, size: Sequence[int]) -> list[nn.Module]:
    """A convolution at the coarse scale that computes the neighbours."""
    return [SubPixel(a, b, size)]


LARGER: dict[str, Larger] = {"nearest": repeated, "transposed": transposed, "sub-pixel": sub_pixel}
"""By name."""


def doubled(here: Sequence[int], there: Sequence[int]) -> list[Shape]:
    """The sizes on the way from one space to a larger one, each at most twice the one before, the last at most `there`.

    Where halves that are rounded up lead from `there` to `here`, it is that way back.

    >>> doubled((2, 1), (7, 4)), doubled((3, 3), (7, 7))
    ([(4, 2), (7, 4)], [(6, 6)])
    """
    sizes = [tuple(there)]
    while all(a > b for a, b in zip(sizes[0], here, strict=True)):
        sizes.insert(0, halved(sizes[0]))
    return sizes[1:] if sizes[0] == tuple(here) else _rising(here, there)


def _rising(here: Sequence[int], there: Sequence[int]) -> list[Shape]:
    sizes = [tuple(here)]
    while any(2 * a - 1 <= b for a, b in zip(sizes[-1], there, strict=True)) and sizes[-1] != tuple(there):
        sizes.append(tuple(min(2 * a, b) for a, b in zip(sizes[-1], there, strict=True)))
    return sizes[1:]


def enlarged(larger: Larger, here: Shape, there: Shape) -> list[nn.Module]:
    """Layers from maps (C, h w) of one shape to those of a larger one, a doubling each; the first changes the channels.

    A row that no doubling gives is the nearest one.
    """
    sizes = doubled(here[1:], there[1:])
    widths = [here[0], *[there[0]] * len(sizes)]
    layers = [layer for a, b, size in zip(widths, widths[1:], sizes, strict=False) for layer in larger(a, b, size)]
    return layers if sizes[-1] == there[1:] else [*layers, Resize(there[1:])]
