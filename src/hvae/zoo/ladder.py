"""The deep convolutional ladder: several levels a scale, residual posteriors, skip connections.  Default for images.

    p(z) = prod_l p(z_l | z_{>l}),   q(z | x) = prod_l q(z_l | z_{>l}, x)      Sonderby et al. 2016, arXiv 1602.02282
    q(z_l | .) = N(mu_p + dmu, (sigma_p e^{dlog sigma})^2)                     Vahdat and Kautz 2020, arXiv 2007.03898,
                                                                              sec. 3.2
    [p_l, r] = prior(h),  h <- h + r + v(z_l),  h <- h + f(h)                  Child 2021, arXiv 2011.10650, fig. 3

It takes the published ladders' common ground and none of their quirks: no normalisation unless asked for, any size, any
number of channels, one, two or three axes (signals, images, volumes), one evidence feature a level.  Residual branches
start at sqrt(1/N) of their size (Child 2021, sec. 3.2).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial

from torch import nn

from hvae.config.model import First, LadderConfig
from hvae.errors import HvaeError
from hvae.levels import Level, SplitPrior, merge, variance
from hvae.levels.heads import Head
from hvae.models import Grown, TopDown
from hvae.models.conditioning import Place
from hvae.nn import BottomUp, ConvKit, Shape, Start
from hvae.nn.conv import CONVOLUTIONS, conv, pointwise
from hvae.nn.layout import ChannelsLast
from hvae.nn.mlp import Centre
from hvae.nn.patch import Everywhere
from hvae.zoo.context import context, gather
from hvae.zoo.finer import finer
from hvae.zoo.flows import Channels, flows
from hvae.zoo.grown import Crown, crown
from hvae.zoo.parts import conditioning, head_for
from hvae.zoo.pyramid import rising, scales
from hvae.zoo.rungs import blocks, entering, leaving, lowest, network
from hvae.zoo.sharing import Sharing, Use
from hvae.zoo.skips import SKIPS, Skipping

_STARTS: dict[First, Callable[[int, Shape], nn.Module]] = {
    # A condition that modulates it meets gradients whose channels are last: in one order, they cost half.
    "placed": lambda width, size: Start((width, *size), ChannelsLast()),
    "everywhere": Everywhere,
}


def build(config: LadderConfig, shape: Shape, bits: int) -> TopDown:
    """The ladder above a likelihood that factorises."""
    return above(head_for(config, shape, bits), config, shape)


def above(head: Head, config: LadderConfig, shape: Shape) -> TopDown:
    """Levels from the coarsest scale down to the data's; each has its own feature from the same scale on the way up."""
    if len(shape) - 1 not in CONVOLUTIONS or not any(config.groups) or min(config.groups) < 0:
        raise HvaeError(
            f"the {config.family} needs images (C, H, W), signals (C, T) or volumes (C, D, H, W) and at least one "
            f"level; got data of shape {shape} and model.groups {config.groups}; for vectors choose model.family lvae"
        )
    axes, sizes, widths = len(shape) - 1, scales(shape[1:], len(config.groups)), config.scale_widths
    added, places, channels = _crown(config, sizes), _places(config), _channels(config)
    first = [nn.Sequential(Centre(), ChannelsLast()), conv(shape[0], widths[0], axes=axes)]
    shared, numbers = Sharing(config.share), itertools.count(1)

    def climb(scale: int) -> list[nn.Module]:
        return shared(Use("up", scale, next(numbers)), lambda: blocks(config, scale, axes))

    up = rising(config.groups, first, widths, climb, axes)
    return (Grown if config.finer else added.walk)(
        shape,
        bottom_up=BottomUp({**dict(up.blocks.items()), **added.features}),
        start=_STARTS[config.start](widths[-1], sizes[-1]),
        levels=[*added.levels, *_levels(config, sizes, shared)],
        leave=leaving(config, lowest(config), sizes, head.width),
        head=head,
        finer=finer(config, shape, sizes, head.width),
        flows=flows(config.flow, channels),
        gather=gather(
            config.aggregate, {name: c.latent for name, c in channels.items()}, channels["z1"].evidence, axes
        ),
        condition=context(config.context, places, shape)(conditioning(config.condition, places, shape)),
    )


def _crown(config: LadderConfig, sizes: list[Shape]) -> Crown:
    """What was grown on top: it reads the feature of the top level, and moves the state that the walk starts from."""
    shapes = [(width, *size) for width, size in zip(config.scale_widths, sizes, strict=True)]
    top = max(scale for scale, count in enumerate(config.groups) if count)
    return crown(config, ConvKit(axes=len(sizes[0])), sum(config.groups), shapes[top], shapes[-1])


def _each(config: LadderConfig) -> list[int]:
    """Channels of the feature of each level, z1 first."""
    scales_of = zip(config.scale_widths, config.groups, strict=True)
    return [width for width, count in scales_of for _ in range(count)]


def _channels(config: LadderConfig) -> dict[str, Channels]:
    """Channels of the latent and of the feature of each level."""
    by_scale = zip(config.scale_latents, config.scale_widths, config.groups, strict=True)
    each = [Channels(latent, width) for latent, width, count in by_scale for _ in range(count)]
    return {f"z{l}": channels for l, channels in enumerate(each, start=1)}


def _levels(config: LadderConfig, sizes: list[Shape], shared: Sharing) -> Iterator[Level]:
    shapes = [(width, *size) for width, size in zip(config.scale_widths, sizes, strict=True)]
    number, here, layout = sum(config.groups), shapes[-1], [ChannelsLast()]
    for scale, shape in reversed(list(enumerate(shapes))):
        for _ in range(config.groups[scale]):
            yield _level(
                config, shared, scale, number, len(shape) - 1, nn.Sequential(*layout, *entering(config.up, here, shape))
            )
            number, here, layout = number - 1, shape, []


def _places(config: LadderConfig) -> dict[str, Place]:
    """The state tells prior, posterior and all below; a posterior that reads the evidence alone is told beside it."""
    widths = _each(config)
    above = [*widths[1:], config.scale_widths[-1]]  # of the state that comes from the level above
    evidence = widths if config.posterior == "precision" else [0] * len(widths)
    return {f"z{l}": Place(state=above[l - 1], evidence=evidence[l - 1]) for l in range(len(widths), 0, -1)}


def _level(config: LadderConfig, shared: Sharing, scale: int, number: int, axes: int, enter: nn.Module) -> Level:
    w, d, positive = config.scale_widths[scale], config.scale_latents[scale], variance(config.variance)

    def own(what: str, make: Callable[[], nn.Module]) -> nn.Module:
        return shared.one(Use(what, scale, number), make)

    networks: dict[str, Callable[[], nn.Module]] = {
        "message": lambda: network(config, w, w, 2 * d, axes),
        "joint": lambda: network(config, 2 * w, w, 2 * d, axes),
        "linear": lambda: pointwise(2 * w, 2 * d, axes=axes),
    }
    join = SKIPS[config.skip](own, Skipping(w, d, math.sqrt(1 / sum(config.groups)), axes))
    return Level(
        f"z{number}",
        enter=enter,
        prior=SplitPrior(own("prior", lambda: network(config, w, w, 2 * d + w, axes)), positive, d),
        posterior=merge(
            config.posterior, positive, {kind: partial(own, "posterior", make) for kind, make in networks.items()}
        ),
        absorb=join(nn.Sequential(*shared(Use("down", scale, number), lambda: blocks(config, scale, axes)))),
    )
