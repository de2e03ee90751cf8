"""The architecture strings of the very deep VAE: how many blocks at which resolution, in one line.  No torch here.

Items are separated by commas; a resolution is the height of a feature map (the width follows from the images):

    32x11   eleven blocks at resolution 32; 32 alone is one
    32d2    encoder: a block at resolution 32, whose output is then average-pooled by 2
    32m16   decoder: a block at resolution 32 that first takes in the state of resolution 16
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from hvae.errors import HvaeError

# A slip of the keyboard must not become a list of a billion blocks.
_MOST = 2_000
_ITEM = re.compile(r"\s*(\d{1,4})\s*(?:([a-z])\s*(\d{1,4}))?\s*")


class Climb(NamedTuple):
    """One block of the encoder: where it works, and by how much its output is pooled (1: not at all)."""

    resolution: int
    pool: int

    @property
    def above(self) -> int:
        """The resolution of its output; like average pooling, an odd size loses its last row."""
        return self.resolution // self.pool


class Descent(NamedTuple):
    """One block of the decoder, which holds one latent: where it works, and what it mixes in (0: nothing)."""

    resolution: int
    source: int


def encoder_blocks(text: str) -> tuple[Climb, ...]:
    """The blocks of an encoder string, from the data up.  Raises HvaeError, in one line, where it makes no sense.

    >>> encoder_blocks("8x2,8d2,4")
    (Climb(resolution=8, pool=1), Climb(resolution=8, pool=1), Climb(resolution=8, pool=2), Climb(resolution=4, pool=1))
    """
    blocks = [Climb(at, number if letter == "d" else 1) for at, letter, number in _items(text, "encoder", "d")]
    for block in blocks:
        if block.above < 1:
            raise _wrong(
                "encoder", text, f"32d2 to pool by at most the resolution, got {block.resolution}d{block.pool}"
            )
    for block, then in pairwise(blocks):
        if then.resolution != block.above:
            raise _wrong("encoder", text, f"resolution {block.above} after {_said(block, 'd')}, got {then.resolution}")
    return tuple(blocks)


def decoder_blocks(text: str) -> tuple[Descent, ...]:
    """The blocks of a decoder string, top first.  Raises HvaeError, in one line, where it makes no sense.

    >>> decoder_blocks("1x2,4m1")
    (Descent(resolution=1, source=0), Descent(resolution=1, source=0), Descent(resolution=4, source=1))
    """
    blocks = [Descent(at, number if letter == "m" else 0) for at, letter, number in _items(text, "decoder", "m")]
    if blocks[0].source:
        raise _wrong("decoder", text, f"{blocks[0].resolution}x1 first, got {_said(blocks[0], 'm')} with nothing above")
    for above, block in pairwise(blocks):
        here, up = block.resolution, above.resolution
        # Every resolution begins by taking in the one above, or what lies above it would never reach the data.
        if not (block.source == up < here or (block.source == 0 and here == up)):
            raise _wrong("decoder", text, f"{up}x1, or a finer one that begins as in {2 * up}m{up}, after resolution "
                                          f"{up}; got {_said(block, 'm')}")  # fmt: skip
    return tuple(blocks)


def custom_widths(text: str) -> dict[int, int]:
    """Channels by resolution, from a string such as "512:32,256:64".  Raises HvaeError where it cannot be read.

    >>> custom_widths("512:32,256:64")
    {512: 32, 256: 64}
    """
    return _by_resolution(text, "custom_widths", "channels")


def custom_latents(text: str) -> dict[int, int]:
    """Channels of latents by resolution, from a string such as "32:4,16:8".  Raises HvaeError where it cannot be
    read."""
    return _by_resolution(text, "custom_latents", "channels")


def heads(text: str) -> dict[int, int]:
    """Heads of attention by resolution, from a string such as "8:4,4:4".  Raises HvaeError where it cannot be read."""
    return _by_resolution(text, "attention", "heads")


def _by_resolution(text: str, key: str, what: str) -> dict[int, int]:
    pairs = [re.fullmatch(r"\s*(\d{1,4})\s*:\s*(\d{1,6})\s*", part) for part in text.split(",") if text]
    numbers = [(int(pair[1]), int(pair[2])) for pair in pairs if pair]
    if len(numbers) < len(pairs) or any(min(pair) < 1 for pair in numbers):
        raise HvaeError(f"model.{key}: expected resolution:{what} as in 16:32,8:64, got '{text}'")
    if len(dict(numbers)) < len(numbers):
        raise HvaeError(f"model.{key}: expected each resolution once, got '{text}'; leave out what it does not mean")
    return dict(numbers)


def _items(text: str, key: str, letter: str) -> Iterator[tuple[int, str, int]]:
    """Each block as (resolution, its letter or x, the number behind the letter); counts are spelt out."""
    example = {
        "d": "32x11 (eleven blocks) or 32d2 (one, then pooling)",
        "m": "32x21 (21 blocks) or 32m16 (mixes 16 in)",
    }
    count = 0
    for part in text.split(","):
        item = _ITEM.fullmatch(part)
        resolution, number = (int(item[1]), int(item[3] or 1)) if item else (0, 0)
        if item is None or item[2] not in (None, "x", letter) or min(resolution, number) < 1:
            raise _wrong(key, text, f"items such as {example[letter]}, got '{part.strip()}'")
        count += number if item[2] != letter else 1
        if count > _MOST:
            raise _wrong(key, text, f"at most {_MOST:,} blocks")
        if item[2] == letter:
            yield resolution, letter, number
        else:
            yield from [(resolution, "x", 1)] * number


def _said(block: tuple[int, int], letter: str) -> str:
    resolution, number = block
    return f"{resolution}{letter}{number}" if number > (letter == "d") else f"{resolution}x1"


def _wrong(key: str, text: str, expected: str) -> HvaeError:
    return HvaeError(f"model.{key}: expected {expected} in '{text}'")
