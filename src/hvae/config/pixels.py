"""Models whose likelihood goes from pixel to pixel.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from hvae.config.bounds import Bound, Size
from hvae.config.model import LadderConfig, ModelConfig
from hvae.errors import HvaeError

MOST_SEEN = 256
Receptive = Annotated[int, Bound(least=2, most=MOST_SEEN)]
FACTORISES = ("bernoulli", "categorical", "logistic", "logistic-pixel", "gaussian", "gaussian-pixel", "gaussian-global")
"""Likelihoods whose law of one colour depends on its own parameters alone."""


@dataclass(frozen=True, kw_only=True)
class PixelCNNConfig(ModelConfig):
    """Gated PixelCNN: no latents, each pixel given those before it.  The baseline of models that have latents."""

    family: ClassVar[str] = "pixelcnn"

    width: Size = 32
    """Channels of each of the two stacks, a multiple of the colours of an image."""
    receptive: Receptive = 8
    """Pixels to the left that a pixel sees, and one row more above: a first kernel of up to 7, then a 3x3 layer each
    further pixel."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)


@dataclass(frozen=True, kw_only=True)
class PixelVAEConfig(LadderConfig):
    """PixelVAE: the levels of the ladder above a gated PixelCNN, which hears their last state at every pixel."""

    family: ClassVar[str] = "pixelvae"

    pixel_width: Size = 32
    """Channels of each of the two stacks of the PixelCNN, a multiple of the colours of an image."""
    receptive: Receptive = 4
    """Pixels to the left that a pixel sees, and one row more above: what the latents must carry is what it cannot
    see."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)


def _check(config: ModelConfig) -> None:
    if config.likelihood not in FACTORISES:
        raise HvaeError(
            f"model.likelihood: expected one of {', '.join(FACTORISES)} for {config.family}, got {config.likelihood}; "
            "it must factorise over the colours of a pixel"
        )
