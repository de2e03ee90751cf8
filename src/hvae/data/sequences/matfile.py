"""MATLAB files (version 5, .mat) of numbers and lists of them, by scipy; what they unpack to is settled first.

A .mat file packs each of its variables by itself, so that a kilobyte may hold a megabyte: its parts are unpacked once
into nothing, which costs time alone, before anything is taken for them.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from hvae.data.transforms import Array
from hvae.data.unpacking import ALWAYS, BLOCK, MOST_FOLD, check_size
from hvae.errors import HvaeError
from hvae.files import open_regular, read_regular

_HEADER, _PACKED = 128, 15
LARGEST = 1 << 31


def read_mat(path: Path) -> dict[str, list[Array]]:
    """The variables of a .mat file by name, each a list of arrays: that of a cell, or of the one array.

    Raises HvaeError for a file that is no .mat of version 5, is damaged, holds other things than numbers, or unpacks
    to more than memory.
    """
    import scipy.io

    content = read_regular(path, LARGEST)
    if content[:6] != b"MATLAB":
        raise HvaeError(f"{path}: expected a MATLAB file of version 5, got another kind; save it with -v7, or as .npz")
    try:
        check_size(len(content), _unpacked_size(content), path)
        with open_regular(path) as file:
            sizes = [int(np.prod(shape, dtype=float)) for _, shape, _ in scipy.io.whosmat(file)]
            check_size(len(content), 8 * sum(sizes), path)
            file.seek(0)
            found = scipy.io.loadmat(file)
    except HvaeError:
        raise
    except Exception as fault:  # scipy says of damage whatever its parts say
        why = (str(fault) or type(fault).__name__).splitlines()[0][:200]
        raise HvaeError(f"cannot read {path} as a MATLAB file: {why}; fetch it again, or save it anew") from fault
    return {name: _numbers(value, f"{path} ({name})") for name, value in found.items() if not name.startswith("__")}


def _unpacked_size(content: bytes) -> int:
    """Bytes of all its variables once they are unpacked, no further than they may be."""
    most, total, at = max(ALWAYS, MOST_FOLD * len(content)), 0, _HEADER
    order = "<" if content[126:128] == b"IM" else ">"
    while at + 8 <= len(content) and total <= most:
        kind, size = struct.unpack(f"{order}II", content[at : at + 8])
        part = content[at + 8 : at + 8 + size]
        total += _inflated(part, most) if kind == _PACKED else len(part)
        at += 8 + size
    return total


def _inflated(packed: bytes, most: int) -> int:
    stream, size, rest = zlib.decompressobj(), 0, packed
    while size <= most and not stream.eof:
        block = stream.decompress(rest, BLOCK)
        rest = stream.unconsumed_tail
        size += len(block)
        if not block and not rest:
            break
    return size


def _numbers(value: Any, where: str) -> list[Array]:
    """A cell's arrays, or the one array.  Raises HvaeError for anything but numbers, sparse matrices too."""
    cell = isinstance(value, np.ndarray) and value.dtype == object
    arrays = [np.asarray(one) for one in (value.ravel() if cell else [value])]
    for one in arrays:
        if one.dtype.kind not in "buif":
            raise HvaeError(f"{where}: expected numbers, or a cell of them, got {one.dtype}; save plain arrays")
    return arrays
