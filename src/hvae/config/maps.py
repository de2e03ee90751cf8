"""What families may ask of networks whose features are maps.  No torch here: `--help` stays quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hvae.config.bounds import Heads
from hvae.config.parse import Section
from hvae.errors import HvaeError, short

Up = Literal["nearest", "transposed", "sub-pixel"]


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


def check_attention(heads: Sequence[int], widths: Sequence[int], levels: Sequence[int]) -> None:
    """Raises HvaeError unless `heads` are none, or one number for each scale that divides its width, 0 where there are
    no `levels`."""
    if heads and len(heads) != len(widths):
        raise HvaeError(
            f"model.attention: expected one number of heads for each of the {len(widths)} scales, or none, got "
            f"{short(tuple(heads))}"
        )
    for count, width, here in zip(heads, widths, levels, strict=False):
        if count and (width % count or not here):
            raise HvaeError(
                f"model.attention: expected heads that divide the {width} channels of their scale, which has "
                f"{'levels' if here else 'no level, so 0'}, got {count}"
            )


def check_maps(network: str, config: EnlargingConfig, widths: Sequence[int]) -> None:
    """Raises HvaeError where a family of vectors is asked for what only maps have, or heads do not fit the `widths`."""
    for key, is_set in {"attention": any(config.attention), "up": config.up != "nearest"}.items():
        if is_set and network != "conv":
            raise HvaeError(f"model.{key}: expected model.network conv, whose features are maps, got {network}")
    check_attention(config.attention, widths, widths)
