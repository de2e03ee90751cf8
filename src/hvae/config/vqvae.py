"""The models whose latents are codes (VQ-VAE and VQ-VAE-2), and their published sizes.  No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import lcm, prod
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import (
    Bound,
    Decay,
    Deviation,
    Fraction,
    Length,
    NonNegative,
    Probability,
    Repeats,
    RepeatsOrNone,
    Size,
)
from hvae.config.model import AnyLikelihood, ModelConfig
from hvae.errors import HvaeError, short

MOST_CODES = 1 << 24
"""Of one codebook."""
MOST_POINTS = 1 << 18
"""Of one lattice, four times the largest published: no tensor of a file holds its points, so that none bounds them."""
Codes = Annotated[int, Bound(least=1, most=MOST_CODES)]
Digits = Annotated[tuple[Annotated[int, Bound(least=2, most=1 << 12)], ...], Length(0, 64)]
Stride = Literal[1, 2, 4, 8, 16]


@dataclass(frozen=True, kw_only=True)
class CodedConfig(ModelConfig):
    """What the families of codes share."""

    refusals: ClassVar[Mapping[str, str]] = {
        "norm": "its convolutions are those of the released code, without normalisation",
        "attention": "networks that attend are model.network transformer (vqvae, rqvae) and model.prior transformer",
        "share": "each map of codes has one encoder and one decoder of its own",
        "up": "its decoder doubles maps by transposed convolutions, as released",
        "skip": "codes are all that its decoder reads",
        "widths": "its encoder and decoder have model.width channels and model.hidden inside a block",
        "latents": "every code has model.dims numbers",
    }

    likelihood: AnyLikelihood = "gaussian"
    """gaussian: squared error, weighed by `sigma`; or any other."""
    sigma: Deviation = 0.178
    """Standard deviation of the Gaussian likelihood: with sqrt(v / 2) a squared error counts as divided by v (0.178:
    the variance of CIFAR-10, as published), with 0.354 as the plain one of data in [-1, 1]."""
    codes: Codes = 512
    """Codes of each codebook, K: a position costs log2(K) bits until a prior is trained."""
    dims: Size = 64
    """Numbers of a code, D; few of them (8, say) are a low-dimensional look-up."""
    width: Size = 128
    """Channels of the convolutions."""
    hidden: Size = 32
    """Channels inside a residual block."""
    blocks: RepeatsOrNone = 2
    """Residual blocks of each encoder and decoder; of a Transformer its layers."""
    commitment: NonNegative = 0.25
    """What pulls the encoder to its codes: so many times their mean squared distance, for each value of a datum."""
    codebook: Literal["averages", "gradient", "lattice", "stochastic", "released"] = "averages"
    """How codes move: averages (running means of the vectors they stand for; dead ones begin anew), gradient (of the
    codebook loss), lattice (not at all: finite scalar quantisation, see `levels`), stochastic (of the ELBO
    itself: a code is drawn by its distance, and no commitment is needed), released (the running means of published
    code, which blow codes up; only to compare with it)."""
    decay: Decay = 0.99
    """Decay of the running means."""
    expiry: Fraction = 0.05
    """Share of the mean count below which a code is dead and begins anew (0: never)."""
    levels: Digits = ()
    """Levels of each number of a code in a lattice, as in 8,5,5,5: their product and number take the place of `codes`
    and `dims`."""
    unit: bool = False
    """Compare directions alone: encoder outputs and codes have length 1."""
    gradient: Literal["straight-through", "rotation"] = "straight-through"
    """The gradient of the choice: passed on as it is, or turned and stretched from the code to the vector."""

    relaxation: Deviation = 0.5
    """Temperature of the softmax whose gradient stands in for that of a draw, with stochastic codes."""

    prior: Literal["uniform", "transformer", "pixelsnail", "parallel"] = "uniform"
    """What codes cost: uniform (log2 K bits each), or each given those before it and the levels above, by a transformer
    or by a pixelsnail (gated convolutions and attention); parallel: all codes of a level at once, given the levels
    above, as in next-scale models.  Trained as a second stage:
    --model.prior transformer --train.init RUN --train.only prior."""
    prior_width: Size = 128
    """Width of the prior, a multiple of its heads (a pixelsnail: of twice as many)."""
    prior_layers: Repeats = 4
    """Layers of the prior's Transformer, or blocks of its PixelSNAIL."""
    prior_heads: RepeatsOrNone = 4
    """Heads of its attention; 0 (a pixelsnail alone): no attention, for large maps below others."""
    prior_repeats: Repeats = 2
    """Gated convolutions before the attention of each block of a pixelsnail."""
    prior_dropout: Probability = 0.0
    """Probability that a number inside the prior is silenced, in training: against overfitting."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_prior()
        if (self.codebook == "lattice") != bool(self.levels):
            raise HvaeError(
                f"model.levels: expected the levels of a lattice with model.codebook lattice, and none else, got "
                f"{self.levels} with {self.codebook}; set --model.codebook lattice --model.levels 8,5,5,5"
            )
        if prod(self.levels) > MOST_POINTS:
            raise HvaeError(
                f"model.levels: expected a lattice of at most {MOST_POINTS:,} codes, got {short(prod(self.levels))}"
            )
        if self.codebook in ("lattice", "released") and self.unit:
            raise HvaeError(
                f"model.unit: expected false with model.codebook {self.codebook}, whose codes have every length; "
                "choose averages or gradient"
            )

    def _check_prior(self) -> None:
        if self.prior in ("transformer", "parallel") and not self.prior_heads:
            raise HvaeError(
                f"model.prior_heads: expected at least 1 with model.prior {self.prior}, got 0; choose 4, or pixelsnail"
            )
        each = 2 * self.prior_heads if self.prior == "pixelsnail" else self.prior_heads
        if each and self.prior_width % each:
            raise HvaeError(
                f"model.prior_width: expected a multiple of {each} (model.prior_heads {self.prior_heads}), got "
                f"{self.prior_width}; e.g. {32 * each}"
            )

    @property
    def numbers(self) -> int:
        """Numbers of a code."""
        return len(self.levels) or self.dims


@dataclass(frozen=True, kw_only=True)
class EncodedConfig(CodedConfig):
    """What the families of codes share that have one encoder and one decoder."""

    stride: Stride = 4
    """Pixels a side of one code: 1, 2, 4, 8 or 16; of sound, steps of `data.frame` samples."""
    network: Literal["conv", "transformer"] = "conv"
    """Encoder and decoder: conv, strided convolutions and residual blocks; transformer, `blocks` layers of attention
    over patches of `stride` pixels a side (images alone)."""
    heads: Repeats = 4
    """Heads of a Transformer's attention."""

    def __post_init__(self) -> None:
        super().__post_init__()
        least = lcm(4, self.heads)
        if self.network == "transformer" and self.width % least:
            raise HvaeError(
                f"model.width: expected a multiple of {least} with a transformer of {self.heads} heads (places take "
                f"four numbers), got {self.width}; e.g. {32 * least}"
            )


