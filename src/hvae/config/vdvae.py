"""The settings of the very deep VAE, and its five published sizes.  No torch here: `--help` stays quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from hvae.config.bounds import Bound, Length, Side, Size
from hvae.config.context import ContextualConfig
from hvae.config.maps import NormedConfig, SharedConfig, SkippedConfig, Up
from hvae.config.model import AnyLikelihood, ModelConfig, Variance
from hvae.config.vdvae_blocks import custom_latents, custom_widths, decoder_blocks, encoder_blocks, heads
from hvae.errors import HvaeError

Blocks = Annotated[str, Length(0, 1000)]


@dataclass(frozen=True, kw_only=True)
class VDVAEConfig(ModelConfig, NormedConfig, SharedConfig, SkippedConfig, ContextualConfig):
    """Very deep VAE (Child 2021): bottleneck blocks without normalisation, one latent a decoder block.

    >>> VDVAEConfig(encoder="8x2,8d2,4x1", decoder="4x1,8m4,8x2").levels
    4
    >>> VDVAEConfig(encoder="8x2,8e2", decoder="4x1,8m4")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.encoder: expected items such as 32x11 (eleven blocks) or ..., got '8e2' in '8x2,8e2'
    """

    family: ClassVar[str] = "vdvae"
    refusals: ClassVar[Mapping[str, str]] = {
        "widths": "its sizes are by resolution: model.custom_widths, as in 16:64,8:64",
        "latents": "its sizes are by resolution: model.custom_latents, as in 16:4,8:8",
    }

    likelihood: AnyLikelihood = "dmol"
    """Distribution of the data given the latents; dmol-vdvae5 is the published one of 5-bit faces, with its overlapping
    bins, and dmol-vdvae5-exact the same weights read with bins that tile (hvae.distributions.fivebit)."""
    variance: Variance = "exp"
    """How latent scales stay positive: exp as published, or softclamp, clamp, softplus."""
    encoder: Blocks = "32x11,32d2,16x6,16d2,8x6,8d2,4x3,4d4,1x3"
    """Blocks from the data up: 32x11 is eleven at resolution (height) 32, 32d2 one at 32 and then pooling by 2."""
    decoder: Blocks = "1x1,4m1,4x2,8m4,8x5,16m8,16x10,32m16,32x21"
    """Blocks from the top down, a latent each: 32x21 is 21 at resolution 32, 32m16 one that first mixes 16 in."""
    width: Size = 384
    """Channels of the features and of the state."""
    latent: Size = 16
    """Channels of each latent."""
    bottleneck: Annotated[float, Bound(above=0, most=4)] = 0.25
    """Channels inside a block, as a fraction of those outside."""
    custom_widths: Annotated[str, Length(0, 1000)] = ""
    """Channels at single resolutions, as in 512:32,256:64; `width` holds for all others."""
    custom_latents: Annotated[str, Length(0, 1000)] = ""
    """Channels of the latents at single resolutions, as in 32:4,16:8; `latent` holds for all others."""
    up: Up = "nearest"
    """How the state enters a finer resolution: nearest (each place repeated, the first of its channels, as published),
    transposed (a transposed convolution of four places for each doubling), or sub-pixel (a convolution that computes
    the neighbours)."""
    attention: Annotated[str, Length(0, 1000)] = ""
    """Heads of self-attention at single resolutions, as in 8:4,4:4: behind each block on the way up, before each
    level on the way down.  Its cost grows with the square of the places of a map."""
    no_bias_above: Side = 64
    """Finest resolution whose state starts from a learned bias."""
    shift: Annotated[float, Bound(least=-1e6, most=1e6)] = -127.5
    """The network reads (255 x + shift) * scale: minus the mean of the data in grey values from 0 to 255."""
    scale: Annotated[float, Bound(above=0, most=1e6)] = 1 / 127.5
    """The network reads (255 x + shift) * scale: one over the standard deviation in grey values."""
    checkpoint: bool = False
    """Recompute each block in the backward pass: about half the memory for a third more time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_meeting()
        self._check_widths()
        self._check_heads()
        lost = next((r for r in custom_latents(self.custom_latents) if r not in self.resolutions), None)
        if lost is not None:
            raise HvaeError(f"model.custom_latents: resolution {lost} is not among model.encoder's {self.resolutions}")

    @property
    def levels(self) -> int:
        """Latents."""
        return len(decoder_blocks(self.decoder))

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Where the encoder leaves a feature, the data's resolution first."""
        blocks = encoder_blocks(self.encoder)
        return tuple(dict.fromkeys([blocks[0].resolution, *(block.above for block in blocks)]))

    @property
    def widths(self) -> dict[int, int]:
        """Channels at each resolution, the data's first."""
        custom = custom_widths(self.custom_widths)
        return {r: custom.get(r, self.width) for r in self.resolutions}

    def latent_at(self, resolution: int) -> int:
        """Channels of each latent at a resolution."""
        return custom_latents(self.custom_latents).get(resolution, self.latent)

    def middle(self, resolution: int) -> int:
        """Channels inside a block."""
        return int(self.widths[resolution] * self.bottleneck)

    def _check_meeting(self) -> None:
        """Decoder and encoder must meet at every resolution of the decoder, the last being the data's."""
        down, up = [block.resolution for block in decoder_blocks(self.decoder)], self.resolutions
        lost = next((r for r in down if r not in up), None)
        if lost is not None:
            at = ", ".join(map(str, up))
            raise HvaeError(f"model.decoder: resolution {lost} has no feature; model.encoder leaves them at {at}")
        if (down[0], down[-1]) != (up[-1], up[0]):
            raise HvaeError(
                f"model.decoder: expected it to lead from resolution {up[-1]} to {up[0]}, as model.encoder does "
                f"the other way; it leads from {down[0]} to {down[-1]}"
            )

    @property
    def heads(self) -> dict[int, int]:
        """Heads of attention at each resolution that has any."""
        return heads(self.attention)

    def _check_heads(self) -> None:
        for resolution, count in self.heads.items():
            if resolution not in self.resolutions or self.widths[resolution] % count:
                raise HvaeError(
                    f"model.attention: expected heads that divide the channels of a resolution, {self.widths}; got "
                    f"{count} at {resolution}"
                )

    def _check_widths(self) -> None:
        lost = next((r for r in custom_widths(self.custom_widths) if r not in self.resolutions), None)
        if lost is not None:
            raise HvaeError(f"model.custom_widths: resolution {lost} is not among model.encoder's {self.resolutions}")
        widths = list(self.widths.values())
        # Upwards a feature is filled up with zeros, downwards the state is cut: both only work in one direction.
        if widths[0] != self.width or widths != sorted(widths):
            raise HvaeError(
                f"model.custom_widths: expected widths that grow from model.width={self.width} at the data's "
                f"resolution to the coarsest; got {widths} at {list(self.resolutions)}"
            )
        if not all(1 <= self.middle(r) <= 4 * w for r, w in self.widths.items()):
            raise HvaeError(
                f"model.bottleneck: expected a fraction that leaves at least one channel, got {self.bottleneck}"
            )


