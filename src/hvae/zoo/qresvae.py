r"""The quantised residual ladder for lossy coding: latents with uniform noise, rounded when a file is written.

    q(z_l | .) = U(mu_q - 1/2, mu_q + 1/2),  p(z_l | z_{>l}) = N(mu_p, sigma_p^2) * U(-1/2, 1/2),  sigma_p > 0.2
    loss = sum_l E[-log p(z_l | z_{>l})] + |x - mu(z)|^2 / (2 sigma^2)           Duan, Lu, Ma and Zhu 2022, arXiv
    file: round(mu_q - mu_p) of each level, top first; z_l = mu_p + that         2208.13056, sec. 3

The log of q is zero, so the rate of a level is what it costs in the file, and the loss is the ELBO.  Every weight is a
convolution's or the same everywhere, so one set of weights serves pictures of every size: build the same configuration
for another shape and load them.

Differences from the paper: residual blocks of plain 3x3 convolutions in place of ConvNeXt's, as in `ladder`, and the
ladder's choices of normalisation, of skips, of layers that double a map, and of weights that are shared.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

from torch import nn

from hvae.config.qresvae import QResVAEConfig
from hvae.errors import HvaeError
from hvae.levels import Level, SplitPrior, variance
from hvae.levels.quantised import Blurred, Noisy
from hvae.models import TopDown
from hvae.models.conditioning import Place
from hvae.nn import Shape
from hvae.nn.larger import LARGER
from hvae.nn.mlp import Centre
from hvae.nn.patch import Everywhere, Patches, Unpatched, patched
from hvae.zoo.parts import conditioning, head_for
from hvae.zoo.pyramid import NORMS, attending, network, residual, rising, scales
from hvae.zoo.sharing import Sharing, Use
from hvae.zoo.skips import SKIPS, Skipping


def build(config: QResVAEConfig, shape: Shape, bits: int) -> TopDown:
    """Levels from the coarsest scale down to that of the patches, each with its own feature on the way up."""
    if len(shape) != 3:
        raise HvaeError(f"qresvae needs images (C, H, W), got data of shape {shape}")
    head, sizes = head_for(config, shape, bits), scales(patched(shape[1:], config.patch), len(config.groups))
    first = [Centre(), Patches(shape[0], config.widths[0], config.patch)]
    shared, numbers = Sharing(config.share), itertools.count(1)

    def climb(scale: int) -> list[nn.Module]:
        return shared(Use("up", scale, next(numbers)), lambda: _blocks(config, scale))

    return TopDown(
        shape,
        bottom_up=rising(config.groups, first, config.widths, climb),
        start=Everywhere(config.widths[-1], sizes[-1]),
        levels=list(_levels(config, sizes, shared)),
        leave=_leave(config, sizes, head.width, shape),
        head=head,
        condition=conditioning(config.condition, _places(config), shape),
    )


def _blocks(config: QResVAEConfig, scale: int) -> list[nn.Module]:
    width = config.widths[scale]
    blocks = residual(config.groups, width, config.blocks, norm=NORMS[config.norm])
    return [*blocks, *attending(config, scale, width)]


def _levels(config: QResVAEConfig, sizes: list[Shape], shared: Sharing) -> Iterator[Level]:
    number, above = sum(config.groups), config.widths[-1]
    climb: list[nn.Module] = []
    for scale in reversed(range(len(sizes))):
        width = config.widths[scale]
        if scale < len(sizes) - 1:
            climb += [nn.SiLU(), *LARGER[config.up](above, width, sizes[scale])]
        for _ in range(config.groups[scale]):
            yield _level(config, shared, scale, number, nn.Sequential(*climb))
            number, climb = number - 1, []
        above = width


def _places(config: QResVAEConfig) -> dict[str, Place]:
    """The state as it comes from the level above, at the width of that one's scale."""
    here = [width for width, count in zip(config.widths, config.groups, strict=True) for _ in range(count)]
    above = [*here[1:], config.widths[-1]]
    return {f"z{l}": Place(state=above[l - 1]) for l in range(len(here), 0, -1)}


def _level(config: QResVAEConfig, shared: Sharing, scale: int, number: int, enter: nn.Module) -> Level:
    d, width = config.scale_latents[scale], config.widths[scale]

    def own(what: str, make: Callable[[], nn.Module]) -> nn.Module:
        return shared.one(Use(what, scale, number), make)

    prior = SplitPrior(own("prior", lambda: network(width, width, 2 * d + width)), variance(config.variance), d)
    posterior = Noisy(own("posterior", lambda: network(2 * width, width, d, gain=1.0)))
    join = SKIPS[config.skip](own, Skipping(width, d, math.sqrt(1 / sum(config.groups))))
    return Level(
        f"z{number}",
        enter=enter,
        prior=Blurred(prior),
        posterior=posterior,
        absorb=join(nn.Sequential(*shared(Use("down", scale, number), lambda: _blocks(config, scale)))),
    )


def _leave(config: QResVAEConfig, sizes: list[Shape], parameters: int, shape: Shape) -> nn.Module:
    """The last state to raw likelihood parameters, a patch at a time; scales without a level are crossed first."""
    lowest = next(scale for scale, count in enumerate(config.groups) if count)
    layers: list[nn.Module] = []
    for scale in reversed(range(lowest)):
        layers += [nn.SiLU(), *LARGER[config.up](config.widths[scale + 1], config.widths[scale], sizes[scale])]
    return nn.Sequential(*layers, nn.SiLU(), Unpatched(config.widths[0], parameters, config.patch, shape[1:]))
