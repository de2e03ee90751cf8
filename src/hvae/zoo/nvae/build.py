"""From a configuration to NVAE's two towers.

Shapes: a width is a number of channels; scale 0 is the finest that has levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from torch import nn

from hvae.config.maps import Skip
from hvae.config.nvae import NVAEConfig
from hvae.distributions.logistic import log_mass, published_mass
from hvae.errors import HvaeError
from hvae.levels import Add, Gate, Join
from hvae.levels.heads import GaussianClampedHead, Head
from hvae.levels.logisticheads import MixtureHead
from hvae.models.conditioning import Place
from hvae.nn import BottomUp, Recomputed, Shape, Start
from hvae.nn.cell import Cell, batchnorm, inverted, inverted_up, residual, residual_down
from hvae.nn.kernels import LengthConv
from hvae.nn.kit import Norm, grouped
from hvae.nn.masked import Shifts
from hvae.nn.mlp import Centre
from hvae.zoo.nvae.model import NVAE, Group, Posterior, Standard
from hvae.zoo.parts import conditioning, head_for
from hvae.zoo.pyramid import attending
from hvae.zoo.sharing import Sharing, Use
from hvae.zoo.skips import Own

NORMS: dict[str, Norm] = {"batch": batchnorm, "group": grouped}
"""Of the cells, by the name in a configuration."""
EXPANSION = 6
"""Of the cells between levels; those below the last level are half as wide, at a higher resolution."""


def build(config: NVAEConfig, shape: Shape, bits: int) -> NVAE:
    """Levels from the coarsest scale down; each has its own feature from the same scale on the way up."""
    if len(shape) != 3:
        raise HvaeError(f"nvae needs images (C, H, W), got data of shape {shape}; for vectors choose model.family lvae")
    head, factor, shared = _head(config, shape, bits), config.factor, Sharing(config.share)
    start = Start((config.decoder_width * factor, *(-(-side // factor) for side in shape[1:])))
    nn.init.uniform_(start.state)
    return NVAE(
        shape,
        factor=factor,
        bottom_up=BottomUp(_bottom_up(config, shared, shape[0])),
        start=start,
        groups=list(_groups(config, shared)),
        leave=_leave(config, head.width),
        head=head,
        condition=conditioning(config.condition, _places(config)),
    )


def _head(config: NVAEConfig, shape: Shape, bits: int) -> Head:
    """The published mixture starts from the raw numbers as they are, and so do the weights that come with it."""
    masses = {"dmol": log_mass, "dmol-nvae": published_mass}
    if config.likelihood in masses:
        mass = masses[config.likelihood]
        return MixtureHead(shape, 2**bits, mixtures=config.mixtures, start=0.0, spread=0.0, mass=mass)
    return GaussianClampedHead(shape) if config.likelihood == "gaussian-nvae" else head_for(config, shape, bits)


def _kept(config: NVAEConfig, cell: Cell) -> nn.Module:
    return Recomputed(cell) if config.checkpoint else cell


def _bottom_up(config: NVAEConfig, shared: Sharing, channels: int) -> dict[str, nn.Module]:
    """One network a level; a scale's first also halves the resolution, and the very first reads the data."""
    w, up = config.encoder_width, dict[str, nn.Module]()
    pending: list[nn.Module] = [Centre(), LengthConv(channels, w, 3)]
    for _ in range(config.blocks):
        pending += [_residual(config, w) for _ in range(config.block_cells - 1)] + [_down(config, w)]
        w *= 2
    for scale, count in enumerate(config.groups):
        if scale > 0:
            pending.append(_down(config, w))
            w *= 2
        for _ in range(count):
            cells = shared(Use("up", scale, len(up)), partial(_rising, config, scale, w))
            last = [nn.ELU(), LengthConv(w, w, 1), nn.ELU()] if len(up) == config.levels - 1 else []
            up[f"z{len(up) + 1}"] = nn.Sequential(*pending, *cells, *last)
            pending = []
    return up


def _rising(config: NVAEConfig, scale: int, w: int) -> list[nn.Module]:
    """The cells before a level's feature."""
    return [*(_residual(config, w) for _ in range(config.encoder_cells)), *attending(config, scale, w)]


def _residual(config: NVAEConfig, w: int) -> nn.Module:
    return _kept(config, residual(w, gated=config.gates, norm=NORMS[config.norm]))


