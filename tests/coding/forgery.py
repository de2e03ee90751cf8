"""Compressed files that are not what was written: damaged, or forged with their checksums made right again."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import tiny_lossy
from tiny_codecs import drawings, tiny

from hvae.coding import Codec, LossyCodec, Picture, opened, read
from hvae.coding.entropy.bins import Grid, Relative, Scaled
from hvae.coding.files.container import Header, write
from hvae.coding.files.pictures import MODES

SIZES = (0, 1, 2, 3, 4, 5, 8, 16, 17, 255, 2**14, 2**28, 2**31, 2**62)


def resealed(content: bytes) -> bytes:
    """With lengths and checksum of the header made to fit again: what a forger would write."""
    _, version, size, _ = struct.unpack_from("<8sHIQ", content)
    start = struct.pack("<8sHIQ", content[:8], version, size, len(content)) + content[22 : 22 + size]
    return start + struct.pack("<I", zlib.crc32(start)) + content[26 + size :]


def mutations(content: bytes, count: int) -> list[bytes]:
    """Each one byte changed, or a cut anywhere."""
    rng, forgeries = np.random.default_rng(1), []
    for at, by in zip(rng.integers(0, len(content), count), rng.integers(1, 256, count), strict=True):
        changed = bytearray(content)
        changed[at] ^= int(by)
        forgeries.append(content[:at] if by < 32 else bytes(changed))
    return forgeries


@cache
def contents() -> dict[str, tuple[bytes, Callable[[bytes], list[Picture]], int]]:
    """Files, how they are read, and the bits of their pictures: by a model, without one, and with loss."""
    rng, files = np.random.default_rng(2), {}
    colour, binary, lossy = tiny("colour"), tiny(), tiny_lossy.codec()
    for kind, codec, mode, planes in (("colour", colour, "RGBA;16", 5), ("binary", binary, "LA", 1)):
        pictures = drawings(12, (codec.shape[0], 8, 9))
        rest = rng.integers(0, 256, (planes, 8, 9), dtype=np.uint8)
        pictures.append(Picture("odd", pictures[0].levels, MODES.index(mode), rest))
        files[kind] = (codec.compress(pictures).content, by(codec), codec.bits)
    files["classic"] = (colour._classic(pictures := drawings(3, (3, 5, 6))), by(colour), 8)
    files["lossy"] = (lossy.compress(tiny_lossy.waves(3, (16, 16))).content, by_levels(lossy), 8)
    return files


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
    copy, at = bytearray(content), 22 + int(rng.integers(size))
    copy[at] ^= int(rng.integers(1, 256))
    return resealed(bytes(copy))
