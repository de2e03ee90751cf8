"""Pictures and tiles: from image files to the integer arrays of one size that a model knows, and back.

A picture larger than the model's images is cut into tiles of their size, row by row from the upper left corner; the
last column and the last row are filled up by repeating the edge, which costs little and is cut off again.

Shapes: `C` channels; `H W` a picture; `h w` the model's images; `N` tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from hvae.coding.classic import Levels
from hvae.errors import HvaeError
from hvae.files import replacing

MODES = ("array", "1", "L", "RGB")
"""What an item of a file can be: an array of levels as it is, or a picture in one of Pillow's modes."""
_CHANNELS = {"1": 1, "L": 1, "RGB": 3}
_MOST_PIXELS = 1 << 28


@dataclass(frozen=True, eq=False)
class Picture:
    """Levels (C, H, W) of a name; `mode` is an index into MODES."""

    name: str
    levels: Levels
    mode: int


class Layout(NamedTuple):
    """How a picture lies in tiles: its rows and columns of them."""

    rows: int
    columns: int

    @property
    def tiles(self) -> int:
        return self.rows * self.columns


def layout(height: int, width: int, shape: Sequence[int]) -> Layout:
    """The tiles of a picture.  Raises HvaeError for a size that no picture has.

    >>> layout(33, 64, (3, 32, 32))
    Layout(rows=2, columns=2)
    """
    if len(shape) == 1:
        return Layout(1, 1)
    if min(height, width) < 1 or height * width > _MOST_PIXELS:
        raise HvaeError(f"expected a picture of 1 to {_MOST_PIXELS} pixels, got {height} x {width}")
    return Layout(-(-height // shape[1]), -(-width // shape[2]))


def split(levels: Levels, shape: Sequence[int]) -> Levels:
    """A picture (C, H, W) as tiles, (N, C, h, w); a vector (D,) as one row."""
    if len(shape) == 1:
        return levels[None]
    c, h, w = shape
    rows, columns = layout(levels.shape[1], levels.shape[2], shape)
    margins = ((0, 0), (0, rows * h - levels.shape[1]), (0, columns * w - levels.shape[2]))
    whole = np.pad(levels, margins, mode="edge").reshape(c, rows, h, columns, w)
    return whole.transpose(1, 3, 0, 2, 4).reshape(rows * columns, c, h, w)


def join(tiles: Levels, height: int, width: int) -> Levels:
    """Tiles (N, C, h, w) as the picture (C, H, W) that they were cut from; one row as a vector (D,)."""
    if tiles.ndim == 2:
        return tiles[0]
    _, c, h, w = tiles.shape
    rows, columns = layout(height, width, (c, h, w))
    whole = tiles.reshape(rows, columns, c, h, w).transpose(2, 0, 3, 1, 4).reshape(c, rows * h, columns * w)
    return np.ascontiguousarray(whole[:, :height, :width])


def open_picture(path: str | Path, channels: int, bits: int) -> Picture:
    """An image file as levels that a model of so many channels and bits knows.

    A grey image may go to a model of colour.  Raises HvaeError for what would lose something: transparency, 16 bits,
    colour for a grey model, values between the levels of a model of few bits.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            mode, pixels = _pixels(image, path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        if isinstance(fault, HvaeError):
            raise
        raise HvaeError(f"{path} cannot be read as an image: {fault}") from fault
    if len(pixels) not in (1, channels):
        raise HvaeError(
            f"{path} has {len(pixels)} channels and the model {channels}; convert it, or use a model of such images"
        )
    levels = _levels(pixels, bits, path)
    return Picture(path.name, np.repeat(levels, channels // len(levels), 0), MODES.index(mode))


def _pixels(image: Image.Image, path: Path) -> tuple[str, Levels]:
    """Mode and pixels (C, H, W), 8 bits each."""
    if image.mode == "P" and "transparency" not in image.info:
        image = image.convert("RGB")
    if image.mode not in _CHANNELS:
        raise HvaeError(
            f"expected {path} to be grey or RGB with 8 bits a channel, got mode {image.mode}; "
            "transparency and 16 bits are not coded yet: convert it first"
        )
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image, dtype=np.uint8)
    return image.mode, np.atleast_3d(pixels).transpose(2, 0, 1)


def _levels(pixels: Levels, bits: int, path: Path) -> Levels:
    top = 2**bits - 1
    levels = np.rint(pixels * (top / 255)).astype(np.uint8)
    if not np.array_equal(np.rint(levels * (255 / top)).astype(np.uint8), pixels):
        raise HvaeError(f"{path} has values between the {top + 1} levels that the model knows; use a model of 8 bits")
    return levels


def save_picture(path: str | Path, picture: Picture, bits: int) -> None:
    """Write a picture as PNG, whole or not at all; an array as .npy."""
    path, mode = Path(path), MODES[picture.mode]
    suffix = ".npy" if mode == "array" else ".png"
    if path.suffix.lower() != suffix:
        raise HvaeError(f"expected a file name that ends in {suffix}, got {path}: what comes out is lossless")
    with replacing(path) as temporary, open(temporary, "wb") as f:
        if mode == "array":
            np.save(f, picture.levels)
        else:
            _image(picture.levels[: _CHANNELS[mode]], mode, bits).save(f, format="PNG")


def _image(levels: Levels, mode: str, bits: int) -> Image.Image:
    pixels = np.rint(levels * (255 / (2**bits - 1))).astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(pixels[:, :, 0] if len(levels) == 1 else np.ascontiguousarray(pixels))
    return image.convert("1", dither=Image.Dither.NONE) if mode == "1" else image