def _down(config: NVAEConfig, w: int) -> nn.Module:
    return _kept(config, residual_down(w, 2 * w, gated=config.gates, norm=NORMS[config.norm]))


def _groups(config: NVAEConfig, shared: Sharing) -> Iterator[Group]:
    number = config.levels
    for scale, count in reversed(list(enumerate(config.groups))):
        for place in range(count):
            crossing = place == 0 and scale < len(config.groups) - 1
            yield _group(config, shared, number, scale, crossing=crossing)
            number -= 1


def _places(config: NVAEConfig) -> dict[str, Place]:
    """The state as it comes from the level above; the posterior of the top reads the evidence alone."""
    factors = [config.factor // 2**scale for scale in range(len(config.groups))]
    here = [f for f, count in zip(factors, reversed(config.groups), strict=True) for _ in range(count)]
    states = [config.decoder_width * factor for factor in (here[0], *here)]
    names = [f"z{l}" for l in range(config.levels, 0, -1)]
    top = {names[0]: Place(state=states[0], evidence=config.encoder_width * here[0])}
    return top | {name: Place(state=c) for name, c in zip(names[1:], states[1:], strict=False)}


def _group(config: NVAEConfig, shared: Sharing, number: int, scale: int, *, crossing: bool) -> Group:
    """A level at a scale, the finest 0; `crossing` says that the state comes from half of its resolution."""
    factor, top = 2 ** (config.blocks + scale), number == config.levels
    d, a, c = config.scale_latents[scale], config.encoder_width * factor, config.decoder_width * factor

    def own(what: str, make: Callable[[], nn.Module]) -> nn.Module:
        return shared.one(Use(what, scale, number), make)

    # The top has no use for its cells; those below it start from the random numbers that follow them.
    falling = partial(_falling, config, scale, c)
    cells = falling() if top else shared(Use("down", scale, number), falling)
    up = [_up(config, 2 * c, EXPANSION)] if crossing else []
    return Group(
        f"z{number}",
        enter=nn.Identity() if top else nn.Sequential(*up, *cells),
        prior=Standard(d) if top else nn.Sequential(nn.ELU(), own("prior", lambda: LengthConv(c, 2 * d, 1))),
        posterior=Posterior(
            own("posterior", lambda: LengthConv(a, 2 * d, 3)),
            combine=None if top else own("combine", lambda: LengthConv(c, a, 1)),
            flow=Shifts(d, config.flows) if config.flows else None,
            residual=config.residual,
        ),
        absorb=_SKIPS[config.skip](own, c, d),
    )


def _joined(own: Own, c: int, d: int) -> nn.Module:
    return Join(nn.Identity(), own("absorb", lambda: LengthConv(c + d, c, 1)))


def _added(own: Own, c: int, d: int) -> nn.Module:
    return Add(own("absorb", lambda: LengthConv(d, c, 1)), nn.Identity())


def _gated(own: Own, c: int, d: int) -> nn.Module:
    inject = own("absorb", lambda: LengthConv(d, c, 1))
    return Gate(inject, own("gate", lambda: LengthConv(c, c, 1)), nn.Identity())


_SKIPS: dict[Skip, Callable[[Own, int, int], nn.Module]] = {"concat": _joined, "add": _added, "gated": _gated}
"""How a latent of so many channels joins a state, by the name in a configuration."""


def _falling(config: NVAEConfig, scale: int, c: int) -> list[nn.Module]:
    """The cells before a level on the way down."""
    return [*(_inverted(config, c, EXPANSION) for _ in range(config.decoder_cells)), *attending(config, scale, c)]


def _inverted(config: NVAEConfig, c: int, expansion: int) -> nn.Module:
    return _kept(config, inverted(c, expansion, gated=config.gates, norm=NORMS[config.norm]))


def _up(config: NVAEConfig, c: int, expansion: int) -> nn.Module:
    return _kept(config, inverted_up(c, c // 2, expansion, gated=config.gates, norm=NORMS[config.norm]))


def _leave(config: NVAEConfig, parameters: int) -> nn.Module:
    """The last state to raw likelihood parameters, through the resolutions that have no level."""
    layers: list[nn.Module] = []
    c = config.decoder_width * 2**config.blocks
    for _ in range(config.blocks):
        layers.append(_up(config, c, EXPANSION // 2))
        c //= 2
        layers += [_inverted(config, c, EXPANSION // 2) for _ in range(config.block_cells - 1)]
    return nn.Sequential(*layers, nn.ELU(), LengthConv(c, parameters, 3))
