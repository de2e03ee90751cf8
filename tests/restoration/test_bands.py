"""Large pictures a row of tiles at a time: what comes out is what comes out of the whole.

Shapes: `H W` a picture; `h w` a tile.
"""

from __future__ import annotations

import pytest
import torch

from hvae.restoration import Bands, Tiling, tile_rows


@pytest.mark.parametrize("overlap", [4, 16, 24, 28])
@pytest.mark.parametrize("picture", [(32, 32), (33, 40), (100, 50), (90, 121), (7, 90), (5, 6)])
def test_bands_are_the_whole(picture: tuple[int, int], overlap: int) -> None:
    """Also for tiles that disagree where they overlap, and where three of them do."""
    tiling = Tiling(picture, (32, 32), overlap)
    x = torch.rand(2, *picture, dtype=torch.float64)
    rows = list(tile_rows(tiling, lambda at: x[:, at]))
    torch.testing.assert_close(torch.cat(rows), tiling.cut(x[None]))
    tiles = torch.rand(len(tiling.places), 3, 32, 32, dtype=torch.float64)
    bands = Bands(tiling)
    parts = [bands.add(part) for part in tiles.split(len(tiling.places) // len(tiling.tops))]
    torch.testing.assert_close(torch.cat(parts, 1), tiling.joined(tiles)[0])


def test_what_is_held_is_a_row_of_tiles_however_high_the_picture() -> None:
    tiling, most, asked = Tiling((4000, 40), (32, 32)), 0, 0

    def read(at: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked = max(asked, int(at.max() - at.min()) + 1)
        return torch.zeros(1, len(at), 40)

    bands, high = Bands(tiling), 0
    for tiles in tile_rows(tiling, read):
        high += bands.add(tiles).shape[1]
        assert bands.total is not None
        most = max(most, bands.total.shape[1])
    assert high == 4000 and asked == 32 and most < 32
