"""What families may ask of networks whose features are maps.  No torch here: `--help` stays quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hvae.config.bounds import Heads, LevelsOrNone, SizesOrNone
from hvae.config.parse import Section
from hvae.errors import HvaeError, short

Up = Literal["nearest", "transposed", "sub-pixel"]
EachNorm = Literal["none", "group"]
"""Normalisations of each datum by itself."""
Share = Literal["none", "levels", "ways", "both"]
Skip = Literal["add", "concat", "gated"]
KEYS = ("norm", "attention", "share", "up", "skip", "widths", "latents")
"""What a convolutional family may take; one that does not says why (`Section.refusals`)."""


@dataclass(frozen=True, kw_only=True)
class AttendingConfig(Section):
    """What convolutional families share whose maps may hear themselves."""

    attention: Heads = ()
    """Heads of self-attention behind the convolutions of each scale, the data's resolution first (0: none there), as in
    0,0,4; empty: none anywhere.  Its cost grows with the square of the places of a map."""


@dataclass(frozen=True, kw_only=True)
class EnlargingConfig(AttendingConfig):
    """What convolutional families share whose way down doubles the resolution by one layer."""

    up: Up = "nearest"
    """How maps of the way down double their resolution: nearest (each place repeated), transposed (a transposed
    convolution of four places), or sub-pixel (a convolution that computes the neighbours)."""


@dataclass(frozen=True, kw_only=True)
class NormedConfig(Section):
    """What convolutional families share whose blocks may be normalised, and are not by default."""

    norm: EachNorm = "none"
    """Normalisation before each rectifier of a residual block: none, or group (16 channels or more together)."""


@dataclass(frozen=True, kw_only=True)
class SharedConfig(Section):
    """What convolutional families share that have several levels a scale."""

    share: Share = "none"
    """Which networks share their weights: those of all levels of a scale (levels), the residual blocks of a level on
    the way up and on the way down (ways), or both; fewer weights, as much time."""


@dataclass(frozen=True, kw_only=True)
class SkippedConfig(Section):
    """What convolutional families share whose state skips each level."""

    skip: Skip = "add"
    """How a latent joins the state that skips its level: add (their sum), concat (a linear map of both, which starts as
    their sum), or gated (the state says how much of each channel it takes in)."""


@dataclass(frozen=True, kw_only=True)
class SizedConfig(Section):
    """What convolutional families share whose latents may have channels of their own at each scale."""

    latents: SizesOrNone = ()
    """Channels of each latent by scale, the finest first, in place of one number for all; empty: `latent`
    everywhere."""


@dataclass(frozen=True, kw_only=True)
class FinerConfig(SizedConfig):
    """What convolutional families share that grow levels at finer scales than they were trained with."""

    finer: LevelsOrNone = ()
    """Levels that hvae grow --below added at each scale that is finer than those of `groups`, the data's resolution
    first; empty: none."""


def check_scales(key: str, sizes: Sequence[int], scales: int, of: str) -> None:
    """Raises HvaeError unless there are no `sizes`, or one for each of the scales that the key `of` speaks of."""
    if sizes and len(sizes) != scales:
        raise HvaeError(
            f"model.{key}: expected one number for each of the {scales} scales of model.{of}, or none, got "
            f"{short(tuple(sizes))}"
        )


def check_share(share: Share, why: str) -> None:
    """Raises HvaeError for weights that the way up and the way down would share in a family where they cannot."""
    if share in ("ways", "both"):
        raise HvaeError(f"model.share: expected none or levels, got {share}; {why}")


def check_attention(heads: Sequence[int], widths: Sequence[int], levels: Sequence[int], of: str = "scale") -> None:
    """Raises HvaeError unless `heads` are none, or one number for each scale (or what `of` calls it) that divides its
    width, 0 where there are no `levels`."""
    if heads and len(heads) != len(widths):
        raise HvaeError(
            f"model.attention: expected one number of heads for each of the {len(widths)} {of}s, or none, got "
            f"{short(tuple(heads))}"
        )
    for count, width, here in zip(heads, widths, levels, strict=False):
        if count and (width % count or not here):
            raise HvaeError(
                f"model.attention: expected heads that divide the {width} channels of their {of}, which has "
                f"{'levels' if here else 'no level, so 0'}, got {count}"
            )


def check_maps(network: str, config: EnlargingConfig, widths: Sequence[int]) -> None:
    """Raises HvaeError where a family of vectors is asked for what only maps have, or heads do not fit the `widths`."""
    for key, is_set in {"attention": any(config.attention), "up": config.up != "nearest"}.items():
        if is_set and network != "conv":
            raise HvaeError(f"model.{key}: expected model.network conv, whose features are maps, got {network}")
    check_attention(config.attention, widths, widths)
