"""What the families of codes are built from: codebooks and priors, by name.

Shapes: a feature is (C, h, w), without the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from torch import nn

from hvae.config.vqvae import CodedConfig, EncodedConfig, RQVAEConfig
from hvae.errors import HvaeError
from hvae.levels.codebook import Blank, CodeLevel, CodePrior, ParallelPrior, UniformPrior
from hvae.levels.quantisers import Drawn, Gradient, Nearest, Quantiser
from hvae.models.conditioning import Place
from hvae.nn import Resize, Shape, vision
from hvae.nn.averages import AveragedBook, LivingBook, means, smoothed, unit_means
from hvae.nn.codebook import (
    Book,
    FreeBook,
    LatticeBook,
    LearnedBook,
    LentBook,
    UnitLength,
    anywhere,
    on_sphere,
    rotated,
    straight_through,
)
from hvae.nn.pixelsnail import Around, PixelSNAIL
from hvae.nn.strided import blocks, downward, upward
from hvae.nn.transformer import CausalTransformer, MutualTransformer

_BOOKS: dict[str, Callable[[CodedConfig], Book]] = {
    "averages": lambda c: LivingBook(
        c.codes, c.dims, decay=c.decay, renew=unit_means if c.unit else means, expiry=c.expiry
    ),
    "gradient": lambda c: LearnedBook(c.codes, c.dims, place=on_sphere if c.unit else anywhere),
    "stochastic": lambda c: FreeBook(c.codes, c.dims, place=on_sphere if c.unit else anywhere),
    "lattice": lambda c: LatticeBook(c.levels),
    "released": lambda c: AveragedBook(c.codes, c.dims, decay=c.decay, renew=smoothed, anchored=1.0),
}
_GRADIENTS: dict[str, Gradient] = {"straight-through": straight_through, "rotation": rotated}


def codebook(config: CodedConfig) -> Book:
    """The codebook that a configuration names."""
    return _BOOKS[config.codebook](config)


def books(config: RQVAEConfig) -> Iterator[Book]:
    """A codebook for each level, the top one first; a shared one belongs to that, whose vectors are whole."""
    owner = codebook(config)
    yield owner
    for _ in range(config.depth - 1):
        yield LentBook(owner) if config.shared else codebook(config)


def quantised(config: CodedConfig, channels: int) -> nn.Sequential:
    """One linear map at every position to what is quantised there."""
    last = [UnitLength()] if config.unit else []
    return nn.Sequential(nn.Conv2d(channels, config.numbers, 1), *last)


def encoder(config: EncodedConfig, channels: int) -> nn.Module:
    """Data of so many channels to `config.width` of them, at one place a code."""
    if config.network == "transformer":
        return vision.downward(channels, config.width, config.blocks, config.heads, config.stride)
    return downward(channels, config.width, config.hidden, config.blocks, config.stride)


def decoder(config: EncodedConfig, out: int) -> nn.Module:
    """A map of codes to `out` channels at the resolution of the data."""
    if config.network == "transformer":
        return vision.upward(config.numbers, config.width, config.blocks, config.heads, config.stride, out)
    return upward(config.numbers, config.width, config.hidden, config.blocks, config.stride, out)


def prior(config: CodedConfig, places: Shape, above: int) -> nn.Module:
    """The prior that a configuration names, for a map of these places, under a state of `above` channels (0: none)."""
    return _PRIORS[config.prior](config, places, above)


def _transformer(config: CodedConfig, places: Shape, above: int) -> nn.Module:
    width = config.prior_width
    network = CausalTransformer(
        _codes(config),
        places,
        width=width,
        layers=config.prior_layers,
        heads=config.prior_heads,
        dropout=config.prior_dropout,
    )
    if not above:
        return CodePrior(network, _nothing(config, places))
    return CodePrior(
        network, nn.Sequential(Resize(places), nn.Conv2d(above, width, 3, padding=1), *blocks(width, width, 1))
    )


def _nothing(config: CodedConfig, places: Shape) -> Blank | None:
    """The context of a top level: there is one where priors hear a condition."""
    return Blank(config.prior_width, places) if config.condition.enters != "levels" else None


def _pixelsnail(config: CodedConfig, places: Shape, above: int) -> nn.Module:
    width = config.prior_width
    see = nn.Sequential(Around(above, width), Resize(places)) if above else _nothing(config, places)
    network = PixelSNAIL(
        _codes(config),
        places,
        width=width,
        hidden=width,
        layers=config.prior_layers,
        heads=config.prior_heads,
        repeats=config.prior_repeats,
        context=0 if see is None else width,
        dropout=config.prior_dropout,
    )
    return CodePrior(network, see)


def _parallel(config: CodedConfig, places: Shape, above: int) -> nn.Module:
    return ParallelPrior(
        MutualTransformer(
            _codes(config),
            places,
            above=above,
            width=config.prior_width,
            layers=config.prior_layers,
            heads=config.prior_heads,
            dropout=config.prior_dropout,
        )
    )


def _codes(config: CodedConfig) -> int:
    return prod(config.levels) if config.levels else config.codes


_PRIORS: dict[str, Callable[[CodedConfig, Shape, int], nn.Module]] = {
    "uniform": lambda config, places, above: UniformPrior(places),
    "transformer": _transformer,
    "pixelsnail": _pixelsnail,
    "parallel": _parallel,
}


def level(
    config: CodedConfig,
    name: str,
    places: Shape,
    values: int,
    *,
    read: nn.Module,
    absorb: nn.Module,
    above: int = 0,
    gradient: Gradient | None = None,
    book: Book | None = None,
) -> CodeLevel:
    """A level of codes at so many `places`, of a datum of so many `values`, under a state of `above` channels; its
    `gradient` and `book`, where these are not the configured ones."""
    law = prior(config, places, above)
    return level_under(law, config, name, values / prod(places), read=read, absorb=absorb, gradient=gradient, book=book)


def level_under(
    prior: nn.Module,
    config: CodedConfig,
    name: str,
    each: float,
    *,
    read: nn.Module,
    absorb: nn.Module,
    gradient: Gradient | None = None,
    book: Book | None = None,
) -> CodeLevel:
    """The same under a prior that is there, with `each` values of a datum for a position."""
    return CodeLevel(
        name,
        book=codebook(config) if book is None else book,
        read=read,
        quantiser=_quantiser(config, each, gradient or _GRADIENTS[config.gradient]),
        prior=prior,
        absorb=absorb,
    )


def place(config: CodedConfig, evidence: int) -> Place:
    """What a condition may enter at a level of codes, whose encoder reads so many channels of evidence."""
    inputs = 0 if config.prior == "uniform" else config.prior_width
    return Place(evidence=evidence, value=config.numbers, prior=inputs)


def _quantiser(config: CodedConfig, each: float, gradient: Gradient) -> Quantiser:
    if config.codebook == "stochastic":
        return Drawn(config.relaxation)
    commitment = 0.0 if config.codebook == "lattice" else config.commitment
    return Nearest(gradient, commitment=commitment, weight=each)


def whole(size: Shape, stride: int) -> Shape:
    """The smallest multiples of a stride that hold a size.

    >>> whole((28, 30), 8)
    (32, 32)
    """
    return tuple(-(-side // stride) * stride for side in size)


def check_image(config: CodedConfig, shape: Shape) -> None:
    """Raises HvaeError for data that are no images."""
    if len(shape) != 3:
        raise HvaeError(
            f"{config.family} needs images (C, H, W), got data of shape {shape}; choose another model.family"
        )
