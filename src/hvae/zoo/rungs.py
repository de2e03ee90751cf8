"""The networks that the levels of a ladder are made of, those it was trained with and those that it grows.

Shapes: a feature and a state are (C, h, w), in one or three axes as in two.
"""

from __future__ import annotations

from torch import nn

from hvae.config.maps import Up
from hvae.config.model import LadderConfig
from hvae.nn import Recomputed, Shape
from hvae.nn.conv import CONVOLUTIONS, Larger, Resize, pointwise
from hvae.nn.larger import LARGER, enlarged, sub_pixel
from hvae.zoo.pyramid import NORMS, attending, residual
from hvae.zoo.pyramid import network as quiet

_LAST: dict[str, Larger] = {**LARGER, "nearest": sub_pixel}
"""Below the finest level the network is the likelihood's alone: nothing is repeated there."""


def lowest(config: LadderConfig) -> int:
    """The finest scale with a level."""
    return next(scale for scale, count in enumerate(config.groups) if count)


def blocks(config: LadderConfig, scale: int, axes: int) -> list[nn.Module]:
    """What follows a level on the way down, and precedes its feature on the way up."""
    width = config.scale_widths[scale]
    convolutions = residual(config.groups, width, config.blocks, config.dropout, NORMS[config.norm], axes)
    return [_kept(config, block) for block in convolutions + attending(config, scale, width, axes)]


def network(config: LadderConfig, channels: int, width: int, out: int, axes: int) -> nn.Module:
    """What a prior or a posterior computes."""
    return _kept(config, quiet(channels, width, out, axes=axes))


def _kept(config: LadderConfig, part: nn.Module) -> nn.Module:
    return Recomputed(part) if config.checkpoint else part


def entering(up: Up, here: Shape, there: Shape) -> list[nn.Module]:
    """From one scale to the next that has levels: the channels change where positions are still few."""
    if here[1:] == there[1:] or up == "nearest":
        channels = [] if here[0] == there[0] else [pointwise(here[0], there[0], axes=len(there) - 1)]
        return channels + ([] if here[1:] == there[1:] else [Resize(there[1:])])
    return enlarged(LARGER[up], here, there)


def leaving(config: LadderConfig, scale: int, sizes: list[Shape], parameters: int) -> nn.Sequential:
    """The state of a scale to raw likelihood parameters; finer scales have their `widths`, or half the last one."""
    layers: list[nn.Module] = []
    w = config.scale_widths[scale]
    for finer in reversed(range(scale)):
        fine = config.widths[finer] if config.widths else max(w // 2, 8)
        layers += [nn.SiLU(), *_LAST[config.up](w, fine, sizes[finer])]
        w = fine
    return nn.Sequential(*layers, nn.SiLU(), CONVOLUTIONS[len(sizes[0])](w, parameters, 3, padding=1))
