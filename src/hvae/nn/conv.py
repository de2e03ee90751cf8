"""Convolutional networks over maps of any size and any number of channels.

Of one, two or three axes: signals (C, T), images (C, H, W), volumes and clips (C, D, H, W).

Shapes: `B` batch; `C` channels; `h w` space, in one or three axes as in two; a step down halves the space, rounding up,
so that no size is special.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from hvae.modules import Spatial
from hvae.nn.kit import Kit, Norm, Shape, unnormalised
from hvae.nn.mlp import Centre, he, near_one


def halved(size: Sequence[int]) -> Shape:
    """The spatial size one scale further up: halves, rounded up.

    >>> halved((28, 7))
    (14, 4)
    """
    return tuple((s + 1) // 2 for s in size)


Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SILENCED: dict[int, Any] = {1: nn.Dropout1d, 2: nn.Dropout2d, 3: nn.Dropout3d}
"""By the number of axes."""


def conv(a: int, b: int, stride: int = 1, axes: int = 2) -> Convolution:
    """A convolution of three places along each axis that keeps the variance of its input."""
    layer: Convolution = he(CONVOLUTIONS[axes](a, b, 3, stride=stride, padding=1))
    return layer


class Resize(Spatial):
    """Nearest-neighbour resampling to a fixed size, so that odd sizes find their way back."""

    def forward(self, h: Tensor) -> Tensor:
        return F.interpolate(h, size=self.size, mode="nearest")  # (B, C, *size)


class ResidualBlock(nn.Module):
    r"""Two convolutions around an identity: $h + f(h)$, normalised by its initialisation alone unless a norm is given.

    The last convolution starts at `gain` times the usual weights.  With N blocks in a row and gain $\sqrt{1/N}$ the
    variance of the sum stays of order one (Child 2021, arXiv 2011.10650, sec. 3.2), so no batch statistics are needed.
    In training, `dropout` is the probability that a hidden channel is silenced for a datum.  A `norm` stands before
    each rectifier: normalisation, Swish, convolution.
    """

    def __init__(
        self, channels: int, *, gain: float = 1.0, dropout: float = 0.0, norm: Norm = unnormalised, axes: int = 2
    ) -> None:
        super().__init__()
        self.before, self.within = norm(channels), norm(channels)
        self.first = conv(channels, channels, axes=axes)
        self.dropout = SILENCED[axes](dropout) if dropout > 0 else nn.Identity()
        self.last = scaled(conv(channels, channels, axes=axes), gain)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.last(self.dropout(F.silu(self.within(self.first(F.silu(self.before(h)))))))


class SubPixel(Spatial):
    """Doubles the resolution by computing the neighbours (four of an image) at each position, then cuts to `size`.

    Shi et al. 2016, arXiv 1609.05158, eq. (3): the convolution runs at the coarse scale, a quarter of the cost.
    """

    def __init__(self, a: int, b: int, size: Sequence[int]) -> None:
        super().__init__(size)
        self.layer = conv(a, 2 ** len(self.size) * b, axes=len(self.size))

    def forward(self, h: Tensor) -> Tensor:
        return cut(spread(self.layer(h)), self.size)  # (B, b, 2 h, 2 w), cut


class Spread(Spatial):
    """Channels to places, then a cut to `size`: (B, 2^n C, h w) -> (B, C, *size)."""

    def forward(self, h: Tensor) -> Tensor:
        return cut(spread(h), self.size)


def cut(h: Tensor, size: Sequence[int]) -> Tensor:
    """The first places along each axis, (B, C, *size): what a doubling leads to has an odd row or column less."""
    corner: tuple[Any, ...] = (..., *(slice(s) for s in size))
    return h[corner]


def spread(h: Tensor) -> Tensor:
    """Channels to places, (B, 2^n C, *size) -> (B, C, *twice the size) in n axes.

    >>> import torch
    >>> spread(torch.arange(4.0).view(1, 2, 2))  # of two channels every second place each
    tensor([[[0., 2., 1., 3.]]])
    """
    axes = h.ndim - 2
    if axes == 2:
        return F.pixel_shuffle(h, 2)
    parts = h.unflatten(1, (-1, *[2] * axes))  # (B, C, 2 .., size ..)
    order = [axis for n in range(axes) for axis in (2 + axes + n, 2 + n)]
    # Not len(h): an exported program keeps its batch open.
    return parts.permute(0, 1, *order).reshape(h.shape[0], -1, *(2 * s for s in h.shape[2:]))


def scaled(layer: Convolution, gain: float) -> Convolution:
    """The layer with its weights multiplied by `gain` and its bias zero: gain 0 makes a silent start."""
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    layer.weight.data.mul_(gain)
    return layer


def pointwise(a: int, b: int, gain: float = 1.0, axes: int = 2) -> nn.Module:
    """One linear map at every position."""
    return scaled(CONVOLUTIONS[axes](a, b, 1), gain)


def summing(a: int, b: int, gain: float = 1.0, axes: int = 2) -> nn.Module:
    """One linear map at every position from a state of `a` channels and `b` others beside it to a state of `a`.

    It starts as the state itself and `gain` times a map of the others.
    """
    layer = scaled(CONVOLUTIONS[axes](a + b, a, 1), gain)
    nn.init.dirac_(layer.weight.data[:, :a])
    return layer


def repeated(a: int, b: int, size: Sequence[int]) -> list[nn.Module]:
    """To any larger size: the nearest place, then a convolution."""
    return [Resize(size), conv(a, b, axes=len(size))]


Larger = Callable[[int, int, Sequence[int]], list[nn.Module]]
"""(channels before, channels after, size after) -> layers to a map of twice the size."""
Then = Callable[[Shape], list[nn.Module]]
"""What a network to features of a shape ends in, beside its block."""


def nothing_more(feature: Shape) -> list[nn.Module]:
    """Nothing."""
    return []


class ConvKit(Kit):
    """Convolutions: features are maps, the first at the data's resolution, each further one at half of it.

    `then` says what each network ends in beside its block, by the shape of its output; `axes`, of how many axes maps
    are beside their channels; `larger`, how they double their size.
    """

    def __init__(
        self, norm: Norm = unnormalised, then: Then = nothing_more, axes: int = 2, larger: Larger = repeated
    ) -> None:
        self.norm, self.then, self.axes, self.larger = norm, then, axes, larger

    def _conv(self, a: int, b: int, stride: int = 1) -> nn.Module:
        return conv(a, b, stride, self.axes)

    def _block(self, channels: int) -> nn.Module:
        return ResidualBlock(channels, gain=0.5, axes=self.axes)

    def shapes(self, data: Shape, widths: Sequence[int]) -> list[Shape]:
        shapes: list[Shape] = []
        size: Shape = data[1:]
        for width in widths:
            shapes.append((width, *size))
            size = halved(size)
        return shapes

    def latent(self, feature: Shape, dims: int) -> Shape:
        return (dims, *feature[1:])

    def enter(self, data: Shape, to: Shape) -> nn.Module:
        first = [Centre(), self._conv(data[0], to[0]), self.norm(to[0])]
        return nn.Sequential(*first, self._block(to[0]), *self.then(to))

    def connect(self, a: Shape, b: Shape) -> nn.Module:
        first = [*self._resize(a, b), self.norm(b[0])]
        return nn.Sequential(*first, self._block(b[0]), *self.then(b), nn.SiLU())

    def _resize(self, a: Shape, b: Shape) -> list[nn.Module]:
        if a[1:] == b[1:]:
            return [self._conv(a[0], b[0])]
        if b[1:] == halved(a[1:]):
            return [self._conv(a[0], b[0], stride=2)]
        larger = self.larger if a[1:] == halved(b[1:]) else repeated
        return larger(a[0], b[0], b[1:])

    def gaussian(self, a: Shape, dims: int) -> nn.Module:
        layer: nn.Module = near_one(CONVOLUTIONS[self.axes](a[0], 2 * dims, 1))
        return layer

    def leave(self, a: Shape, data: Shape, parameters: int) -> nn.Module:
        resize = [] if a[1:] == data[1:] else [Resize(data[1:]), self._conv(a[0], a[0]), nn.SiLU()]
        return nn.Sequential(*resize, CONVOLUTIONS[self.axes](a[0], parameters, 1))
