"""Levels below a ladder that is trained already, at scales that it has none at: a way up and a state of their own.

    e = g(x),   h_0 = h of the old model below z1,   [p(z | h), r] = prior(h),   q(z | h, x) relative to p
    h <- h + r + v(z),  h <- h + f(h),   theta <- theta + a g(h)

The old model hears nothing of them: theta are the raw parameters of its likelihood, and a is 0 at first
(`hvae.levels.finer`).  z1 keeps its name, and so do all above it: below it come z0, z-1 and so on.

Shapes: a feature and a state are (C, h, w), in one or three axes as in two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count, pairwise

from torch import nn

from hvae.config.model import LadderConfig
from hvae.errors import HvaeError
from hvae.levels import Add, FinerLevel, SplitPrior, variance
from hvae.models.finer import Finer
from hvae.nn import BottomUp, Shape
from hvae.nn.begin import silent
from hvae.nn.conv import conv, pointwise
from hvae.nn.layout import ChannelsLast
from hvae.nn.mlp import Centre
from hvae.zoo.rungs import blocks, entering, leaving, lowest, network


def finer(config: LadderConfig, data: Shape, sizes: Sequence[Shape], parameters: int) -> Finer:
    """The levels that `config.finer` names, above a likelihood of so many `parameters` a place.

    Raises HvaeError where it names scales that are not finer than every one that has levels.
    """
    _check(config)
    names = _names(config)
    ways = {
        str(scale): BottomUp(dict(zip(reversed(some), _way(config, scale, data, len(some)), strict=True)))
        for scale, some in names.items()
    }
    return Finer(ways, list(_levels(config, names, list(sizes), parameters)))


def _check(config: LadderConfig) -> None:
    if len(config.finer) not in (0, lowest(config)):
        raise HvaeError(
            f"model.finer: expected a number of levels for each of the {lowest(config)} scales that are finer than "
            f"those of model.groups {config.groups}, or none, got {config.finer}; take hvae grow RUN --below N"
        )


def _names(config: LadderConfig) -> dict[int, list[str]]:
    """The new levels of each scale, the coarsest scale and the highest level first."""
    numbers = count(0, -1)
    scales = [scale for scale in reversed(range(len(config.finer))) if config.finer[scale]]
    return {scale: [f"z{next(numbers)}" for _ in range(config.finer[scale])] for scale in scales}


def _way(config: LadderConfig, scale: int, data: Shape, levels: int) -> Iterator[nn.Module]:
    """From the data to each feature of a scale, the lowest level first."""
    axes, widths = len(data) - 1, config.scale_widths[: scale + 1]
    first = [Centre(), ChannelsLast(), conv(data[0], widths[0], axes=axes)]
    for a, b in pairwise(widths):
        first += [nn.SiLU(), conv(a, b, 2, axes)]
    for _ in range(levels):
        yield nn.Sequential(*first, *blocks(config, scale, axes))
        first = []


def _levels(
    config: LadderConfig, names: dict[int, list[str]], sizes: list[Shape], parameters: int
) -> Iterator[FinerLevel]:
    here = lowest(config)
    for scale, some in names.items():
        for name in some:
            yield _level(config, name, (here, scale), sizes, parameters)
            here = scale


def _level(config: LadderConfig, name: str, scales: tuple[int, int], sizes: list[Shape], parameters: int) -> FinerLevel:
    """A level that enters from one of the `scales` and stands at the other."""
    above, here = ((config.scale_widths[scale], *sizes[scale]) for scale in scales)
    (w, *size), d, scale = here, config.scale_latents[scales[1]], scales[1]
    axes, gain = len(size), math.sqrt(1 / sum(config.groups))
    leave = leaving(config, scale, sizes, parameters)
    silent(leave[-1])
    return FinerLevel(
        name,
        enter=nn.Sequential(*entering(config.up, above, here)),
        prior=SplitPrior(network(config, w, w, 2 * d + w, axes), variance(config.variance), d),
        infer=network(config, 2 * w, w, 2 * d, axes),
        absorb=Add(pointwise(d, w, gain, axes), nn.Sequential(*blocks(config, scale, axes))),
        leave=leave,
        steps=config.fade,
    )
