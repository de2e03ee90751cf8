r"""Maps of a large picture from its tiles, row of tiles after row: what is in memory is one row of tiles.

    map = sum_t w_t tile_t / sum_t w_t,     w_t(i, j) = v_t(i) u_t(j)

A row of tiles shares v, so it is put together across first; what no later row of tiles reaches is then ready.

Shapes: `C` channels; `H W` the picture; `h w` a tile; `T` tiles of one row of them; `M` maps; `R` rows that are ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from hvae.restoration.tiles import Tiling

Rows = Callable[[Tensor], Tensor]
"""Reads rows of a picture by their numbers (h,): (C, h, W)."""


def tile_rows(tiling: Tiling, read: Rows) -> Iterator[Tensor]:
    """The tiles of a picture, (T, C, h, w) of one row of them after the other; `read` is asked for h rows at a time.

    >>> import torch
    >>> picture, tiling = torch.rand(3, 100, 70), Tiling((100, 70), (64, 64))
    >>> tiles = torch.cat(list(tile_rows(tiling, lambda rows: picture[:, rows])))
    >>> torch.equal(tiles, tiling.cut(picture[None]))
    True
    """
    across = tiling.across
    return (across.cut(read(tiling.source(top))[None]) for top in tiling.tops)


class Bands:
    """Maps of a large picture that are put together from the top down.

    >>> import torch
    >>> picture, tiling = torch.rand(1, 100, 70), Tiling((100, 70), (64, 64))
    >>> bands = Bands(tiling)
    >>> parts = [bands.add(tiles) for tiles in tile_rows(tiling, lambda rows: picture[:, rows])]
    >>> bool((torch.cat(parts, 1) - picture).abs().max() < 1e-6)
    True
    """

    def __init__(self, tiling: Tiling) -> None:
        self.tiling, self.across, self.number = tiling, tiling.across, 0
        self.total: Tensor | None = None
        self.weight: Tensor | None = None

    def add(self, tiles: Tensor) -> Tensor:
        """The next row of tiles, (T, M, h, w); the rows of the maps that it makes ready, (M, R, W)."""
        band = self.across.joined(tiles)[0]  # (M, h, W)
        tops, fade = self.tiling.tops, self.tiling.fade(self.number).to(band)[:, None]
        total, weight = fade * band, fade
        if self.total is not None and self.weight is not None:
            reach = len(self.weight)
            total[:, :reach] += self.total
            weight[:reach] += self.weight
        top, self.number = tops[self.number], self.number + 1
        end = tops[self.number] - top if self.number < len(tops) else self.tiling.picture[0] - top
        self.total, self.weight = total[:, end:], weight[end:]
        return total[:, :end] / weight[:end]
