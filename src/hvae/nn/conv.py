"""Convolutional networks over maps of any size and any number of channels.

Shapes: `B` batch; `C` channels; `h w` space; a step down halves the space, rounding up, so that no size is special.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.kit import Kit, Norm, Shape, unnormalised
from hvae.nn.mlp import Centre, he, near_one


def halved(size: Sequence[int]) -> Shape:
    """The spatial size one scale further up: halves, rounded up.

    >>> halved((28, 7))
    (14, 4)
    """
    return tuple((s + 1) // 2 for s in size)


def conv(a: int, b: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the variance of its input."""
    return he(nn.Conv2d(a, b, 3, stride=stride, padding=1))


class Resize(nn.Module):
    """Nearest-neighbour resampling to a fixed size, so that odd sizes find their way back."""

    def __init__(self, size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)

    def forward(self, h: Tensor) -> Tensor:
        return F.interpolate(h, size=self.size, mode="nearest")  # (B, C, *size)

    def extra_repr(self) -> str:
        return f"{self.size}"


class ResidualBlock(nn.Module):
    r"""Two convolutions around an identity: $h + f(h)$, normalised by its initialisation alone unless a norm is given.

    The last convolution starts at `gain` times the usual weights.  With N blocks in a row and gain $\sqrt{1/N}$ the
    variance of the sum stays of order one (Child 2021, arXiv 2011.10650, sec. 3.2), so no batch statistics are needed.
    In training, `dropout` is the probability that a hidden channel is silenced for a datum.  A `norm` stands before
    each rectifier: normalisation, Swish, convolution.
    """

    def __init__(self, channels: int, *, gain: float = 1.0, dropout: float = 0.0, norm: Norm = unnormalised) -> None:
        super().__init__()
        self.before, self.within = norm(channels), norm(channels)
        self.first = conv(channels, channels)
        self.dropout = nn.Dropout2d(dropout) if dropout > 0 else nn.Identity()
        self.last = scaled(conv(channels, channels), gain)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.last(self.dropout(F.silu(self.within(self.first(F.silu(self.before(h)))))))


class SubPixel(nn.Module):
    """Doubles the resolution by computing four neighbours at each position, then cuts to `size`.

    Shi et al. 2016, arXiv 1609.05158, eq. (3): the convolution runs at the coarse scale, a quarter of the cost.
    """

    def __init__(self, a: int, b: int, size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)
        self.layer = conv(a, 4 * b)

    def forward(self, h: Tensor) -> Tensor:
        fine = F.pixel_shuffle(self.layer(h), 2)  # (B, b, 2 h, 2 w)
        return fine[..., : self.size[0], : self.size[1]]  # (B, b, *size): odd sizes lose the last row or column


def scaled(layer: nn.Conv2d, gain: float) -> nn.Conv2d:
    """The layer with its weights multiplied by `gain` and its bias zero: gain 0 makes a silent start."""
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    layer.weight.data.mul_(gain)
    return layer


def pointwise(a: int, b: int, gain: float = 1.0) -> nn.Module:
    """One linear map at every position."""
    return scaled(nn.Conv2d(a, b, 1), gain)


Then = Callable[[Shape], list[nn.Module]]
"""What a network to features of a shape ends in, beside its block."""


def nothing_more(feature: Shape) -> list[nn.Module]:
    """Nothing."""
    return []


class ConvKit(Kit):
    """Convolutions: features are maps, the first at the data's resolution, each further one at half of it.

    `then` says what each network ends in beside its block, by the shape of its output.
    """

    def __init__(self, norm: Norm = unnormalised, then: Then = nothing_more) -> None:
        self.norm, self.then = norm, then

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
        first = [Centre(), conv(data[0], to[0]), self.norm(to[0])]
        return nn.Sequential(*first, ResidualBlock(to[0], gain=0.5), *self.then(to))

    def connect(self, a: Shape, b: Shape) -> nn.Module:
        first = [*self._resize(a, b), self.norm(b[0])]
        return nn.Sequential(*first, ResidualBlock(b[0], gain=0.5), *self.then(b), nn.SiLU())

    def _resize(self, a: Shape, b: Shape) -> list[nn.Module]:
        if a[1:] == b[1:]:
            return [conv(a[0], b[0])]
        if b[1:] == halved(a[1:]):
            return [conv(a[0], b[0], stride=2)]
        return [Resize(b[1:]), conv(a[0], b[0])]

    def gaussian(self, a: Shape, dims: int) -> nn.Module:
        return near_one(nn.Conv2d(a[0], 2 * dims, 1))

    def leave(self, a: Shape, data: Shape, parameters: int) -> nn.Module:
        resize = [] if a[1:] == data[1:] else [Resize(data[1:]), conv(a[0], a[0]), nn.SiLU()]
        return nn.Sequential(*resize, nn.Conv2d(a[0], parameters, 1))
