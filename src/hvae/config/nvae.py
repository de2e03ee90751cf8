"""The settings of NVAE, and its five published sizes.  No torch here: `--help` stays quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Bound, Length, Repeats, RepeatsOrNone, Size
from hvae.config.maps import (
    AttendingConfig,
    SharedConfig,
    SizedConfig,
    Skip,
    check_attention,
    check_scales,
    check_share,
)
from hvae.config.model import AnyLikelihood, ModelConfig
from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class NVAEConfig(ModelConfig, AttendingConfig, SharedConfig, SizedConfig):
    """NVAE (Vahdat and Kautz 2020): residual cells with batch norm, several latents a scale, optional flows.

    >>> NVAEConfig(groups=(4, 2)).levels
    6
    >>> NVAEConfig(groups=(1,))
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.groups: expected at least two levels in all, got (1,); for one level choose ...
    """

    family: ClassVar[str] = "nvae"
    unshared: ClassVar[Sequence[str]] = ("variance",)
    refusals: ClassVar[Mapping[str, str]] = {
        "up": "its cells double a map by repetition beside a linear interpolation, which is what makes them NVAE's",
        "widths": "its channels double as the resolution halves; set model.encoder_width and model.decoder_width",
    }

    likelihood: AnyLikelihood = "bernoulli"
    """Distribution of the data given the latents; dmol-nvae and gaussian-nvae are the published forms, for weights that
    were: dmol-nvae reproduces the published bits (its 8-bit edge is wrong), dmol reads the same weights rightly."""
    groups: Annotated[tuple[Repeats, ...], Length(1, 20)] = (10, 5)
    """Levels at each scale, the finest first; each further scale halves the resolution and doubles the channels."""
    latent: Size = 20
    """Channels of each latent."""
    encoder_width: Size = 32
    """Channels on the way up at the resolution of the data."""
    decoder_width: Size = 32
    """Channels on the way down at the resolution of the data."""
    blocks: Annotated[int, Bound(least=1, most=20)] = 1
    """How often the resolution is halved between the data and the finest level."""
    block_cells: Repeats = 2
    """Cells of each such block, up and down."""
    encoder_cells: Repeats = 2
    """Cells before each level's feature on the way up."""
    decoder_cells: Repeats = 2
    """Cells before each level on the way down."""
    flows: RepeatsOrNone = 0
    """Pairs of autoregressive shifts in each posterior (0: Gaussian posteriors, whose KL has a closed form)."""
    residual: bool = True
    """Posteriors relative to their priors (the residual normal)."""
    norm: Literal["batch", "group"] = "batch"
    """Normalisation in each cell: batch (as published), or group (each datum by itself, 16 channels or more together),
    which small batches do not disturb."""
    skip: Skip = "concat"
    """How a latent joins the state that skips its level: concat (a linear map of both, as published), add (their sum),
    or gated (the state says how much of each channel it takes in)."""
    gates: bool = True
    """Squeeze and excitation in each cell."""
    checkpoint: bool = False
    """Recompute each cell in the backward pass: about half the memory for a third more time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.levels < 2:
            raise HvaeError(
                f"model.groups: expected at least two levels in all, got {self.groups}; for one level choose "
                "model.family vae"
            )
        if self.variance != "softclamp":
            raise HvaeError(f"model.variance: nvae is softclamp by definition, got {self.variance}; leave it out")
        check_scales("latents", self.latents, len(self.groups), "groups")
        check_share(self.share, "the cells of nvae on the way up and on the way down are of two kinds")
        if self.share == "levels" and self.norm == "batch":
            raise HvaeError(
                "model.share: expected none with model.norm batch, got levels; the statistics of a batch norm are "
                "those of one level, so set model.norm group"
            )
        for width in (self.encoder_width, self.decoder_width):
            widths = [width * 2 ** (self.blocks + scale) for scale in range(len(self.groups))]
            check_attention(self.attention, widths, self.groups)

    @property
    def levels(self) -> int:
        """Latents in all."""
        return sum(self.groups)

    @property
    def scale_latents(self) -> tuple[int, ...]:
        """Channels of a latent at each scale, the finest first."""
        return self.latents or (self.latent,) * len(self.groups)

    @property
    def factor(self) -> int:
        """How much smaller the coarsest scale is than the data, a power of two."""
        return 2 ** (self.blocks + len(self.groups) - 1)


def halving(scales: int, most: int, least: int = 1) -> tuple[int, ...]:
    """The published choice of levels a scale: `most` at the finest, half as many at each coarser one.

    >>> halving(5, 16, least=4)
    (16, 8, 4, 4, 4)
    """
    groups = [most]
    while len(groups) < scales:
        groups.append(max(least, groups[-1] // 2))
    return tuple(groups)


MNIST = NVAEConfig(groups=halving(2, 10), blocks=2, block_cells=3)
"""33.4 M parameters, 15 levels; Vahdat and Kautz 2020, arXiv 2007.03898, table 6, as are the others."""

CIFAR10 = NVAEConfig(likelihood="dmol", groups=(30,), encoder_width=128, decoder_width=128, flows=1)
"""130.9 M parameters, 30 levels."""

CELEBA64 = NVAEConfig(likelihood="dmol", groups=halving(3, 20), encoder_width=64, decoder_width=64, flows=1)
"""153.3 M parameters, 35 levels."""

IMAGENET32 = NVAEConfig(likelihood="dmol", groups=(28,), encoder_width=192, decoder_width=192, flows=1)
"""268.5 M parameters, 28 levels."""

FACES256 = NVAEConfig(likelihood="dmol", groups=halving(5, 16, least=4), encoder_width=30, decoder_width=30, flows=2)
"""330.8 M parameters, 36 levels: CelebA-HQ and FFHQ at 256 x 256, 5 bits."""
