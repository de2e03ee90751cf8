"""MATLAB files (version 5, .mat) of numbers and lists of them; what they unpack to is settled first.

A file is a row of elements, each a tag (kind, bytes) and its content, padded to eight bytes; a variable is an element
of elements: flags, dimensions, a name, then its numbers in the order of Fortran, or for a cell one such element each.
Of an element that a deflate stream packs a kilobyte may hold a megabyte: all are unpacked once into nothing, which
costs time alone, before anything is taken for them.

Read here, although scipy reads them too: its reader follows what a forged file says into memory that is not its own.
The form is that of "MAT-File Format" (The MathWorks, R2019b), chapter 1.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from hvae.data.transforms import Array
from hvae.data.unpacking import ALWAYS, BLOCK, MOST_FOLD, check_size
from hvae.errors import HvaeError
from hvae.files import read_regular

LARGEST = 1 << 31
MOST_CELLS = 1_000_000
"""Arrays of a cell: an empty one takes eight bytes of a file, which may be packed a thousandfold."""
_HEADER, _SMALL = 128, 4
_NAME, _DIMENSIONS, _FLAGS, _VARIABLE, _PACKED = 1, 5, 6, 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CELL, _NUMBERS, _COMPLEX = 1, range(6, 16), 0x800
_OTHERS = {2: "a structure", 3: "an object", 4: "text", 5: "a sparse matrix"}
_MOST_AXES = 32
Element = tuple[int, memoryview]
"""The kind of an element and its content."""


def read_mat(path: Path) -> dict[str, list[Array]]:
    """The variables of a .mat file by name, each a list of arrays: that of a cell, or of the one array.

    Raises HvaeError for a file that is no .mat of version 5, is damaged, holds other things than numbers, or unpacks
    to more than memory.
    """
    content = read_regular(path, LARGEST)
    if content[:6] != b"MATLAB" or len(content) < _HEADER:
        raise HvaeError(f"{path}: expected a MATLAB file of version 5, got another kind; save it with -v7, or as .npz")
    order = "<" if content[126:_HEADER] == b"IM" else ">"
    view = memoryview(content)[_HEADER:]
    try:
        check_size(len(content), _unpacked_size(view, order), path)
        return dict(_variables(view, order, str(path)))
    except HvaeError:
        raise
    except (ValueError, struct.error, zlib.error, OverflowError) as fault:
        raise HvaeError(f"cannot read {path} as a MATLAB file: {fault}; fetch it again, or save it anew") from fault


def _elements(content: memoryview, order: str) -> Iterator[Element]:
    """The elements that stand one after another.  Raises ValueError for one that ends beyond what holds it."""
    at = 0
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        begin, padded = at + 8, -size % 8 if kind != _PACKED else 0
        if kind >> 16:  # content of up to four bytes stands in the tag itself
            kind, size, begin, padded = kind & 0xFFFF, kind >> 16, at + 4, _SMALL - (kind >> 16)
        if begin + size > len(content) or padded < 0:
            raise ValueError(f"an element of {size:,} bytes ends beyond the file")
        yield kind, content[begin : begin + size]
        at = begin + size + padded


def _unpacked_size(content: memoryview, order: str) -> int:
    """Bytes of all variables once they are unpacked, no further than they may be."""
    most, total = max(ALWAYS, MOST_FOLD * len(content)), 0
    for kind, part in _elements(content, order):
        total += _inflated(part, most) if kind == _PACKED else len(part)
        if total > most:
            break
    return total


def _inflated(packed: memoryview, most: int) -> int:
    # A piece at a time: what a call leaves over is copied for the next.
    stream, size = zlib.decompressobj(), 0
    for at in range(0, len(packed), BLOCK):
        rest = bytes(packed[at : at + BLOCK])
        while rest and size <= most and not stream.eof:
            size += len(stream.decompress(rest, BLOCK))
            rest = stream.unconsumed_tail
    return size


def _variables(content: memoryview, order: str, where: str) -> Iterator[tuple[str, list[Array]]]:
    """The names of all variables, and their arrays; the one without a name is MATLAB's own."""
    for outer in _elements(content, order):
        inner = _elements(memoryview(zlib.decompress(outer[1])), order) if outer[0] == _PACKED else iter([outer])
        kind, body = next(inner, (0, memoryview(b"")))
        if kind != _VARIABLE:
            raise ValueError(f"a variable is expected, and an element of kind {kind} is there")
        parts = _elements(body, order)
        flags, shape, name = _head(parts, order)
        if name:
            yield name, _arrays(parts, flags, shape, order, f"{where} ({name})")


def _arrays(parts: Iterator[Element], flags: int, shape: tuple[int, ...], order: str, where: str) -> list[Array]:
    """The arrays of a cell, or the one array."""
    if flags & 0xFF != _CELL:
        return [_numbers(parts, flags, shape, order, where)]
    if math.prod(shape) > MOST_CELLS:
        raise ValueError(f"expected a cell of at most {MOST_CELLS:,} arrays, got {math.prod(shape):,}")
    cells = [_cell(kind, body, order, where) for kind, body in islice(parts, math.prod(shape) + 1)]
    if len(cells) != math.prod(shape):
        raise ValueError(f"a cell declares {math.prod(shape):,} arrays, and {len(cells):,} are there")
    return cells


def _cell(kind: int, body: memoryview, order: str, where: str) -> Array:
    if kind != _VARIABLE:
        raise ValueError(f"an array is expected, and an element of kind {kind} is there")
    if not body:
        return np.zeros((0, 0))
    parts = _elements(body, order)
    flags, shape, _ = _head(parts, order)
    return _numbers(parts, flags, shape, order, where)


def _numbers(parts: Iterator[Element], flags: int, shape: tuple[int, ...], order: str, where: str) -> Array:
    """The numbers of an array.  Raises HvaeError for anything else, sparse matrices and cells of cells too."""
    if flags & 0xFF not in _NUMBERS or flags & _COMPLEX:
        what = "complex numbers" if flags & _COMPLEX else _OTHERS.get(flags & 0xFF, "something else")
        raise HvaeError(f"{where}: expected numbers, or a cell of them, got {what}; save plain arrays")
    kind, body = next(parts, (0, memoryview(b"")))
    if kind not in _STORED:
        raise ValueError(f"numbers are expected, and an element of kind {kind} is there")
    values = np.frombuffer(body, f"{order}{_STORED[kind]}")
    if len(values) != math.prod(shape):
        raise ValueError(f"an array declares {math.prod(shape):,} numbers, and {len(values):,} are there")
    return values.astype(values.dtype.newbyteorder("=")).reshape(shape, order="F")


def _head(parts: Iterator[Element], order: str) -> tuple[int, tuple[int, ...], str]:
    """The flags of an array, the least byte its class; its shape; its name."""
    flags: int = struct.unpack_from(f"{order}I", _next(parts, _FLAGS))[0]
    shape = tuple(np.frombuffer(_next(parts, _DIMENSIONS), f"{order}i4").tolist())
    if not 1 <= len(shape) <= _MOST_AXES or min(shape) < 0:
        raise ValueError(f"expected 1 to {_MOST_AXES} sizes of an array, none below 0, got {str(shape)[:80]}")
    return flags, shape, bytes(_next(parts, _NAME)).decode("latin1")


def _next(parts: Iterator[Element], expected: int) -> memoryview:
    kind, body = next(parts, (0, memoryview(b"")))
    if kind != expected:
        raise ValueError(f"an element of kind {expected} is expected, and one of kind {kind} is there")
    return body