_IMAGENET32 = VDVAEConfig(
    encoder="32x15,32d2,16x9,16d2,8x8,8d2,4x6,4d4,1x6",
    decoder="1x2,4m1,4x4,8m4,8x9,16m8,16x19,32m16,32x40",
    width=512,
    shift=-116.2373,
    scale=1 / 69.37404,
)
_FFHQ256 = replace(
    _IMAGENET32,
    encoder="256x3,256d2,128x8,128d2,64x12,64d2,32x17,32d2,16x7,16d2,8x5,8d2,4x5,4d4,1x4",
    decoder="1x2,4m1,4x3,8m4,8x4,16m8,16x9,32m16,32x21,64m32,64x13,128m64,128x7,256m128",
    likelihood="dmol-vdvae5",
    shift=-112.8666757481,
    scale=1 / 69.84780273,
)

PUBLISHED: dict[str, VDVAEConfig] = {
    "cifar10": VDVAEConfig(shift=-120.63838, scale=1 / 64.16736),
    "imagenet32": _IMAGENET32,
    "imagenet64": replace(
        _IMAGENET32,
        encoder="64x11,64d2,32x20,32d2,16x9,16d2,8x8,8d2,4x7,4d4,1x5",
        decoder="1x2,4m1,4x3,8m4,8x7,16m8,16x15,32m16,32x31,64m32,64x12",
        shift=-115.92961967,
    ),
    "ffhq256": _FFHQ256,
    "ffhq1024": replace(
        _FFHQ256,
        encoder="1024x1,1024d2,512x3,512d2,256x5,256d2,128x7,128d2,64x10,64d2,32x14,32d2,16x7,16d2,8x5,8d2,4x5,4d4,1x4",
        decoder="1x2,4m1,4x3,8m4,8x4,16m8,16x9,32m16,32x20,64m32,64x14,128m64,128x7,256m128,256x2,512m256,1024m512",
        custom_widths="512:32,256:64,128:512,64:512,32:512,16:512,8:512,4:512,1:512",
        width=16,
        likelihood="dmol",
        mixtures=2,
        # The published constants are for values in [0, 1]: (x - 0.4387) / 0.2743.
        shift=-0.4387 * 255,
        scale=1 / (0.2743 * 255),
    ),
}
"""The sizes with published weights, with the input constants of their data: 39.1 M parameters and 43 levels (cifar10),
119.3 M and 78, 125.0 M and 75, 114.9 M and 66, 109.4 M and 70.  ffhq256 has the published 5-bit likelihood."""
