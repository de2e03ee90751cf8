"""The quantised ladder for lossy coding (QRes-VAE).  No torch here: `--help` stays quick."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from hvae.config.bounds import Deviation, Groups, Repeats, Size, Sizes
from hvae.config.maps import (
    EnlargingConfig,
    NormedConfig,
    SharedConfig,
    SizedConfig,
    SkippedConfig,
    Up,
    check_attention,
    check_scales,
)
from hvae.config.model import AnyLikelihood, ModelConfig, Variance
from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class QResVAEConfig(ModelConfig, EnlargingConfig, NormedConfig, SharedConfig, SkippedConfig, SizedConfig):
    """Quantised ladder for lossy coding: latents are rounded and sent, so that any number of top levels is a preview.

    Of the likelihood N(mu, sigma^2) the loss is rate + squared error / (2 sigma^2): see `sigma`.

    >>> round(QResVAEConfig(sigma=0.03).trade, 3)
    0.037
    """

    family: ClassVar[str] = "qresvae"

    likelihood: AnyLikelihood = "gaussian"
    """gaussian: squared error, weighed by `sigma`; anything else is for experiments."""
    sigma: Deviation = 0.035
    """Quality: smaller is better and larger files.  Where bits are well spent, the root mean squared error is about
    sigma (0.035: 29 dB); in the papers' unit, lambda = 3 / (2 ln 2 * 255^2 * sigma^2) for colour."""
    variance: Variance = "softclamp"
    """How the scales of the priors stay positive and finite; 0.2 is added to them."""
    patch: Repeats = 4
    """Side of the squares of data that are one position at the first scale."""
    groups: Groups = (1, 2, 2, 1)
    """Levels at each scale, the finest (that of the patches) first; each further scale halves it (rounding up)."""
    widths: Sizes = (64, 96, 128, 128)
    """Channels of the features at each scale."""
    latent: Size = 8
    """Channels of each latent."""
    blocks: Repeats = 1
    """Residual blocks after each level, and before each feature on the way up."""
    up: Up = "sub-pixel"
    """How maps of the way down double their resolution: sub-pixel (a convolution that computes the neighbours), nearest
    (each place repeated, then a convolution), or transposed (a transposed convolution of four places)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any(self.groups) or len(self.groups) != len(self.widths):
            raise HvaeError(
                f"model.groups: expected levels at each scale and a width for each of them, got groups {self.groups} "
                f"and widths {self.widths}; e.g. groups 1,2,2 and widths 64,96,128"
            )
        check_attention(self.attention, self.widths, self.groups)
        check_scales("latents", self.latents, len(self.groups), "groups")

    @property
    def scale_latents(self) -> tuple[int, ...]:
        """Channels of a latent at each scale, the finest first."""
        return self.latents or (self.latent,) * len(self.groups)

    @property
    def trade(self) -> float:
        """CompressAI's lambda of this sigma, for three channels: bits a pixel + lambda 255^2 MSE."""
        return 3 / (2 * math.log(2) * 255**2 * self.sigma**2)
