"""Headers that were forged whole, their checksum too: a picture comes out or one line, in little memory."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_lossy
from test_container import resealed
from tiny_codecs import drawings, tiny

from hvae.coding import CLASSIC, Codec, LossyCodec, Picture, opened, read, save_picture
from hvae.coding.entropy.bins import Grid, Relative, Scaled
from hvae.coding.files.classic import squeeze
from hvae.coding.files.container import Block, Header, Item, write
from hvae.coding.files.pictures import MODES
from hvae.coding.lossless.crew import entry
from hvae.errors import HvaeError

SIZES = (0, 1, 2, 3, 4, 5, 8, 16, 17, 255, 2**14, 2**28, 2**31, 2**62)


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
        ((3, 0, 0), RGB, "expected images"),
        ((3, 32), RGB, "expected images"),
        ((), RGB, "expected images"),
        ((48,), RGB, "mode RGB for a model of"),
        ((1, 4, 4), RGB, "mode RGB for a model of"),
        ((2**20, 2**20, 2**20), RGB, "expected images"),
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


@cache
def contents() -> dict[str, tuple[bytes, Callable[[bytes], list[Picture]], int]]:
    """Files, how they are read, and the bits of their pictures: by a model, without one, and with loss."""
    rng, found = np.random.default_rng(2), {}
    colour, binary, lossy = tiny("colour"), tiny(), tiny_lossy.codec()
    for kind, codec, mode, planes in (("colour", colour, "RGBA;16", 5), ("binary", binary, "LA", 1)):
        pictures = drawings(12, (codec.shape[0], 8, 9))
        rest = rng.integers(0, 256, (planes, 8, 9), dtype=np.uint8)
        pictures.append(Picture("odd", pictures[0].levels, MODES.index(mode), rest))
        found[kind] = (codec.compress(pictures).content, by(codec), codec.bits)
    found["classic"] = (colour._classic(pictures := drawings(3, (3, 5, 6))), by(colour), 8)
    found["lossy"] = (lossy.compress(tiny_lossy.waves(3, (16, 16))).content, by_levels(lossy), 8)
    return found


def by(codec: Codec) -> Callable[[bytes], list[Picture]]:
    return lambda content: codec.decompress(read(content))


def by_levels(codec: LossyCodec) -> Callable[[bytes], list[Picture]]:
    return lambda content: codec.decompress(opened(content) or read(content))


def changed(rng: np.random.Generator, header: Header) -> Header:
    """With one of its words replaced by one that says something else."""
    size = int(rng.choice(SIZES))
    items, blocks = list(header.items), list(header.blocks)
    i, b = int(rng.integers(len(items))), int(rng.integers(len(blocks)))
    word = str(rng.choice(["name", "mode", "height", "width", "count"]))
    value: Any = "x\0/../y" if word == "name" else int(rng.integers(12)) if word == "mode" else size
    items[i] = replace(items[i], **{word: value})
    blocks[b] = replace(blocks[b], **{str(rng.choice(["count", "size", "crc", "content"])): size & 0xFFFFFFFF})
    shape = list(header.shape)
    shape[int(rng.integers(len(shape)))] = size
    bins = [Relative(int(rng.integers(1, 21))), Scaled(int(rng.integers(-60, 61)), 5), Grid(-4.0, 2.0**-9, 12)]
    levels = {str(rng.choice(["z1", "z2", "z9"])): bins[int(rng.integers(3))]}
    choices: list[dict[str, Any]] = [
        {"items": tuple(items)},
        {"items": tuple(items[:i] + items[i + 1 :])},
        {"blocks": tuple(blocks)},
        {"shape": tuple(shape)},
        {"shape": header.shape[: int(rng.integers(3))]},
        {"bits": int(rng.integers(12))},
        {"order": int(rng.choice([0, 1, 2, 3, 100, 101, 102]))},
        {"levels": {**header.levels, **levels}},
        {"levels": {}},
    ]
    return replace(header, **choices[int(rng.integers(len(choices)))])


def mutation(rng: np.random.Generator, content: bytes) -> bytes:
    """A file with a header that says something else, or with one byte of it changed; the checksum is right again."""
    if rng.random() < 0.6:
        file = read(content)
        return write(changed(rng, file.header), [bytes(p) for p in file.payloads])
    size = struct.unpack_from("<I", content, 10)[0]
    made, at = bytearray(content), 22 + int(rng.integers(size))
    made[at] ^= int(rng.integers(1, 256))
    return resealed(bytes(made))


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
