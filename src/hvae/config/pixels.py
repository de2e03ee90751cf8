"""Models whose likelihood goes from pixel to pixel.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Bound, Repeats, Size
from hvae.config.model import LadderConfig, ModelConfig
from hvae.errors import HvaeError

MOST_SEEN = 256
Receptive = Annotated[int, Bound(least=2, most=MOST_SEEN)]
Scales = Annotated[int, Bound(least=1, most=8)]
FACTORISES = (
    "bernoulli",
    "bernoulli-bounded",
    "categorical",
    "logistic",
    "logistic-pixel",
    "gaussian",
    "gaussian-pixel",
    "gaussian-global",
)
"""Likelihoods whose law of one colour depends on its own parameters alone."""
DECODERS = {"gated": FACTORISES, "plusplus": (*FACTORISES, "dmol")}
"""Likelihoods of each network: one that has all parameters of a pixel at once may have a joint one of its colours."""


@dataclass(frozen=True, kw_only=True)
class PixelCNNConfig(ModelConfig):
    """Gated PixelCNN or PixelCNN++, the baseline without latents: each pixel given those before it."""

    family: ClassVar[str] = "pixelcnn"

    decoder: Literal["gated", "plusplus"] = "gated"
    """The network: gated, two stacks that see `receptive` pixels and go from colour to colour, or plusplus, streams at
    several scales that see the whole image and have all colours of a pixel at once."""
    width: Size = 32
    """Channels of each of the two stacks; of gated ones a multiple of the colours of an image."""
    receptive: Receptive = 8
    """Pixels to the left that a pixel of the gated network sees, and one row more above: a first kernel of up to 7,
    then a 3x3 layer each further pixel."""
    pixel_blocks: Repeats = 2
    """Residual blocks of each scale of a plusplus network, on the way up; as many and one more on the way down."""
    pixel_scales: Scales = 3
    """Scales of a plusplus network, each half as large as the one before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self, self.decoder)


@dataclass(frozen=True, kw_only=True)
class PixelVAEConfig(LadderConfig):
    """PixelVAE: the levels of the ladder above a gated PixelCNN or a PixelCNN++ that reads their last state."""

    family: ClassVar[str] = "pixelvae"

    decoder: Literal["gated", "plusplus"] = "gated"
    """The network: gated, two stacks that see `receptive` pixels and go from colour to colour, or plusplus, streams at
    several scales that see the whole image and have all colours of a pixel at once."""
    pixel_width: Size = 32
    """Channels of each of the two stacks; of gated ones a multiple of the colours of an image."""
    receptive: Receptive = 4
    """Pixels to the left that a pixel of the gated network sees, and one row more above: what the latents must carry is
    what it cannot see."""
    pixel_blocks: Repeats = 2
    """Residual blocks of each scale of a plusplus network, on the way up; as many and one more on the way down."""
    pixel_scales: Scales = 1
    """Scales of a plusplus network, each half as large as the one before; with one it sees few pixels, with three
    all, which leaves little to the latents."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self, self.decoder)


def _check(config: ModelConfig, decoder: str) -> None:
    if config.likelihood not in DECODERS[decoder]:
        advice = "; it must factorise over the colours of a pixel" if decoder == "gated" else ""
        if config.likelihood == "dmol":
            advice += ", or choose --model.decoder plusplus"
        raise HvaeError(
            f"model.likelihood: expected one of {', '.join(DECODERS[decoder])} for {config.family} with model.decoder "
            f"{decoder}, got {config.likelihood}{advice}"
        )
