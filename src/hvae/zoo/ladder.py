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
from hvae.nn import BottomUp, Recomputed, ResidualBlock, Resize, Shape, Start
from hvae.nn.conv import SubPixel, conv, halved, pointwise
from hvae.nn.mlp import Centre
from hvae.nn.patch import Everywhere
from hvae.zoo.parts import head_for

# Heads start near silence, not at it: at 0 no gradient would reach the layers below them in the first step.
QUIET = 0.1

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
    head, sizes = head_for(config, shape, bits), _sizes(config, shape)
    return TopDown(
        shape,
        bottom_up=BottomUp(_bottom_up(config, shape[0], sizes)),
        start=_STARTS[config.start](config.width, sizes[-1]),
        levels=list(_levels(config, sizes)),
        leave=_leave(config, sizes, head.width),
        head=head,
    )


def _sizes(config: LadderConfig, shape: Shape) -> list[Shape]:
    """The spatial size of each scale, the data's first."""
    sizes = [tuple(shape[1:])]
    for _ in config.groups[1:]:
        sizes.append(halved(sizes[-1]))
    return sizes


def _block(config: LadderConfig) -> nn.Module:
    gain = math.sqrt(1 / (sum(config.groups) * config.blocks))
    return _kept(config, ResidualBlock(config.width, gain=gain, dropout=config.dropout))


def _kept(config: LadderConfig, network: nn.Module) -> nn.Module:
    return Recomputed(network) if config.checkpoint else network


def _bottom_up(config: LadderConfig, channels: int, sizes: list[Shape]) -> dict[str, nn.Module]:
    """One network a level; a scale's first also halves the resolution, and the very first reads the data."""
    w, up = config.width, dict[str, nn.Module]()
    pending: list[nn.Module] = [Centre(), conv(channels, w)]
    for scale, count in enumerate(config.groups):
        if scale > 0:
            pending += [nn.SiLU(), conv(w, w, stride=2)]
        for _ in range(count):
            up[f"z{len(up) + 1}"] = nn.Sequential(*pending, *(_block(config) for _ in range(config.blocks)))
            pending = []
    return up


def _levels(config: LadderConfig, sizes: list[Shape]) -> Iterator[Level]:
    number, here = sum(config.groups), sizes[-1]
    for size, count in zip(reversed(sizes), reversed(config.groups), strict=True):
        for _ in range(count):
            yield _level(config, f"z{number}", None if size == here else Resize(size))
            number, here = number - 1, size


def _level(config: LadderConfig, name: str, enter: nn.Module | None) -> Level:
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
        absorb=Add(inject, nn.Sequential(*(_block(config) for _ in range(config.blocks)))),
    )


def _network(config: LadderConfig, channels: int, out: int) -> nn.Module:
    """What a prior or a posterior computes: one 3x3 layer, then a quiet linear map at every position."""
    w = config.width
    layers = [nn.SiLU(), conv(channels, w), nn.SiLU(), pointwise(w, out, QUIET)]
    return _kept(config, nn.Sequential(*layers))


def _leave(config: LadderConfig, sizes: list[Shape], parameters: int) -> nn.Module:
    """The last state to raw likelihood parameters; scales without a level are crossed at half the width each."""
    layers: list[nn.Module] = []
    lowest, w = next(scale for scale, count in enumerate(config.groups) if count), config.width
    for size in reversed(sizes[:lowest]):
        layers += [nn.SiLU(), SubPixel(w, max(w // 2, 8), size)]
        w = max(w // 2, 8)
    return nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(w, parameters, 3, padding=1))
