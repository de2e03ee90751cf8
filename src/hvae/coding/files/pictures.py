"""Pictures as integer arrays, and their tiles of the model's size.

A picture larger than the model's images is cut into tiles of their size, row by row from the upper left corner; the
last column and row are padded by repeating the edge, which costs little, and cropped on decoding.  Vectors (D,),
signals (C, T) and volumes (C, D, H, W) are what the model takes, and not cut.

Shapes: `C` channels; `H W` a picture; `h w` the model's images; `N` tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hvae.coding.files.classic import Levels
from hvae.errors import HvaeError

MOST_PIXELS = 1 << 28
MOST_SIDE = 1024
"""The longest side of a tile: activations must fit into memory."""


class Kind(NamedTuple):
    """A mode of pictures: the colour channels that the model codes, and the planes stored beside them."""

    colours: int
    alpha: bool = False
    deep: bool = False
    """16 bits: the model codes the high bytes."""

    @property
    def rest(self) -> int:
        """Planes of bytes that no model codes: opacity, and the low bytes of 16 bits."""
        return self.colours * self.deep + self.alpha * (1 + self.deep)


KINDS = {
    "array": Kind(0),
    "1": Kind(1),
    "L": Kind(1),
    "RGB": Kind(3),
    "LA": Kind(1, alpha=True),
    "RGBA": Kind(3, alpha=True),
    "I;16": Kind(1, deep=True),
    "RGB;16": Kind(3, deep=True),
    "RGBA;16": Kind(3, alpha=True, deep=True),
    "LA;16": Kind(1, alpha=True, deep=True),
    "sequence": Kind(0),
}
"""What an item of a file can be: an array of levels as it is, a picture in a mode (Pillow's, where it has one), or a
sequence, whose height is how many steps it has, and its width one more than the values that fill its last step."""
MODES = tuple(KINDS)


@dataclass(frozen=True, eq=False)
class Picture:
    """Levels (C, H, W) of a name; `mode` is an index into MODES; `rest`, planes (R, H, W) that the model does not code;
    `changes`, how it differs from what its file holds.

    A grey picture for a model of colour has the same levels three times.
    """

    name: str
    levels: Levels
    mode: int
    rest: Levels | None = None
    changes: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return KINDS[MODES[self.mode]]

    @property
    def values(self) -> int:
        """How many numbers the picture has, each channel of each pixel counted once: bits over it are bits a dimension.

        >>> Picture("a", np.zeros((3, 2, 2), dtype=np.uint8), MODES.index("L")).values
        4
        """
        own = self.kind.colours + self.kind.alpha
        return self.levels.size // len(self.levels) * own if own else self.levels.size


def check_names(pictures: Sequence[Picture], run: str) -> None:
    """Raises HvaeError unless there is a picture and a file can hold the names of all, and of their run."""
    if not pictures:
        raise HvaeError("expected at least one picture to compress, got none")
    for name in (run, *(picture.name for picture in pictures)):
        check_name(name)


def check_name(name: str) -> None:
    """Raises HvaeError for a name that no file can hold: what is not UTF-8, or has 65,536 bytes or more."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError as fault:
        raise HvaeError(f"the name {name!a} is not UTF-8, as names in a file must be; rename it") from fault
    if size >= 1 << 16:
        raise HvaeError(f"expected a name of less than 65,536 bytes, got {size}")


def check_levels(picture: Picture, shape: Sequence[int], bits: int) -> Levels:
    """The levels of a picture.  Raises HvaeError unless they are uint8, of the channels of `shape` and of so many bits.

    >>> check_levels(Picture("a", np.zeros((1, 5, 7), dtype=np.uint8), 0), (1, 8, 8), 1).shape
    (1, 5, 7)
    """
    levels = picture.levels
    alike = levels.ndim == 3 and levels.shape[0] == shape[0] if is_cut(shape) else levels.shape == tuple(shape)
    if not alike:
        raise HvaeError(f"expected levels of a shape like {tuple(shape)}, got {levels.shape} for {picture.name}")
    if levels.dtype != np.uint8 or int(levels.max(initial=0)) >> bits:
        raise HvaeError(f"expected levels 0 to {2**bits - 1} as uint8, got others in {picture.name}")
    return levels


def is_cut(shape: Sequence[int]) -> bool:
    """Whether data of this shape, one datum's, are pictures (C, H, W), which may be larger and are cut into tiles."""
    return len(shape) == 3


def check_tile(shape: Sequence[int], own: Sequence[int]) -> None:
    """Raises HvaeError for tiles that a model of data of shape `own` cannot have."""
    if not is_cut(own):
        raise HvaeError(f"tiles are of pictures (C, H, W), and this model takes {own} whole; leave the size out")
    if len(shape) != 3 or shape[0] != own[0] or not all(1 <= side <= MOST_SIDE for side in shape[1:]):
        raise HvaeError(f"expected tiles of {own[0]} channels and 1 to {MOST_SIDE} pixels a side, got {shape}")


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
    if not is_cut(shape):
        return Layout(1, 1)
    if min(height, width) < 1 or height * width > MOST_PIXELS:
        raise HvaeError(f"expected a picture of 1 to {MOST_PIXELS} pixels, got {height} x {width}")
    return Layout(-(-height // shape[1]), -(-width // shape[2]))


def split(levels: Levels, shape: Sequence[int]) -> Levels:
    """A picture (C, H, W) as tiles, (N, C, h, w); a vector, signal or volume as the only one."""
    if not is_cut(shape):
        return levels[None]
    c, h, w = shape
    rows, columns = layout(levels.shape[1], levels.shape[2], shape)
    margins = ((0, 0), (0, rows * h - levels.shape[1]), (0, columns * w - levels.shape[2]))
    whole = np.pad(levels, margins, mode="edge").reshape(c, rows, h, columns, w)
    return whole.transpose(1, 3, 0, 2, 4).reshape(rows * columns, c, h, w)


def join(tiles: Levels, height: int, width: int) -> Levels:
    """Tiles (N, C, h, w) as the picture (C, H, W) that they were cut from; a vector, signal or volume as it is."""
    if not is_cut(tiles.shape[1:]):
        return tiles[0]
    _, c, h, w = tiles.shape
    rows, columns = layout(height, width, (c, h, w))
    whole = tiles.reshape(rows, columns, c, h, w).transpose(2, 0, 3, 1, 4).reshape(c, rows * h, columns * w)
    return np.ascontiguousarray(whole[:, :height, :width])
