"""The very deep VAE: up to 78 levels of bottleneck blocks, nothing normalised but by its initialisation.

    p(z) = prod_l p(z_l | z_{>l}),   q(z | x) = prod_l q(z_l | z_{>l}, x)      Child 2021, arXiv 2011.10650, sec. 3
    [p_l, r] = f(h),  q_l = f'([h, e]),  h <- b(h + r + v(z_l))                fig. 3; b residual, f starts at zero
    e = the last feature of its resolution on the way up                       fig. 3
    h = bias + nearest(h of the resolution above)                              where a resolution begins
    x ~ DMOL(gain * h + bias)                                                  Salimans et al. 2017, arXiv 1701.05517

As published unless a key says otherwise: all sizes, initialisations and constants, and the function to the last term
as long as log-scales of latents stay within -40 and 40, where `variance` exp cuts them.  Computed differently: the part
of f' that reads e is made for all levels of a resolution at once, and f and f' share what they make of h (see
`hvae.nn.bottleneck`).  More general: images of any height and width that the strings divide, any number of channels,
every likelihood.  The mixture counts with exact masses where the published code takes width times density below 1e-5.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from hvae.config.vdvae import VDVAEConfig
from hvae.config.vdvae_blocks import Climb, Descent, decoder_blocks, encoder_blocks
from hvae.errors import HvaeError
from hvae.levels import TwinLevel, variance
from hvae.levels.fivebit import MASSES, FiveBitHead
from hvae.levels.heads import Head
from hvae.levels.logisticheads import MixtureHead
from hvae.levels.twin import Concatenated, Gated, Skip, Summed
from hvae.models import TopDown
from hvae.models.conditioning import Place
from hvae.nn import BottomUp, Constant, Recomputed, Shape, Start
from hvae.nn.attention import attention
from hvae.nn.bottleneck import Bottleneck, Fan, Fanned, OneForAll, Pending, Pointwise, Twin
from hvae.nn.conv import scaled
from hvae.nn.larger import LARGER, enlarged
from hvae.nn.resample import Affine, Bias, Normalise, Pool, Take
from hvae.zoo.context import context, gather
from hvae.zoo.parts import conditioning, head_for
from hvae.zoo.pyramid import NORMS, QUIET
from hvae.zoo.sharing import Sharing, Use

Sizes = dict[int, Shape]
"""Height and width at each resolution of the strings."""


def build(config: VDVAEConfig, shape: Shape, bits: int) -> TopDown:
    """One level for each block of the decoder string, named z1 (nearest the data) upwards."""
    sizes, head, places = _sizes(config, shape), _head(config, shape, bits), _places(config)
    shared, latents = Sharing(config.share), {name: config.latent_at(at) for name, at in _where(config).items()}
    return TopDown(
        shape,
        bottom_up=Fanned(BottomUp(_climb(config, shared, shape[0])), _fans(config)),
        start=_start(config, sizes),
        levels=list(_levels(config, sizes, shared)),
        leave=nn.Sequential(Affine(config.width), Pointwise(config.width, head.width)),
        head=head,
        gather=gather(config.aggregate, latents, config.width),
        condition=context(config.context, places, shape)(conditioning(config.condition, places, shape)),
    )


def level_names(config: VDVAEConfig) -> list[str]:
    """The level of each block of the decoder string, top first.

    >>> level_names(VDVAEConfig(encoder="4x1,4d4", decoder="1x1,4m1,4x1"))
    ['z3', 'z2', 'z1']
    """
    return [f"z{l}" for l in range(config.levels, 0, -1)]


def _where(config: VDVAEConfig) -> dict[str, int]:
    """The resolution of each level, top first."""
    blocks = decoder_blocks(config.decoder)
    return {name: block.resolution for name, block in zip(level_names(config), blocks, strict=True)}


def _places(config: VDVAEConfig) -> dict[str, Place]:
    """The state as it comes from the level above, at the width of that one's resolution."""
    here = [config.widths[block.resolution] for block in decoder_blocks(config.decoder)]
    return {name: Place(state=width) for name, width in zip(level_names(config), [here[0], *here], strict=False)}


