"""What clocks of levels and widths of Transformers must be."""

from __future__ import annotations

from itertools import pairwise

from hvae.config.bounds import Sizes
from hvae.errors import HvaeError


def check_strides(strides: Sizes, latents: Sizes) -> None:
    """Raises HvaeError for clocks of levels that do not fit into each other, and for another number than of levels."""
    got = ",".join(map(str, strides))
    if any(b % a or b == a for a, b in pairwise(strides)):
        raise HvaeError(f"model.strides: expected each a multiple of the one before, and more, got {got}; e.g. 1,4,16")
    if len(strides) != len(latents):
        raise HvaeError(
            f"model.strides: expected one for each of the {len(latents)} levels of model.latents, got {got}"
        )


def check_heads(key: str, width: int, heads: int) -> None:
    """Raises HvaeError for a width that heads of a Transformer do not divide."""
    if width % (2 * heads):
        raise HvaeError(
            f"model.{key}: expected a multiple of twice the {heads} heads of a transformer, got {width}; "
            f"e.g. {2 * heads * max(1, round(width / (2 * heads)))}"
        )
