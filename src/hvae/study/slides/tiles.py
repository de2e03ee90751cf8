"""The tiles of a slide as images that a model is asked about, a row of them at a time.

Shapes: `T` tiles; `C h w` a tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.datum import Datum
    from hvae.restoration import Tiling
    from hvae.study.slides.slide import Slide


@dataclass(frozen=True, eq=False)
class Tiles:
    """The overlapping tiles of a picture at one magnification, in rows; `context`, one row that is said of them all."""

    slide: Slide
    tiling: Tiling
    context: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tiling.places)

    def bands(self) -> Iterator[Tensor]:
        """The tiles of one row of them after the other, (T, C, h, w) in [0, 1]."""
        from hvae.restoration import tile_rows

        top = 2**self.slide.bits - 1
        return (levels.float() / top for levels in tile_rows(self.tiling, self.slide.rows))

    def data(self, tiles: Tensor, size: int) -> Iterator[Datum]:
        """Some tiles with their context, at most `size` at a time."""
        from hvae.datum import Datum

        for part in tiles.split(size):
            context = {name: value.expand(len(part), *value.shape[1:]) for name, value in self.context.items()}
            yield Datum(part, context)

    def batches(self, size: int) -> TileBatches:
        """All of them in order, at most `size` at a time."""
        return TileBatches(self, size)


@dataclass(frozen=True, eq=False)
class TileBatches:
    """Tiles in batches, none over two rows of them, with a length: progress can tell how much is left."""

    tiles: Tiles
    size: int

    def __len__(self) -> int:
        rows = len(self.tiles.tiling.tops)
        return rows * -(-(len(self.tiles) // rows) // self.size)

    def __iter__(self) -> Iterator[Datum]:
        return (datum for band in self.tiles.bands() for datum in self.tiles.data(band, self.size))
