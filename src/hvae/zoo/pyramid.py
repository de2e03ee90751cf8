"""What the convolutional ladders share: scales that halve, features on the way up, and networks that start quietly.

Shapes: `C` channels; `h w` the size of a scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import nn

from hvae.config.maps import AttendingConfig, EachNorm
from hvae.nn import BottomUp, ResidualBlock, Shape
from hvae.nn.attention import attention
from hvae.nn.conv import conv, halved, pointwise
from hvae.nn.kit import Norm, grouped, unnormalised

# Heads start near silence, not at it: at 0 no gradient would reach the layers below them in the first step.
QUIET = 0.1
NORMS: dict[EachNorm, Norm] = {"none": unnormalised, "group": grouped}
"""By the name in a configuration."""


def scales(finest: Shape, count: int) -> list[Shape]:
    """The size of each scale, the finest first; each is half the one before, rounded up.

    >>> scales((28, 28), 4)
    [(28, 28), (14, 14), (7, 7), (4, 4)]
    """
    sizes = [tuple(finest)]
    while len(sizes) < count:
        sizes.append(halved(sizes[-1]))
    return sizes


def rising(
    groups: Sequence[int],
    first: Sequence[nn.Module],
    widths: Sequence[int],
    blocks: Callable[[int], Sequence[nn.Module]],
    axes: int = 2,
) -> BottomUp:
    """One network for each level's feature, from the scales' `groups` of levels and their `widths`, finest first.

    The very first begins with the layers `first`, which read the data; the first of each further scale halves the
    resolution; each ends in the `blocks` of its scale.
    """
    up, pending = dict[str, nn.Module](), list(first)
    for scale, count in enumerate(groups):
        if scale > 0:
            pending += [nn.SiLU(), conv(widths[scale - 1], widths[scale], 2, axes)]
        for _ in range(count):
            up[f"z{len(up) + 1}"] = nn.Sequential(*pending, *blocks(scale))
            pending = []
    return BottomUp(up)


def residual(
    groups: Sequence[int], width: int, count: int, dropout: float = 0.0, norm: Norm = unnormalised, axes: int = 2
) -> list[nn.Module]:
    """Residual blocks that start at sqrt(1/N) of their size, N as many as lie one after the other on the way down."""
    gain = math.sqrt(1 / (sum(groups) * count))
    return [ResidualBlock(width, gain=gain, dropout=dropout, norm=norm, axes=axes) for _ in range(count)]


def attending(config: AttendingConfig, scale: int, width: int, axes: int = 2) -> list[nn.Module]:
    """The attention that a configuration asks for behind the convolutions of a scale; none where it says nothing."""
    return attention(width, config.attention[scale], axes) if config.attention else []


def network(channels: int, width: int, out: int, gain: float = QUIET, axes: int = 2) -> nn.Module:
    """What a prior or a posterior computes: one 3x3 layer, then a linear map at every position."""
    return nn.Sequential(nn.SiLU(), conv(channels, width, axes=axes), nn.SiLU(), pointwise(width, out, gain, axes))
