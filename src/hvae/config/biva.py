"""The settings of BIVA, and its published sizes.  No torch here: `--help` stays quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from hvae.config.bounds import Bound, Heads, Probability, Repeats, Size, Sizes
from hvae.config.maps import AttendingConfig, SharedConfig, Up, check_attention, check_share
from hvae.config.model import ModelConfig
from hvae.errors import HvaeError, short


@dataclass(frozen=True, kw_only=True)
class BIVAConfig(ModelConfig, AttendingConfig, SharedConfig):
    """BIVA: in every stage but the top one latent inferred bottom-up ("z1-up") and one top-down ("z1-down").

    >>> BIVAConfig(latents=(8, 4), strides=(2, 1), kernels=(5, 3)).depth
    2
    """

    family: ClassVar[str] = "biva"
    refusals: ClassVar[Mapping[str, str]] = {
        "norm": "every layer is weight-normalised and starts from data, which is its normalisation",
        "skip": "its latents are the state of the stage below, and its skips are those of its blocks, by definition",
        "widths": "blocks of neighbouring stages hear one another, so that all have model.width channels",
    }

    latents: Sizes = (48, 40, 32, 24, 16, 8)
    """Dimensions (or channels, see maps) of each latent of a stage, the stage nearest the data first."""
    strides: tuple[Annotated[int, Bound(least=1, most=2, expected="1 or 2")], ...] = (2, 1, 1, 1, 1, 2)
    """1, or 2 where a stage halves the resolution (rounding up); one for each stage."""
    kernels: tuple[Repeats, ...] = (5, 3, 3, 3, 3, 3)
    """Kernel of the convolutions of each stage; odd."""
    maps: tuple[Repeats, ...] = ()
    """Kernel of the convolution to the latents of each stage, which are maps then; none: dense layers to vectors."""
    attention: Heads = ()
    """Heads of self-attention behind the blocks of each stage on both ways, the stage nearest the data first (0: none
    there), as in 0,0,4; empty: none anywhere.  Its cost grows with the square of the places of a map."""
    up: Up = "transposed"
    """How maps of the way down double their resolution: transposed (a transposed convolution, as published), nearest
    (each place repeated, then a convolution), or sub-pixel (a convolution that computes the neighbours)."""
    width: Size = 64
    """Channels of the features."""
    blocks: Repeats = 3
    """Gated residual blocks of each path of a stage."""
    dropout_q: Probability = 0.5
    """Probability that a hidden number of a block on the way up is silenced, in training."""
    dropout_p: Probability = 0.5
    """The same for the blocks on the way down."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("strides", "kernels", *(["maps"] if self.maps else [])):
            if len(getattr(self, name)) != self.depth:
                raise HvaeError(
                    f"model.{name}: expected one number for each of the {self.depth} stages of model.latents, "
                    f"got {short(getattr(self, name))}"
                )
        check_attention(self.attention, [self.width] * self.depth, self.latents, of="stage")
        check_share(self.share, "the stages of biva read different things on the way up and on the way down")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise HvaeError(f"model.kernels: expected odd sizes such as 3 or 5, got {short(self.kernels)}")

    @property
    def depth(self) -> int:
        """Stages; latents are twice as many, less one."""
        return len(self.latents)


MNIST = BIVAConfig(variance="above-one")
"""31.6 M parameters, 11 latents: released code of Maaloe et al. 2019, binarised MNIST."""

CIFAR10 = BIVAConfig(
    likelihood="dmol",
    variance="above-one",
    latents=tuple(range(38, 8, -2)),
    strides=(2, *[1] * 9, 2, 1, 1, 1, 2),
    kernels=(5, *[3] * 14),
    maps=(*[16] * 10, *[8] * 4, 4),
    width=96,
    dropout_q=0.2,
    # As run by the authors: `--q_dropout 0.2 --p_dropout 0`.
    dropout_p=0.0,
)
"""102.9 M parameters, 29 latents: the same, CIFAR-10."""
