"""The settings of the ResNet-VAE with inverse autoregressive flow, and its published sizes.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Length, Repeats, Size
from hvae.config.model import AnyLikelihood, ModelConfig, Variance
from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class IAFVAEConfig(ModelConfig):
    """ResNet-VAE (Kingma et al. 2016): bidirectional inference, an autoregressive flow in each posterior.

    >>> IAFVAEConfig(width=20, latent=8)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.width: expected a multiple of model.latent (8), got 20; the flow orders them together
    """

    family: ClassVar[str] = "iafvae"

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
    flow: Repeats = 2
    """Hidden layers of each flow."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.latent:
            raise HvaeError(
                f"model.width: expected a multiple of model.latent ({self.latent}), got {self.width}; "
                "the flow orders them together"
            )


CIFAR10 = IAFVAEConfig()
"""20 latents of 32 channels at 16 x 16: the released code's `depth=1,num_blocks=20`."""
CIFAR10_TWO_SCALES = IAFVAEConfig(blocks=(20, 20))
"""40 latents, 20 at 16 x 16 and 20 at 8 x 8: `depth=2,num_blocks=20`."""
