"""Kinds of layers from a map to one of twice its size, any size of it being reached by a cut.

Shapes: `B` batch; `a`, `b` channels before and after; `h w` the coarse space, in one or three axes as in two; `size`
the fine one, `h = ceil(size / 2)` along each axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from hvae.nn.conv import Larger, SubPixel, repeated
from hvae.nn.mlp import SLOPE

TRANSPOSED: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
"""By the number of axes."""


class Transposed(nn.Module):
    r"""A transposed convolution of four places and stride two along each axis, then a cut to `size`.

    $$y_n = \sum_{2m + k = n + 1} W_k x_m, \quad k = 0, \dots, 3$$

    The adjoint of a strided convolution (Dumoulin and Visin 2016, arXiv 1603.07285, sec. 4.2).  Four is a multiple of
    the stride, so that each place hears equally many others and no chequerboard is built in (Odena et al. 2016).

    >>> import torch
    >>> Transposed(3, 5, (7, 6))(torch.zeros(2, 3, 4, 3)).shape
    torch.Size([2, 5, 7, 6])
    """

    def __init__(self, a: int, b: int, size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)
        self.layer = TRANSPOSED[len(self.size)](a, b, 4, stride=2, padding=1)
        # He et al. 2015, arXiv 1502.01852, eq. (10): of the four places of an axis two reach any one output.
        nn.init.normal_(self.layer.weight, std=math.sqrt(2 / ((1 + SLOPE**2) * a * 2 ** len(self.size))))
        nn.init.zeros_(self.layer.bias)

    def forward(self, h: Tensor) -> Tensor:
        corner: tuple[Any, ...] = (..., *(slice(s) for s in self.size))
        fine: Tensor = self.layer(h)[corner]  # (B, b, *size): odd sizes lose the last row or column
        return fine


def transposed(a: int, b: int, size: Sequence[int]) -> list[nn.Module]:
    """A transposed convolution."""
    return [Transposed(a, b, size)]


def sub_pixel(a: int, b: int, size: Sequence[int]) -> list[nn.Module]:
    """A convolution at the coarse scale that computes the neighbours."""
    return [SubPixel(a, b, size)]


LARGER: dict[str, Larger] = {"nearest": repeated, "transposed": transposed, "sub-pixel": sub_pixel}
"""By name."""