@dataclass(frozen=True, kw_only=True)
class VQVAEConfig(EncodedConfig):
    """Vector-quantised VAE: one map of codes.

    >>> VQVAEConfig(codes=0)
    Traceback (most recent call last):
    ...
    hvae.config.bounds.OutOfBounds: model.codes: expected at least 1, got 0
    """

    family: ClassVar[str] = "vqvae"


@dataclass(frozen=True, kw_only=True)
class VQVAE2Config(CodedConfig):
    """VQ-VAE-2: maps of codes at several scales, each conditioned on the coarser ones."""

    family: ClassVar[str] = "vqvae2"

    strides: Annotated[tuple[Stride, ...], Length(1, 8)] = (4, 2)
    """How much coarser each level is than the one below it, the data first: 4,2 has codes of 4 and of 8 pixels a
    side."""


@dataclass(frozen=True, kw_only=True)
class RQVAEConfig(EncodedConfig):
    """Residual codes: each level's codebook codes what those above it have left, at one scale or at doubling ones.

    Of images, and of sound by causal convolutions in time.

    >>> RQVAEConfig(unit=True)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.unit: expected false for rqvae, whose remainders have every length
    """

    family: ClassVar[str] = "rqvae"

    depth: Annotated[int, Bound(least=1, most=32)] = 4
    """Levels, each with a codebook."""
    shared: bool = False
    """One codebook for all levels, as RQ-VAE and next-scale models have it, in place of one each."""
    scales: Literal["same", "doubling"] = "same"
    """same: every level has a code at each place (RQ-VAE, SoundStream); doubling: each map has twice the side of the
    one above, as next-scale models need."""
    dropout: Fraction = 0.0
    """Share of the data of a training batch of which the first codebooks alone are read, a random number of them
    (quantiser dropout): one model then has as many bitrates as codebooks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit:
            raise HvaeError("model.unit: expected false for rqvae, whose remainders have every length")
        if self.codebook == "lattice":
            raise HvaeError("model.codebook: expected another than lattice for rqvae, whose remainders shrink")
