"""Reading pictures from a file: selection, planes beside the levels, and pictures without a model.

Shapes: `C H W` a picture; `R` planes beside it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Sequence

import numpy as np

from hvae.coding.files.classic import Levels, restore
from hvae.coding.files.container import Block, File, Header, Item
from hvae.coding.files.pictures import KINDS, MODES, Kind, Picture, is_cut, layout
from hvae.errors import HvaeError, short

Tick = Callable[[int, int], None]
"""Callback (done, total)."""


def rests(file: File, items: Sequence[Item], numbers: Sequence[int]) -> dict[int, Levels]:
    """What lies beside the levels of the wanted pictures, (R, H, W), by index: blocks of no tiles, after all others.

    Raises HvaeError where pictures and blocks do not fit.
    """
    having = [i for i, item in enumerate(items) if _kind(item).rest]
    places = [index for index, block in enumerate(file.header.blocks) if not block.count]
    total = len(file.header.blocks)
    if len(having) != len(places) or places != list(range(total - len(places), total)):
        raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
    planes = {}
    for i, index in zip(having, places, strict=True):
        if i in numbers:
            shape = (_kind(items[i]).rest, 1, items[i].height, items[i].width)
            planes[i] = restore(file.payload(index), shape, 8)[:, 0]
            check_content(planes[i], file.header.blocks[index], index)
    return planes


def _kind(item: Item) -> Kind:
    return KINDS[MODES[item.mode]]


def check_content(levels: Levels, block: Block, index: int) -> None:
    """Raises HvaeError for levels that are not those whose checksum the block keeps."""
    if zlib.crc32(np.ascontiguousarray(levels).data) != block.content:
        raise HvaeError(f"block {index} decodes to other images than were compressed; nothing of it was written")


def without_model(file: File, only: int | None = None) -> list[Picture]:
    """The pictures of a file that needs no model, since it keeps them in a classic format.

    Raises HvaeError for a damaged file.
    """
    header = file.header
    items = each_item(header)
    if [block.count for block in header.blocks if block.count] != [1] * len(items):
        raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
    places, pictures = chosen(only, len(items)), []
    planes = rests(file, items, places)
    for i in places:
        item, shape = items[i], header.shape
        if is_cut(shape):
            shape = (shape[0], item.height, item.width)
        levels = restore(file.payload(i), (1, *shape), header.bits)[0]
        check_content(levels, header.blocks[i], i)
        pictures.append(shown(item, levels, planes.get(i)))
    return pictures


def shown(item: Item, levels: Levels, rest: Levels | None) -> Picture:
    """An item as a picture.  Raises HvaeError for a grey picture whose channels differ."""
    if _kind(item).colours == 1 and any(not np.array_equal(levels[0], other) for other in levels[1:]):
        raise HvaeError(f"{short(item.name)} is said to be grey and has colours; the file is damaged")
    return Picture(item.name, levels, item.mode, rest)


def each_item(header: Header) -> list[Item]:
    """One item a picture.  Raises HvaeError for none, for more of them than the blocks can hold, and for sizes that no
    picture has."""
    total, count = sum(block.count for block in header.blocks), sum(item.count for item in header.items)
    if not 0 < count <= total:
        raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
    for item in header.items:
        layout(item.height, item.width, header.shape)
    return [item for item in header.items for _ in range(item.count)]


def check_model(header: Header, identity: bytes) -> None:
    """Raises HvaeError unless the file was made with the model of this identity."""
    if header.model != identity:
        raise HvaeError(
            f"this file was made with another model (sha256 {header.model.hex()[:12]}..., "
            f"this one is {identity.hex()[:12]}...); give the run it was made with"
            + (f", once at {header.run}" if header.run else "")
        )


def check_probabilities(header: Header, fingerprint: bytes, context: Collection[str]) -> None:
    """Raises HvaeError unless the reader's probabilities equal the writer's; `context` names a possible cause."""
    if header.probabilities != fingerprint:
        other = f"under this context ({', '.join(context)}) " if context else ""
        raise HvaeError(
            f"{other}this machine or this version of torch computes other probabilities than the one that wrote the "
            f"file; decompress it there{', under the context of then' if context else ''}"
        )


def chosen(only: int | None, count: int) -> Sequence[int]:
    """All pictures of a file, or the one of an index."""
    if only is not None and not 0 <= only < count:
        raise HvaeError(f"expected an index of 0 to {count - 1}, got {only}: the file holds {count} pictures")
    return range(count) if only is None else [only]
