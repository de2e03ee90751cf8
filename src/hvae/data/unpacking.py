"""Packed files: how large their content is, settled before any memory is taken for it.

A kilobyte of gzip may hold a megabyte and an archive may declare any size, so that what a file says of itself is
compared with what it can hold, and that with the memory there is.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO, NamedTuple

import numpy as np

from hvae.capacity import check_memory
from hvae.data.transforms import Array
from hvae.errors import HvaeError

# dSprites, mostly black, unpacks to 112 times its size; nothing but zeros to 1,030 times.
MOST_FOLD, ALWAYS = 400, 1 << 26
BLOCK = 1 << 20
_LONGEST_HEADER, MOST_EMPTY = 10_000, 10_000
_GZIP, _NPY = b"\x1f\x8b", b"\x93NUMPY"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MOST_ENTRIES = 100_000
DAMAGED: tuple[type[Exception], ...] = (EOFError, zlib.error, zipfile.BadZipFile, OSError, ValueError, KeyError)
DAMAGED += (TypeError, OverflowError, NotImplementedError, RecursionError, MemoryError, SyntaxError, TokenError)
DAMAGED += (IndexError, AttributeError)
"""What the readers of archives and arrays raise for damaged ones."""


def in_words(fault: Exception) -> str:
    """Why a file cannot be read: NumPy reads headers as Python's syntax, whose nodes say nothing to people.

    >>> in_words(ValueError("malformed node or string on line 1: <ast.Call object at 0x7fb4159bdcc0>"))
    'malformed node or string on line 1'
    """
    first, *_ = str(fault).splitlines() or [""]
    return re.sub(r":? <\S+ object at 0x\w+>", "", first)[:200] or type(fault).__name__


def check_shape(shape: Sequence[int], itemsize: int = 1) -> None:
    """Raises ValueError for an array without any values that declares rows: they would cost no byte of a file.

    >>> check_shape((10**9, 0, 88))
    Traceback (most recent call last):
    ...
    ValueError: shape (1000000000, 0, 88) declares rows of nothing
    """
    if not math.prod(shape) * itemsize and max(shape, default=0) > MOST_EMPTY:
        raise ValueError(f"shape {tuple(shape)} declares rows of nothing")


def check_size(packed: int, unpacked: int, where: str | Path) -> None:
    """Raises HvaeError when content of `unpacked` bytes is more than memory, or than a real file of `packed` holds."""
    if unpacked > max(ALWAYS, MOST_FOLD * packed):
        raise HvaeError(f"{where}: expected real data, got {packed:,} bytes that declare {unpacked:,}; it is damaged")
    check_memory(unpacked, str(where))


def unpacked(file: BinaryIO) -> BinaryIO:
    """The content of an open file as a stream: that of gzip unpacked while it is read."""
    packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[return-value]


def content(file: BinaryIO, where: str | Path, limit: int) -> bytes:
    """The whole content of an open file, unpacked where it is gzip.  Raises HvaeError when it is more than `limit`."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    most = min(limit, max(ALWAYS, MOST_FOLD * size))
    result = unpacked(file).read(most + 1)
    if len(result) > most:
        raise HvaeError(f"{where}: expected at most {most:,} bytes of content, got more; it is damaged")
    return result


class _Npy(NamedTuple):
    """What the header of an array says."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


def is_npy(file: BinaryIO) -> bool:
    """Whether an array comes next in a stream that can go back."""
    start = file.read(len(_NPY))
    file.seek(-len(start), io.SEEK_CUR)
    return start == _NPY


def mapped(file: BinaryIO) -> Array:
    """The array of an open .npy file, mapped copy-on-write.  Raises ValueError when it is damaged."""
    header, start = _header(file), file.tell()
    there = file.seek(0, io.SEEK_END) - start
    if header.size > there:
        raise ValueError(f"expected {header.size:,} bytes of values for shape {header.shape}, got {there:,}")
    order = "F" if header.fortran else "C"
    if not header.size:
        return np.empty(header.shape, header.dtype)  # nothing cannot be mapped
    # Copy-on-write, so that torch may share the mapping; nothing is ever written to the file.
    return np.memmap(file, header.dtype, "c", start, header.shape, order)  # type: ignore[call-overload, no-any-return]


def archived(file: BinaryIO, where: Path) -> dict[str, Array]:
    """The arrays of an open .npz file by name.  Raises one of `DAMAGED` when it is."""
    packed = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        check_entries(entries, packed, where)
        return dict(_arrays(archive, entries))


def check_entries(entries: list[zipfile.ZipInfo], packed: int, where: str | Path) -> None:
    """Raises HvaeError for an archive of `packed` bytes whose entries are too large, too many, or packed unusually."""
    if len(entries) > _MOST_ENTRIES:
        raise HvaeError(f"{where}: expected at most {_MOST_ENTRIES:,} entries, got {len(entries):,}")
    if any(entry.compress_type not in _METHODS or entry.flag_bits & 1 for entry in entries):
        raise HvaeError(f"{where}: expected entries stored or deflated without a password, got others; save it again")
    check_size(packed, sum(entry.file_size for entry in entries), where)


def _arrays(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> Iterator[tuple[str, Array]]:
    for entry in entries:
        with archive.open(entry) as stream:
            if is_npy(stream):  # type: ignore[arg-type]
                yield entry.filename.removesuffix(".npy"), _read(stream, entry.file_size)  # type: ignore[arg-type]


def _read(stream: BinaryIO, size: int) -> Array:
    """The array that comes next in a stream whose whole size is known."""
    header = _header(stream)
    if header.size > size:
        raise ValueError(f"expected {header.size:,} bytes of values for shape {header.shape}, got at most {size:,}")
    values = bytearray(header.size)
    view, at = memoryview(values), 0
    while at < header.size:
        block = stream.read(min(BLOCK, header.size - at))
        if not block:
            raise ValueError(f"expected {header.size:,} bytes of values for shape {header.shape}, got {at:,}")
        view[at : at + len(block)] = block
        at += len(block)
    while stream.read(BLOCK):  # the checksum of an entry is compared at its end
        pass
    return np.ndarray(header.shape, header.dtype, values, order="F" if header.fortran else "C")


def _header(file: BinaryIO) -> _Npy:
    """The header of an array, read no further than it may be long.  Raises ValueError for objects, and damage."""
    start = file.read(10)
    old = len(start) > 6 and start[6] == 1
    start += b"" if old else file.read(2)
    length = int.from_bytes(start[8:], "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"expected a header of at most {_LONGEST_HEADER:,} bytes, got {length:,}")
    head = io.BytesIO(start + file.read(length))
    np.lib.format.read_magic(head)
    parsed = (np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0)(head)
    header = _Npy(*parsed)
    if header.dtype.hasobject or min(header.shape, default=0) < 0:
        raise ValueError(f"expected plain numbers, got {header.dtype} of shape {header.shape}")
    check_shape(header.shape, header.dtype.itemsize)
    return header
