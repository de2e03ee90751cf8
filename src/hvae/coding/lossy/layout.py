"""The layout of a lossy file: tiles, groups coded together, and the place of each chunk.

Chunks lie level by level, the top level of all groups first, so that every beginning of the file shows all pictures.

Shapes: `C H W` a picture; `N` tiles; `h w` a tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import ceil
from typing import NamedTuple

import numpy as np

from hvae.coding.files.classic import Levels
from hvae.coding.files.container import File, Header, Item, read_part
from hvae.coding.files.header import LOSSY_IN_TIME
from hvae.coding.files.pictures import KINDS, MODES, Picture, join, layout
from hvae.coding.lossy.residues import DITHERS
from hvae.errors import HvaeError

LOSSY = 100
"""The first order number of lossy files, one for each dither; lossless orders start at 0."""
ORDERS = range(LOSSY, LOSSY + len(DITHERS))
SIDE = 1024
"""The longest side of a tile."""
_PIXELS = 1 << 18
ROWS = 64
"""Tiles, or recordings, of a group at most."""

Shape = tuple[int, ...]


class Group(NamedTuple):
    """Tiles of one shape (C, h, w) that are coded together: the first of them, and how many."""

    shape: Shape
    start: int
    tiles: int


def opened(content: bytes) -> File | None:
    """A lossy file, whole or cut anywhere after its header, with the chunks that are whole; None if it is another kind
    of .hvz file.  Raises HvaeError when not even the header is whole, or it is damaged."""
    file = read_part(content)
    return file if file.header.order in (*ORDERS, LOSSY_IN_TIME) else None


def groups(items: Sequence[Item], channels: int) -> list[Group]:
    """Groups of neighbouring tiles of one shape, coded together.

    >>> groups([Item("a", 0, 64, 64, 70), Item("b", 0, 1025, 9)], 3)[1:]
    [Group(shape=(3, 64, 64), start=64, tiles=6), Group(shape=(3, 513, 9), start=70, tiles=2)]
    """
    shapes = [
        (channels, *tile_shape((0, item.height, item.width))[1:]) for item in items for _ in range(tile_count(item))
    ]
    result, start = list[Group](), 0
    for shape, same in groupby(shapes):
        number = len(list(same))
        rows = max(1, min(ROWS, _PIXELS // (shape[1] * shape[2])))
        result += [Group(shape, start + at, min(rows, number - at)) for at in range(0, number, rows)]
        start += number
    return result


def tile_shape(shape: Shape) -> Shape:
    """The shape of the tiles of a picture (C, H, W): the picture's, or the largest of equal parts below SIDE."""
    return (shape[0], *(ceil(size / ceil(size / SIDE)) for size in shape[1:]))


def tile_count(item: Item) -> int:
    """Tiles of an item.  Raises HvaeError for a size that no picture has."""
    layout(item.height, item.width, (0, 1, 1))
    return item.count * layout(item.height, item.width, tile_shape((0, item.height, item.width))).tiles


def items_of(pictures: Sequence[Picture]) -> list[Item]:
    """One item a picture."""
    return [Item(p.name, p.mode, *p.levels.shape[1:]) for p in pictures]


def single_items(header: Header) -> list[Item]:
    """One item a picture.  Raises HvaeError for none, more of them than the blocks hold, or planes that none hold."""
    check_counts(header)
    tiles, count = sum(block.count for block in header.blocks), sum(tile_count(item) for item in header.items)
    if not 0 < count <= tiles or any(KINDS[MODES[item.mode]].rest for item in header.items):
        raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
    return [Item(i.name, i.mode, i.height, i.width) for i in header.items for _ in range(i.count)]


def check_counts(header: Header) -> None:
    """Raises HvaeError for a chunk that claims more than a group holds: nothing else bounds it where a file was cut."""
    if any(block.count > ROWS for block in header.blocks):
        raise HvaeError(f"expected at most {ROWS} pictures or recordings to a chunk, got more; the file is damaged")


def joined(items: Sequence[Item], tiles: Sequence[Levels]) -> list[Picture]:
    """Tiles, each (C, h, w), as the pictures they are of."""
    pictures, at = list[Picture](), 0
    for item in items:
        end = at + tile_count(item)
        pictures.append(Picture(item.name, join(np.stack(tiles[at:end]), item.height, item.width), item.mode))
        at = end
    return pictures


def depth(levels: int | None, most: int) -> int:
    """The number of levels to decode, all by default.  Raises HvaeError when there are fewer."""
    if levels is not None and not 1 <= levels <= most:
        raise HvaeError(f"expected 1 to {most} levels, got {levels}: {most} are all there are")
    return levels or most


def holding(parts: Sequence[Group], first: int, last: int) -> list[int]:
    """The groups that hold any of the tiles `first` to `last`, which itself is not one of them."""
    return [g for g, part in enumerate(parts) if part.start < last and part.start + part.tiles > first]


def depths(file: File, parts: Sequence[Group], most: int, levels: int | None, numbers: Sequence[int]) -> dict[int, int]:
    """The number of levels to decode of each of the groups `numbers`: `levels`, or all.

    Raises HvaeError when the file does not fit its pictures, or lacks some of the levels.
    """
    blocks, count = file.header.blocks, len(parts)
    stored = len(blocks) // count
    if len(blocks) != stored * count or not 1 <= stored <= most:
        raise HvaeError("the levels of the file do not fit its pictures; the file is damaged")
    if any(block.count != parts[i % count].tiles for i, block in enumerate(blocks)):
        raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
    enough = depth(levels, stored)
    here = {g: len(range(g, len(file.payloads), count)) for g in numbers}
    least = min(here.values())
    if least < (1 if levels is None else enough):
        advice = f"give --levels {least} or fewer" if least else "nothing of it can be shown"
        raise HvaeError(f"the file was cut after {least} of {stored} levels; {advice}")
    return {g: min(enough, there) for g, there in here.items()}
