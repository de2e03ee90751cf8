"""Lazy access to the tiles of a file: only the blocks of requested tiles are decoded.

Shapes: `N` tiles of the model's shape.
"""

from __future__ import annotations

import numpy as np

from hvae.coding.files.classic import Levels
from hvae.coding.files.container import File
from hvae.coding.files.reading import Tick, check_content
from hvae.coding.lossless import block as blocks
from hvae.coding.lossless import crew
from hvae.coding.lossless.coder import Coder


class Tiles:
    """The tiles of a file by number; a block is decoded on access to one of its tiles, and cached until the next.

    `workers` processes decode all tiles at once; 0: chosen by the amount of work.
    """

    def __init__(
        self, file: File, coder: Coder, shape: tuple[int, ...], tick: Tick | None = None, workers: int = 1
    ) -> None:
        self.file, self.coder, self.shape, self.tick, self.workers = file, coder, shape, tick, workers
        self.blocks = [block for block in file.header.blocks if block.count]
        self.starts = np.cumsum([0, *(block.count for block in self.blocks)])
        self._held: dict[int, Levels] = {}

    def between(self, start: int, end: int) -> Levels:
        first, last = (int(np.searchsorted(self.starts, at, side="right")) - 1 for at in (start, end - 1))
        parts = [self._block(b)[max(start - self.starts[b], 0) : end - self.starts[b]] for b in range(first, last + 1)]
        return np.concatenate(parts)

    def all(self) -> None:
        """Decode every block now."""
        counts = [block.count for block in self.blocks]
        jobs = [(self.file.payload(index), self.shape, count) for index, count in enumerate(counts)]
        workers = self.workers or crew.hands(self.coder, counts)
        for index, levels in enumerate(crew.each(blocks.decode, self.coder, jobs, workers)):
            self._keep(index, levels)

    def _block(self, index: int) -> Levels:
        if index not in self._held:
            self._held.clear()
            payload, count = self.file.payload(index), self.blocks[index].count
            self._keep(index, blocks.decode(self.coder, payload, self.shape, count))
        return self._held[index]

    def _keep(self, index: int, levels: Levels) -> None:
        check_content(levels, self.blocks[index], index)
        self._held[index] = levels
        if self.tick is not None:
            self.tick(index + 1, len(self.blocks))
