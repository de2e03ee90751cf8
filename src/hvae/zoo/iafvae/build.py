"""From a configuration to the two ways of the ResNet-VAE.

Shapes: a width is a number of channels; scale 0, the lowest, has half the data's resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

from torch import nn

from hvae.config.iafvae import IAFVAEConfig
from hvae.config.maps import Skip
from hvae.errors import HvaeError
from hvae.levels import Add, Gate, Positive, variance
from hvae.models import TopDown
from hvae.models.conditioning import Place
from hvae.nn import Resize, Shape, Start
from hvae.nn.autoregressive import AutoregressiveNet, InverseAutoregressive
from hvae.nn.conv import halved
from hvae.nn.mlp import Centre
from hvae.nn.weightnorm import LARGER, LOG, NormedConv, between
from hvae.zoo.iafvae.blocks import Before, Climb, DownBlock, FlowPosterior, GaussianPosterior, UpBlock, Widths
from hvae.zoo.parts import conditioning, head_for
from hvae.zoo.pyramid import attending
from hvae.zoo.sharing import Sharing, Use
from hvae.zoo.skips import Own

STD = 0.1
"""The standard deviation of every layer's first outputs."""
_conv = partial(NormedConv, std=STD, length=LOG)
_between = partial(between, std=STD, length=LOG)


def build(config: IAFVAEConfig, shape: Shape, bits: int) -> TopDown:
    """So many blocks at each scale; the lowest scale is at half the data's resolution."""
    if len(shape) != 3:
        raise HvaeError(f"iafvae needs images (C, H, W), got data of shape {shape}; for vectors choose lvae")
    head, w = head_for(config, shape, bits), config.width
    sizes, shared = _sizes(config, shape), Sharing(config.share)
    enter = nn.Sequential(Centre(), _between(shape, (w, *sizes[0]), 5))
    return TopDown(
        shape,
        bottom_up=Climb(enter, {f"z{l}": block for l, block in enumerate(_up(config, sizes, shared), start=1)}),
        start=nn.Sequential(Start((w, 1, 1)), Resize(sizes[-1])),
        levels=list(reversed(list(_down(config, sizes, shared)))),
        leave=nn.Sequential(nn.ELU(), _between((w, *sizes[0]), (head.width, *shape[1:]), 5, larger=LARGER[config.up])),
        head=head,
        condition=conditioning(
            config.condition, {f"z{l}": Place(state=w) for l in range(len(sizes) - 1, 0, -1)}, shape
        ),
    )


def _sizes(config: IAFVAEConfig, shape: Shape) -> list[Shape]:
    """The spatial size below the first block, and after each block on the way up."""
    sizes = [halved(shape[1:])]
    for scale, count in enumerate(config.blocks):
        first = halved(sizes[-1]) if scale else sizes[-1]
        sizes += [first] * count
    return sizes


def _context(config: IAFVAEConfig) -> int:
    return config.width if config.posterior == "iaf" else 0


def _where(config: IAFVAEConfig) -> list[int]:
    """The scale of each block, the lowest first."""
    return [scale for scale, count in enumerate(config.blocks) for _ in range(count)]


def _up(config: IAFVAEConfig, sizes: list[Shape], shared: Sharing) -> Iterator[UpBlock]:
    w, top = config.width, len(sizes) - 1
    for l, (scale, (below, here)) in enumerate(zip(_where(config), pairwise(sizes), strict=True), start=1):
        inputs, on = 2 * config.scale_latents[scale] + _context(config), 0 if l == top else w
        # Only layers of one shape and one stride can be one.
        kind = f"of {below} to {here}, {on} go on"
        first, last = (Use(f"{what} {kind}", scale, l) for what in ("first up", "last up"))
        yield UpBlock(
            first=shared.one(first, partial(_between, (w, *below), (inputs + on, *here), 3)),
            last=shared.one(last, partial(_conv, w, w, 3)) if on else None,
            then=_attention(config, shared, Use("attention up", scale, l)) if on else nn.Identity(),
            inputs=inputs,
            halve=below != here,
        )


def _attention(config: IAFVAEConfig, shared: Sharing, use: Use) -> nn.Module:
    return nn.Sequential(*shared(use, lambda: attending(config, use.scale, config.width)))


def _down(config: IAFVAEConfig, sizes: list[Shape], shared: Sharing) -> Iterator[DownBlock]:
    for l, (scale, (below, here)) in enumerate(zip(_where(config), pairwise(sizes), strict=True), start=1):
        yield _down_block(config, shared, Use("", scale, l), below, here)


def _down_block(config: IAFVAEConfig, shared: Sharing, at: Use, below: Shape, here: Shape) -> DownBlock:
    w, d, positive = config.width, config.scale_latents[at.scale], variance(config.variance)
    widths = Widths(p=2 * d, r=2 * d, context=_context(config), on=w)
    joined = d + w if config.skip == "concat" else w

    def own(what: str, make: Callable[[], nn.Module]) -> nn.Module:
        return shared.one(at._replace(what=what), make)

    larger = LARGER[config.up]
    return DownBlock(
        f"z{at.number}",
        enter=_attention(config, shared, at._replace(what="attention down")),
        first=own("first down", lambda: _conv(w, sum(widths), 3)),
        widths=widths,
        positive=positive,
        posterior=own("posterior", lambda: _posterior(config, d, positive)),
        join=_SKIPS[config.skip](own, w, d),
        last=own(f"last to {below}", lambda: _between((joined, *here), (w, *below), 3, larger=larger)),
        grow=nn.Identity() if below == here else Resize(below),
    )


def _beside(own: Own, w: int, d: int) -> nn.Module:
    return Before()


def _added(own: Own, w: int, d: int) -> nn.Module:
    return Add(own("inject", lambda: _conv(d, w, 1)), nn.Identity())


def _gated(own: Own, w: int, d: int) -> nn.Module:
    inject = own("inject", lambda: _conv(d, w, 1))
    return Gate(inject, own("gate", lambda: _conv(w, w, 1)), nn.Identity())


_SKIPS: dict[Skip, Callable[[Own, int, int], nn.Module]] = {"concat": _beside, "add": _added, "gated": _gated}
"""How a latent of d channels joins w others, by the name in a configuration."""


def _posterior(config: IAFVAEConfig, latent: int, positive: Positive) -> nn.Module:
    if config.posterior == "gaussian":
        return GaussianPosterior(positive)
    net = AutoregressiveNet(latent, config.width, config.flow)
    return FlowPosterior(positive, InverseAutoregressive(net))