def _sizes(config: VDVAEConfig, shape: Shape) -> Sizes:
    first = config.resolutions[0]
    if len(shape) != 3 or shape[1] != first:
        raise HvaeError(
            f"model.encoder begins at resolution {first}: expected images (C, {first}, W), got data of shape {shape}; "
            "write model.encoder and model.decoder for their height"
        )
    sizes = {first: tuple(shape[1:])}
    for block in encoder_blocks(config.encoder):
        h, w = sizes[block.resolution]
        sizes[block.above] = h // block.pool, w // block.pool
        if w < block.pool:
            raise HvaeError(f"model.encoder pools a width of {w} by {block.pool} at resolution {block.resolution}")
    return sizes


def _head(config: VDVAEConfig, shape: Shape, bits: int) -> Head:
    """As published the raw numbers are the mixture's own: no start is added, the last layer's weights are small."""
    if config.likelihood in MASSES:
        return FiveBitHead(shape, 2**bits, mixtures=config.mixtures, mass=MASSES[config.likelihood])
    if config.likelihood == "dmol":
        return MixtureHead(shape, 2**bits, mixtures=config.mixtures, start=0.0, spread=0.0)
    return head_for(config, shape, bits)


def _kept(config: VDVAEConfig, network: nn.Module) -> nn.Module:
    return Recomputed(network) if config.checkpoint else network


def _kernel(resolution: int) -> int:
    """3x3 convolutions, except where they would see little but padding."""
    return 3 if resolution > 2 else 1


def _block(config: VDVAEConfig, resolution: int, count: int) -> nn.Module:
    """A residual block as one of `count` in a row: its last layer starts at sqrt(1 / count) of the usual weights."""
    width, middle, norm, gain = *_widths(config, resolution), NORMS[config.norm], math.sqrt(1 / count)
    return _kept(config, Bottleneck(width, middle, kernel=_kernel(resolution), gain=gain, norm=norm))


def _widths(config: VDVAEConfig, resolution: int) -> tuple[int, int]:
    """Channels outside a block and inside it."""
    return config.widths[resolution], config.middle(resolution)


def _climb(config: VDVAEConfig, shared: Sharing, channels: int) -> dict[str, nn.Module]:
    """One network a resolution, each named block in it; a pooled block opens the resolution that it leads to."""
    blocks = encoder_blocks(config.encoder)
    enter = nn.Sequential(
        Normalise(config.shift, config.scale), scaled(nn.Conv2d(channels, config.width, 3, padding=1), 1.0)
    )
    chains = {r: OrderedDict[str, nn.Module]() for r in config.resolutions}
    chains[config.resolutions[0]]["enter"] = enter
    for i, block in enumerate(blocks):
        at = block.resolution
        use = Use("up", at, sum(other.resolution == at for other in blocks[: i + 1]))
        chains[block.above][f"block{i}"] = shared.one(use, partial(_block, config, at, len(blocks)))
        chains[block.above].update(_attention(config, shared, use._replace(what="attention up"), f"attention{i}"))
        if block.pool > 1:
            chains[block.above][f"pool{i}"] = _pool(config, block)
    return {str(r): nn.Sequential(chain) for r, chain in chains.items()}


def _attention(config: VDVAEConfig, shared: Sharing, use: Use, name: str = "attention") -> dict[str, nn.Module]:
    """Attention at a place, by name, if the configuration asks for it."""
    layers = shared(use, lambda: attention(config.widths[use.scale], config.heads.get(use.scale, 0)))
    return dict(zip([name], layers, strict=False))


def _pool(config: VDVAEConfig, block: Climb) -> Pool:
    return Pool(block.pool, config.widths[block.above] - config.widths[block.resolution])


_FANS: dict[str, type[Fan] | type[OneForAll]] = {"none": Fan, "ways": Fan, "levels": OneForAll, "both": OneForAll}
"""By what levels share."""


