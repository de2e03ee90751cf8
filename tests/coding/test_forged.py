"""Headers that were forged whole, their checksum too: a picture comes out or one line, in little memory."""

from __future__ import annotations

import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from forgery import contents, mutation
from tiny_codecs import tiny

from hvae.coding import CLASSIC, read, save_picture
from hvae.coding.files.classic import squeeze
from hvae.coding.files.container import Block, Header, Item, write
from hvae.coding.files.pictures import MODES
from hvae.coding.lossless.crew import entry
from hvae.errors import HvaeError


def forged(shape: tuple[int, ...], item: Item, bits: int = 8, count: int = 48) -> bytes:
    """A file without a model, of one picture of zeros."""
    levels = np.zeros(count, np.uint8)
    body = squeeze(levels[None], 8)
    block = Block(1, len(body), zlib.crc32(body), zlib.crc32(levels))
    blank = {"model": bytes(16), "probabilities": bytes(8), "run": ""}
    return write(Header(order=CLASSIC, bits=bits, shape=shape, items=(item,), blocks=(block,), **blank), [body])


RGB, GREY, PLAIN = Item("a", MODES.index("RGB"), 4, 4), Item("a", MODES.index("L"), 4, 4), Item("a", 0, 4, 4)


@pytest.mark.parametrize(
    ("shape", "item", "message"),
    [
        ((3, 0, 0), RGB, "expected data of 1 to 4 axes"),
        ((3, 32), RGB, "mode RGB for a model of"),
        ((), RGB, "expected data of 1 to 4 axes"),
        ((48,), RGB, "mode RGB for a model of"),
        ((1, 4, 4), RGB, "mode RGB for a model of"),
        ((2**20, 2**20, 2**20), RGB, "expected data of 1 to 4 axes"),
        ((3, 32, 32), replace(RGB, mode=99), "expected a mode below"),
        ((3, 32, 32), replace(RGB, count=0), "do not fit its blocks"),
        ((3, 32, 32), replace(RGB, height=0), "expected a picture of"),
        (
            (3, 32, 32),
            replace(RGB, mode=MODES.index("RGBA"), height=2**62, width=2**62),
            "do not fit|expected a picture",
        ),
    ],
)
def test_impossible_shapes_are_one_line(shape: tuple[int, ...], item: Item, message: str) -> None:
    with pytest.raises(HvaeError, match=message) as told:
        tiny("colour").decompress(read(forged(shape, item)))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("bits", [0, 9, 99])
def test_impossible_bits_are_one_line(bits: int) -> None:
    with pytest.raises(HvaeError, match="expected images of 1 to 8 bits"):
        read(forged((3, 32, 32), RGB, bits))


def test_the_forger_can_write_what_is_right() -> None:
    assert not tiny("colour").decompress(read(forged((3, 32, 32), RGB)))[0].levels.any()
    assert not tiny().decompress(read(forged((48,), PLAIN)))[0].levels.any()


def test_a_grey_picture_of_several_colours_is_damaged() -> None:
    levels = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    body = squeeze(levels[None], 8)
    file = read(forged((3, 32, 32), GREY))
    made = write(replace(file.header, blocks=(entry(1, body, levels),)), [body])
    with pytest.raises(HvaeError, match="'a' is said to be grey and has colours"):
        tiny("colour").decompress(read(made))


def test_an_order_that_a_model_has_not_is_one_line() -> None:
    """Bit-Swap, of a model that is no chain."""
    content, back, _ = contents()["binary"]
    file = read(content)
    assert file.header.order == 0
    made = write(replace(file.header, order=1), [bytes(p) for p in file.payloads])
    with pytest.raises(HvaeError, match="order bit-swap, which this model has not"):
        back(made)


@pytest.mark.parametrize("kind", ["colour", "binary", "classic", "lossy"])
def test_forged_headers_give_the_right_pixels_or_one_line(kind: str, tmp_path: Path) -> None:
    content, back, bits = contents()[kind]
    rng, expected, refused = np.random.default_rng(7), back(content), 0
    truth = {p.levels.tobytes() for p in expected}
    tracemalloc.start()
    for _ in range(75):
        made = mutation(rng, content)
        try:
            pictures = back(made)
            for picture in pictures:
                save_picture(tmp_path / ("a.npy" if MODES[picture.mode] == "array" else "a.png"), picture, bits)
        except HvaeError as fault:
            assert "\n" not in str(fault)
            refused += 1
            continue
        same = read(made).header.items == read(content).header.items
        assert not same or {p.levels.tobytes() for p in pictures} <= truth or kind == "lossy"
    assert 20 < refused < 75 and tracemalloc.get_traced_memory()[1] < 2**28
    tracemalloc.stop()
