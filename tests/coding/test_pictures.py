"""Pictures: tiles of any size."""

from __future__ import annotations

import numpy as np
import pytest

from hvae.coding.files.pictures import join, layout, split
from hvae.errors import HvaeError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [(1, 1), (4, 5), (8, 10), (9, 11), (3, 17), (40, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_join_to_what_they_were_cut_from(size: tuple[int, int], channels: int) -> None:
    levels = RNG.integers(0, 256, (channels, *size), dtype=np.uint8)
    tiles = split(levels, (channels, 4, 5))
    assert tiles.shape == (layout(*size, (channels, 4, 5)).tiles, channels, 4, 5)
    assert np.array_equal(join(tiles, *size), levels)


def test_tiles_go_row_by_row_and_repeat_the_edge() -> None:
    levels = np.arange(15, dtype=np.uint8).reshape(1, 3, 5)
    tiles = split(levels, (1, 2, 3))
    assert tiles[0, 0].tolist() == [[0, 1, 2], [5, 6, 7]]
    assert tiles[1, 0].tolist() == [[3, 4, 4], [8, 9, 9]]
    assert tiles[3, 0].tolist() == [[13, 14, 14], [13, 14, 14]]


def test_vectors_are_one_row() -> None:
    vector = np.arange(7, dtype=np.uint8)
    assert np.array_equal(join(split(vector, (7,)), 1, 7), vector)


def test_impossible_sizes_are_refused() -> None:
    for size in ((0, 5), (2**31, 2**31)):
        with pytest.raises(HvaeError, match="expected a picture of"):
            layout(*size, (3, 32, 32))
