"""Pictures: tiles of any size, and image files without any loss, or a refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvae.coding.pictures import MODES, Picture, join, layout, open_picture, save_picture, split
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


FILES = {
    "grey": (Image.fromarray(RNG.integers(0, 256, (7, 9), dtype=np.uint8)), "L"),
    "colour": (Image.fromarray(RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)), "RGB"),
    "binary": (Image.fromarray(RNG.integers(0, 2, (7, 9), dtype=np.uint8) * np.uint8(255)).convert("1"), "1"),
}


@pytest.mark.parametrize(
    ("name", "channels", "bits"), [("grey", 1, 8), ("grey", 3, 8), ("colour", 3, 8), ("binary", 1, 1), ("binary", 3, 8)]
)
def test_files_come_back_in_their_mode(name: str, channels: int, bits: int, tmp_path: Path) -> None:
    image, mode = FILES[name]
    image.save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png", channels, bits)
    assert picture.levels.shape == (channels, 7, 9) and MODES[picture.mode] == mode
    assert picture.levels.max() < 2**bits
    save_picture(tmp_path / "b.png", picture, bits)
    with Image.open(tmp_path / "b.png") as back:
        assert back.mode == mode
        assert np.array_equal(np.asarray(back), np.asarray(image))


def test_palettes_become_colour(tmp_path: Path) -> None:
    FILES["colour"][0].quantize(8).save(tmp_path / "p.png")
    picture = open_picture(tmp_path / "p.png", 3, 8)
    with Image.open(tmp_path / "p.png") as image:
        assert np.array_equal(picture.levels.transpose(1, 2, 0), np.asarray(image.convert("RGB")))


def test_what_would_lose_something_is_refused_in_one_line(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4)).save(tmp_path / "clear.png")
    Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    FILES["colour"][0].save(tmp_path / "colour.png")
    FILES["grey"][0].save(tmp_path / "grey.png")
    (tmp_path / "text.png").write_text("no image")
    for name, channels, bits, words in (
        ("clear.png", 3, 8, "got mode RGBA; transparency and 16 bits are not coded yet"),
        ("deep.png", 1, 8, "transparency and 16 bits are not coded yet"),
        ("colour.png", 1, 8, "has 3 channels and the model 1"),
        ("grey.png", 1, 1, "between the 2 levels that the model knows"),
        ("text.png", 1, 8, "cannot be read as an image"),
        ("none.png", 1, 8, "cannot be read as an image"),
    ):
        with pytest.raises(HvaeError, match=words) as found:
            open_picture(tmp_path / name, channels, bits)
        assert "\n" not in str(found.value)


def test_only_lossless_names_are_written(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=r"ends in \.png"):
        save_picture(tmp_path / "a.jpg", Picture("a", np.zeros((1, 2, 2), dtype=np.uint8), 2), 8)
    save_picture(tmp_path / "a.npy", Picture("a", np.zeros((1, 2, 2), dtype=np.uint8), 0), 8)
    assert np.load(tmp_path / "a.npy").shape == (1, 2, 2)
