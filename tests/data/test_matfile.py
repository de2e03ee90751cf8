"""MATLAB files against scipy's own, and what a forged one may say."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from hvae.data.sequences.matfile import read_mat
from hvae.errors import HvaeError

HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def variable(sort: int, shape: tuple[int, ...], content: bytes, name: bytes = b"train", flags: int = 0) -> bytes:
    head = element(6, struct.pack("<II", sort | flags, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, head + element(1, name) + content)


DOUBLES = element(9, bytes(80))


def nested(depth: int) -> bytes:
    inner = variable(6, (1, 10), DOUBLES, b"")
    for _ in range(depth):
        inner = variable(1, (1, 1), inner, b"")
    return variable(1, (1, 1), inner)


FORGED = {
    "cells in cells": nested(5_000),
    "sizes below zero": variable(6, (-1, -10), DOUBLES),
    "sizes of 10^18": variable(6, (2**31 - 1, 2**31 - 1), DOUBLES),
    "a hundred axes": variable(6, (1,) * 100, DOUBLES),
    "no axes": variable(6, (), DOUBLES),
    "fewer numbers": variable(6, (11, 1), DOUBLES),
    "more numbers": variable(6, (1, 1), DOUBLES),
    "numbers of no kind": variable(6, (1, 10), element(0x7FFF, bytes(80))),
    "numbers of a kind far away": variable(6, (1, 10), struct.pack("<II", 0xFFFF, 80) + bytes(80)),
    "a matrix as numbers": variable(6, (1, 10), variable(6, (1, 10), DOUBLES)),
    "a part of an eighth": variable(6, (1, 10), element(9, bytes(77))),
    "an empty cell of 10^9": variable(1, (10**6, 10**3), b""),
    "an empty cell of 10^7": variable(1, (10**7, 1), struct.pack("<II", 14, 0) * 10**5),
    "more arrays than a cell has": variable(1, (1, 1), struct.pack("<II", 14, 0) * 10**5),
    "a cell of bytes": variable(1, (1, 1), element(2, b"x")),
    "a sparse matrix without indices": variable(5, (5, 5), element(5, bytes(8)) + DOUBLES),
    "text": variable(4, (1, 2), element(4, b"a\0b\0")),
    "a structure of 10^9 fields": variable(2, (1, 1), element(5, struct.pack("<i", 10**9))),
    "complex numbers": variable(6, (1, 10), DOUBLES + DOUBLES, flags=0x800),
    "an unknown class": variable(99, (1, 10), DOUBLES),
    "a variable of nothing": element(14, b""),
    "something else": element(1, b"train"),
    "an element that ends beyond": struct.pack("<II", 14, 2**32 - 8) + bytes(80),
    "a small element that is large": struct.pack("<HHI", 14, 900, 0) + bytes(900),
    "packed noise": struct.pack("<II", 15, 40) + bytes(40),
    "packed, and cut": struct.pack("<II", 15, 20) + zlib.compress(variable(6, (1, 10), DOUBLES))[:20],
    "packed twice": element(15, zlib.compress(element(15, zlib.compress(variable(6, (1, 10), DOUBLES))))),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED)
def test_a_forged_file_is_one_line(tmp_path: Path, content: bytes, packed: bool) -> None:
    (tmp_path / "a.mat").write_bytes(HEAD + (element(15, zlib.compress(content)) if packed else content))
    with pytest.raises(HvaeError, match=r"a\.mat") as caught:
        read_mat(tmp_path / "a.mat")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def _cell(random: np.random.Generator) -> np.ndarray:
    cell = np.empty((1, 3), object)
    cell[0] = [random.integers(0, 2, (n, 88)).astype(kind) for n, kind in ((3, "u1"), (5, "f8"), (0, "f8"))]
    return cell


ARRAYS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "cell": _cell,
    "cube": lambda random: random.random((3, 4, 2)),
    "short": lambda random: random.integers(-9, 9, (2, 3)).astype("i2"),
    "truth": lambda random: random.random((1, 2)) < 0.5,
    "single": lambda random: random.random((1, 1)).astype("f4"),
    "long": lambda random: np.array([[2**63 - 1]]),
    "none": lambda random: np.zeros((0, 4)),
}


@pytest.mark.parametrize("packed", [False, True])
def test_scipy_reads_the_same(tmp_path: Path, packed: bool) -> None:
    arrays = {name: make(np.random.default_rng(0)) for name, make in ARRAYS.items()}
    scipy.io.savemat(tmp_path / "a.mat", arrays, do_compression=packed)
    ours, theirs = read_mat(tmp_path / "a.mat"), scipy.io.loadmat(tmp_path / "a.mat")
    assert set(ours) == set(ARRAYS)
    for name, several in ours.items():
        expected = list(theirs[name].ravel()) if theirs[name].dtype == object else [theirs[name]]
        for one, other in zip(several, expected, strict=True):
            assert one.shape == other.shape and np.array_equal(one, other)


def test_numbers_of_the_other_byte_order(tmp_path: Path) -> None:
    def swapped(content: bytes) -> bytes:
        return b"".join(content[i : i + 4][::-1] for i in range(0, len(content), 4))

    head = element(6, struct.pack("<II", 12, 0)) + element(5, struct.pack("<2i", 1, 2)) + struct.pack("<HHI", 1, 1, 0)
    body = swapped(element(14, head + element(5, struct.pack("<2i", 7, -300))))
    at = body.index(b"\x00\x01\x00\x01") + 4
    (tmp_path / "a.mat").write_bytes(HEAD[:-2] + b"MI" + body[:at] + b"x\0\0\0" + body[at + 4 :])
    assert {name: one[0].tolist() for name, one in read_mat(tmp_path / "a.mat").items()} == {"x": [[7, -300]]}
