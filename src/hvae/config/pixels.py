"""Models whose likelihood goes from pixel to pixel.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from hvae.config.bounds import Bound, Size
from hvae.config.model import ModelConfig
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
        if self.likelihood not in FACTORISES:
            raise HvaeError(
                f"model.likelihood: expected one of {', '.join(FACTORISES)} for {self.family}, got {self.likelihood}; "
                "it must factorise over the colours of a pixel"
            )
