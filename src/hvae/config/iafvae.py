"""The settings of the ResNet-VAE with inverse autoregressive flow, and its published sizes.  No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Length, Repeats, Size
from hvae.config.maps import (
    AttendingConfig,
    SharedConfig,
    SizedConfig,
    Skip,
    Up,
    check_attention,
    check_scales,
    check_share,
)
from hvae.config.model import AnyLikelihood, ModelConfig, Variance
from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class IAFVAEConfig(ModelConfig, AttendingConfig, SharedConfig, SizedConfig):
    """ResNet-VAE (Kingma et al. 2016): bidirectional inference, an autoregressive flow in each posterior.

    >>> IAFVAEConfig(width=20, latent=8)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.width: expected a multiple of model.latent (8), got 20; the flow orders them together
    """

    family: ClassVar[str] = "iafvae"
    refusals: ClassVar[Mapping[str, str]] = {
        "norm": "every layer is weight-normalised and starts from data, which is its normalisation",
        "widths": "what skips a block is added to what passes it from the first block to the last, so that all have "
        "model.width channels",
    }

    likelihood: AnyLikelihood = "logistic"
    """Distribution of the data given the latents; logistic is the published one, with a scale for each channel."""
    variance: Variance = "exp"
    """How latent scales stay positive: exp as published, or softclamp, clamp, softplus."""
    blocks: Annotated[tuple[Repeats, ...], Length(1, 100)] = (20,)
    """Blocks at each scale, each with a latent; the first scale has half the data's resolution, the next a quarter."""
    width: Size = 160
    """Channels of the features."""
    latent: Size = 32
    """Channels of each latent."""
    posterior: Literal["iaf", "gaussian"] = "iaf"
    """iaf: an inverse autoregressive flow on top of a Gaussian; gaussian: without the flow."""
    up: Up = "transposed"
    """How maps of the way down double their resolution: transposed (a transposed convolution, as published), nearest
    (each place repeated, then a convolution), or sub-pixel (a convolution that computes the neighbours)."""
    skip: Skip = "concat"
    """How a latent joins what passes its block: concat (side by side, as published), add (their sum), or gated (what
    passes says how much of each channel it takes in)."""
    flow: Repeats = 2
    """Hidden layers of each flow."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scales("latents", self.latents, len(self.blocks), "blocks")
        check_attention(self.attention, [self.width] * len(self.blocks), self.blocks)
        check_share(self.share, "the blocks of iafvae on the way up and on the way down read different things")
        for key, latent in [("latents", size) for size in self.latents] or [("latent", self.latent)]:
            if self.width % latent:
                raise HvaeError(
                    f"model.width: expected a multiple of model.{key} ({latent}), got {self.width}; "
                    "the flow orders them together"
                )

    @property
    def scale_latents(self) -> tuple[int, ...]:
        """Channels of a latent at each scale, the finest first."""
        return self.latents or (self.latent,) * len(self.blocks)


CIFAR10 = IAFVAEConfig()
"""20 latents of 32 channels at 16 x 16: the released code's `depth=1,num_blocks=20`."""
CIFAR10_TWO_SCALES = IAFVAEConfig(blocks=(20, 20))
"""40 latents, 20 at 16 x 16 and 20 at 8 x 8: `depth=2,num_blocks=20`."""
