"""Pictures out of a file: which blocks hold which tiles, and no more of them decoded than are asked for.

Shapes: `C H W` a picture; `N` tiles of the model's shape.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from hvae.coding import block as blocks
from hvae.coding import crew
from hvae.coding.classic import Levels, restore
from hvae.coding.coder import Coder
from hvae.coding.container import Block, File, Header, Item
from hvae.coding.pictures import KINDS, MODES, Kind, Picture, layout
from hvae.errors import HvaeError, short

Tick = Callable[[int, int], None]
"""Told (done, total)."""


class Tiles:
    """The tiles of a file by number; a block is decoded when one of its tiles is asked for, and kept until the next.

    `workers` processes decode when all are asked for; 0: as many as pay.
    """

    def __init__(
        self, file: File, coder: Coder, shape: tuple[int, ...], tick: Tick | None = None, workers: int = 1
    ) -> None:
        self.file, self.coder, self.shape, self.tick, self.workers = file, coder, shape, tick, workers
        self.known = [block for block in file.header.blocks if block.count]
        self.starts = np.cumsum([0, *(block.count for block in self.known)])
        self._held: dict[int, Levels] = {}

    def between(self, start: int, end: int) -> Levels:
        first, last = (int(np.searchsorted(self.starts, at, side="right")) - 1 for at in (start, end - 1))
        parts = [self._block(b)[max(start - self.starts[b], 0) : end - self.starts[b]] for b in range(first, last + 1)]
        return np.concatenate(parts)

    def all(self) -> None:
        """Decode every block now."""
        counts = [block.count for block in self.known]
        jobs = [(self.file.payload(index), self.shape, count) for index, count in enumerate(counts)]
        workers = self.workers or crew.hands(self.coder, counts)
        for index, found in enumerate(crew.each(blocks.decode, self.coder, jobs, workers)):
            self._keep(index, found)

    def _block(self, index: int) -> Levels:
        if index not in self._held:
            self._held.clear()
            payload, count = self.file.payload(index), self.known[index].count
            self._keep(index, blocks.decode(self.coder, payload, self.shape, count))
        return self._held[index]

    def _keep(self, index: int, found: Levels) -> None:
        check_content(found, self.known[index], index)
        self._held[index] = found
        if self.tick is not None:
            self.tick(index + 1, len(self.known))


def rests(file: File, items: Sequence[Item], wanted: Sequence[int]) -> dict[int, Levels]:
    """What lies beside the levels of the wanted pictures, (R, H, W), by index: blocks of no tiles, after all others."""
    having = [i for i, item in enumerate(items) if _kind(item).rest]
    places = [index for index, block in enumerate(file.header.blocks) if not block.count]
    total = len(file.header.blocks)
    if len(having) != len(places) or places != list(range(total - len(places), total)):
        raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
    found = {}
    for i, index in zip(having, places, strict=True):
        if i in wanted:
            shape = (_kind(items[i]).rest, 1, items[i].height, items[i].width)
            found[i] = restore(file.payload(index), shape, 8)[:, 0]
            check_content(found[i], file.header.blocks[index], index)
    return found


def _kind(item: Item) -> Kind:
    return KINDS[MODES[item.mode]]


def check_content(found: Levels, known: Block, index: int) -> None:
    if zlib.crc32(np.ascontiguousarray(found).data) != known.content:
        raise HvaeError(f"block {index} decodes to other images than were compressed; nothing of it was written")


def without_model(file: File, only: int | None = None) -> list[Picture]:
    """The pictures of a file that needs no model, since it keeps them in a classic format."""
    header = file.header
    items = each_item(header)
    if [block.count for block in header.blocks if block.count] != [1] * len(items):
        raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
    wanted, found = chosen(only, len(items)), []
    kept = rests(file, items, wanted)
    for i in wanted:
        item, vector = items[i], len(header.shape) == 1
        shape = header.shape if vector else (header.shape[0], item.height, item.width)
        levels = restore(file.payload(i), (1, *shape), header.bits)[0]
        check_content(levels, header.blocks[i], i)
        found.append(shown(item, levels, kept.get(i)))
    return found


def shown(item: Item, levels: Levels, rest: Levels | None) -> Picture:
    """An item as a picture.  Raises HvaeError for a grey one whose channels differ, of which one would be lost."""
    if _kind(item).colours == 1 and any(not np.array_equal(levels[0], other) for other in levels[1:]):
        raise HvaeError(f"{short(item.name)} is said to be grey and has colours; the file is damaged")
    return Picture(item.name, levels, item.mode, rest)


def each_item(header: Header) -> list[Item]:
    """One item a picture.  Raises HvaeError for none, for more of them than the blocks can hold, and for sizes that no
    picture has."""
    known, count = sum(block.count for block in header.blocks), sum(item.count for item in header.items)
    if not 0 < count <= known:
        raise HvaeError("the pictures of the file do not fit its blocks; the file is damaged")
    for item in header.items:
        layout(item.height, item.width, header.shape)
    return [item for item in header.items for _ in range(item.count)]


def chosen(only: int | None, count: int) -> Sequence[int]:
    """All pictures of a file, or the one of an index."""
    if only is not None and not 0 <= only < count:
        raise HvaeError(f"expected an index of 0 to {count - 1}, got {only}: the file holds {count} pictures")
    return range(count) if only is None else [only]
