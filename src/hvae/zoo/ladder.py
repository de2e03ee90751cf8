"""The deep convolutional ladder: several levels a scale, residual posteriors, skip connections.  Default for images.

    p(z) = prod_l p(z_l | z_{>l}),   q(z | x) = prod_l q(z_l | z_{>l}, x)      Sonderby et al. 2016, arXiv 1602.02282
    q(z_l | .) = N(mu_p + dmu, (sigma_p e^{dlog sigma})^2)                     Vahdat and Kautz 2020, arXiv 2007.03898,
                                                                              sec. 3.2
    [p_l, r] = prior(h),  h <- h + r + v(z_l),  h <- h + f(h)                  Child 2021, arXiv 2011.10650, fig. 3

It takes the published ladders' common ground and none of their quirks: no normalisation, any size, any number of
channels, one evidence feature a level.  Residual branches start at sqrt(1/N) of their size (Child 2021, sec. 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from torch import nn

from hvae.config.model import First, LadderConfig
from hvae.errors import HvaeError
from hvae.levels import Add, Level, SplitPrior, merge, variance
from hvae.models import TopDown
from hvae.models.conditioning import Place
from hvae.nn import Recomputed, Resize, Shape, Start
from hvae.nn.conv import SubPixel, conv, pointwise
from hvae.nn.layout import ChannelsLast
from hvae.nn.mlp import Centre
from hvae.nn.patch import Everywhere
from hvae.zoo.parts import conditioning, head_for
from hvae.zoo.pyramid import network, residual, rising, scales

_STARTS: dict[First, Callable[[int, Shape], nn.Module]] = {
    "placed": lambda width, size: Start((width, *size)),
    "everywhere": Everywhere,
}


def build(config: LadderConfig, shape: Shape, bits: int) -> TopDown:
    """Levels from the coarsest scale down to the data's; each has its own feature from the same scale on the way up."""
    if len(shape) != 3 or not any(config.groups) or min(config.groups) < 0:
        raise HvaeError(
            f"the ladder needs images (C, H, W) and at least one level; got data of shape {shape} "
            f"and model.groups {config.groups}; for vectors choose model.family lvae"
        )
    head, sizes = head_for(config, shape, bits), scales(shape[1:], len(config.groups))
    widths = [config.width] * len(config.groups)
    first = [nn.Sequential(Centre(), ChannelsLast()), conv(shape[0], widths[0])]
    return TopDown(
        shape,
        bottom_up=rising(config.groups, first, widths, lambda _: _blocks(config)),
        start=_STARTS[config.start](config.width, sizes[-1]),
        levels=list(_levels(config, sizes)),
        leave=_leave(config, sizes, head.width),
        head=head,
        condition=conditioning(config.condition, _places(config)),
    )


def _blocks(config: LadderConfig) -> list[nn.Module]:
    return [_kept(config, block) for block in residual(config.groups, config.width, config.blocks, config.dropout)]


def _kept(config: LadderConfig, part: nn.Module) -> nn.Module:
    return Recomputed(part) if config.checkpoint else part


def _levels(config: LadderConfig, sizes: list[Shape]) -> Iterator[Level]:
    number, here, layout = sum(config.groups), sizes[-1], [ChannelsLast()]
    for size, count in zip(reversed(sizes), reversed(config.groups), strict=True):
        for _ in range(count):
            finer = [] if size == here else [Resize(size)]
            yield _level(config, f"z{number}", nn.Sequential(*layout, *finer))
            number, here, layout = number - 1, size, []


def _places(config: LadderConfig) -> dict[str, Place]:
    """The state tells prior, posterior and all below; a posterior that reads the evidence alone is told beside it."""
    apart = config.width if config.posterior == "precision" else 0
    return {f"z{l}": Place(state=config.width, evidence=apart) for l in range(sum(config.groups), 0, -1)}


def _level(config: LadderConfig, name: str, enter: nn.Module) -> Level:
    w, d, positive = config.width, config.latent, variance(config.variance)
    networks = {
        "message": lambda: _network(config, w, 2 * d),
        "joint": lambda: _network(config, 2 * w, 2 * d),
        "linear": lambda: pointwise(2 * w, 2 * d),
    }
    inject = pointwise(d, w, math.sqrt(1 / sum(config.groups)))
    return Level(
        name,
        enter=enter,
        prior=SplitPrior(_network(config, w, 2 * d + w), positive, d),
        posterior=merge(config.posterior, positive, networks),
        absorb=Add(inject, nn.Sequential(*_blocks(config))),
    )


def _network(config: LadderConfig, channels: int, out: int) -> nn.Module:
    return _kept(config, network(channels, config.width, out))


def _leave(config: LadderConfig, sizes: list[Shape], parameters: int) -> nn.Module:
    """The last state to raw likelihood parameters; scales without a level are crossed at half the width each."""
    layers: list[nn.Module] = []
    lowest, w = next(scale for scale, count in enumerate(config.groups) if count), config.width
    for size in reversed(sizes[:lowest]):
        layers += [nn.SiLU(), SubPixel(w, max(w // 2, 8), size)]
        w = max(w // 2, 8)
    return nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(w, parameters, 3, padding=1))