def _fans(config: VDVAEConfig) -> dict[str, Fan | OneForAll]:
    """For each resolution with levels, what all of them make of the evidence first."""
    names: dict[int, list[str]] = {}
    for name, resolution in _where(config).items():
        names.setdefault(resolution, []).append(name)
    fan, norm = _FANS[config.share], NORMS[config.norm]
    return {str(r): fan(*_widths(config, r), some, norm) for r, some in names.items()}


def _start(config: VDVAEConfig, sizes: Sizes) -> nn.Module:
    top = decoder_blocks(config.decoder)[0].resolution
    shape = (config.widths[top], *sizes[top])
    if top > config.no_bias_above:
        return Constant(shape)
    start = Start(shape)
    nn.init.zeros_(start.state)
    return start


def _levels(config: VDVAEConfig, sizes: Sizes, shared: Sharing) -> Iterator[TwinLevel]:
    blocks = decoder_blocks(config.decoder)
    for i, (name, block) in enumerate(zip(level_names(config), blocks, strict=True)):
        number = sum(other.resolution == block.resolution for other in blocks[i:])  # from the data up, as blocks are
        yield _level(config, shared, name, block, number, sizes)


def _level(config: VDVAEConfig, shared: Sharing, name: str, block: Descent, number: int, sizes: Sizes) -> TwinLevel:
    at = block.resolution
    (width, middle), d, norm = _widths(config, at), config.latent_at(at), NORMS[config.norm]

    def own(what: str, make: Callable[[], nn.Module]) -> nn.Module:
        return shared.one(Use(what, at, number), make)

    twin = own("twin", lambda: _kept(config, Twin(width, middle, 2 * d, kernel=_kernel(at), norm=norm)))
    return TwinLevel(
        name,
        enter=_enter(config, shared, sizes, block, number),
        twin=twin,
        inject=own("inject", lambda: _INJECTS[config.skip](width, d, math.sqrt(1 / config.levels))),
        skip=own("skip", lambda: _SKIPS[config.skip](width)),
        block=own("down", lambda: _block(config, at, config.levels)),
        positive=variance(config.variance),
    )


def _beside(width: int, latent: int, gain: float) -> Pending:
    """A step of the state from the state and a latent; it starts as one from the latent alone."""
    layer = Pending(latent, width, gain=gain)
    layer.weight = nn.Parameter(torch.cat([layer.weight.new_zeros(width, width), layer.weight.data], 1))
    return layer


def _alone(width: int, latent: int, gain: float) -> Pending:
    return Pending(latent, width, gain=gain)


_INJECTS: dict[str, Callable[[int, int, float], Pending]] = {"add": _alone, "concat": _beside, "gated": _alone}
_SKIPS: dict[str, Callable[[int], Skip]] = {
    "add": lambda width: Summed(),
    "concat": lambda width: Concatenated(),
    "gated": lambda width: Gated(width, QUIET),
}
"""The layer of a latent, and how it joins the state, by the name in a configuration."""


def _enter(config: VDVAEConfig, shared: Sharing, sizes: Sizes, block: Descent, number: int) -> nn.Module:
    """What a resolution starts from: the state above, as published cut to the channels here, and a learned bias."""
    layer = _attention(config, shared, Use("attention down", block.resolution, number))
    if not block.source:
        return nn.Sequential(OrderedDict(layer)) if layer else nn.Identity()
    width, size = config.widths[block.resolution], sizes[block.resolution]
    steps = OrderedDict[str, nn.Module](take=_finer(config, sizes, block))
    if block.resolution <= config.no_bias_above:
        steps["start"] = Bias((width, *size))
    return nn.Sequential(steps | layer)


def _finer(config: VDVAEConfig, sizes: Sizes, block: Descent) -> nn.Module:
    here, there = ((config.widths[resolution], *sizes[resolution]) for resolution in (block.source, block.resolution))
    if config.up == "nearest":
        return Take(there[0], there[1:])
    return nn.Sequential(*enlarged(LARGER[config.up], here, there))
