"""Readers of single files: IDX, .npy, .npz, text bits (.amat), CIFAR batches.  Nothing in a file is ever executed.

Shapes: `N` images; `C` channels; `H W` space.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from hvae.capacity import check_memory
from hvae.data.transforms import Array
from hvae.data.unpacking import DAMAGED, archived, check_shape, check_size, content, in_words, is_npy, mapped, unpacked
from hvae.errors import HvaeError
from hvae.files import open_regular

IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
MOST_AXES = 32
MOST_CELLS, _CELL = 1 << 25, 40
"""Cells of a table, and bytes of one in memory, at the least: two places in lists, and a number."""
LARGEST_AMAT = 1 << 28
"""More than the text of 100,000 images of 28x28 bits."""


def read_bytes(path: Path, limit: int) -> bytes:
    """All bytes of a file, unpacked when it is gzip.

    Raises HvaeError when it cannot be read, is cut short, or has more than `limit` of them.
    """
    with open_regular(path) as file:
        try:
            return content(file, path, limit)
        except (OSError, EOFError, zlib.error) as fault:
            raise _damaged(path, fault) from fault


def check_cells(text: str, path: Path) -> None:
    """Raises HvaeError for a CSV of more cells than memory holds: an empty one takes a byte, which may be packed.

    >>> check_cells("a,b\\n1,2\\n", Path("table.csv"))
    """
    count = text.count(",") + text.count("\n")
    if count > MOST_CELLS:
        raise HvaeError(f"{path}: expected at most {MOST_CELLS:,} cells, got {count:,}; cut the table")
    check_memory(_CELL * count, str(path))


_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def check_commas(text: str, where: object) -> None:
    """Raises HvaeError for a first line that has another delimiter between its cells, as spreadsheets write one.

    The first cell ends with it there, and there are as many of it as there are cells between commas, or more.

    >>> check_commas("file,age; years\\na.png,31\\n", "table.csv")
    >>> check_commas("file;age, years;height\\na.png;31;1,80\\n", "table.csv")
    Traceback (most recent call last):
    hvae.errors.HvaeError: table.csv: expected commas between cells, got semicolons; save it with commas between ...
    """
    head = _QUOTED.sub("", text.partition("\n")[0])
    cells = head.split(",")
    if mark := next((mark for mark in _MARKS if mark in cells[0] and head.count(mark) >= len(cells)), ""):
        raise HvaeError(
            f"{where}: expected commas between cells, got {_MARKS[mark]}; save it with commas between cells and "
            "decimal points in numbers"
        )


def _damaged(path: Path, fault: BaseException) -> HvaeError:
    return HvaeError(f"cannot read {path}: {fault}; the file is damaged, fetch it again")


def read_idx(path: Path) -> Array:
    """The array of an IDX file (.gz or not): magic 0 0 type axes, big-endian sizes, values.

    Reference: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    """
    with open_regular(path) as file:
        packed = path.stat().st_size
        try:
            return _idx(unpacked(file), packed, path)
        except HvaeError:
            raise
        except (OSError, EOFError, ValueError, zlib.error) as fault:
            raise _damaged(path, fault) from fault


def _idx(stream: BinaryIO, packed: int, path: Path) -> Array:
    head = stream.read(4)
    is_idx = len(head) == 4 and head[:2] == b"\0\0" and head[2] in IDX_TYPES and head[3] <= MOST_AXES
    axes = stream.read(4 * head[3]) if is_idx else b""
    if not is_idx or len(axes) < 4 * head[3]:
        raise HvaeError(f"{path}: expected an IDX file (0 0 type axes ...), got {head.hex(' ') or 'nothing'}")
    shape = tuple(int(n) for n in np.frombuffer(axes, ">u4"))
    kind = np.dtype(IDX_TYPES[head[2]])
    check_shape(shape)
    expected = math.prod(shape) * kind.itemsize
    check_size(packed, expected, path)
    values = stream.read(expected + 1)
    if len(values) != expected:
        got = f"{len(values)}{' or more' * (len(values) > expected)}"
        raise HvaeError(f"{path}: expected {expected} bytes of values for shape {shape}, got {got}; fetch it again")
    return np.frombuffer(values, kind).reshape(shape).astype(kind.newbyteorder("="))


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file by name; of an .npy file one, mapped rather than read, under its stem."""
    return _arrays(path, lambda file: {path.stem: mapped(file)} if is_npy(file) else archived(file, path))


def read_archive(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file by name."""
    return _arrays(path, lambda file: archived(file, path))


def _arrays(path: Path, read: Callable[[BinaryIO], dict[str, Array]]) -> dict[str, Array]:
    with open_regular(path) as file:
        try:
            return read(file)
        except HvaeError:
            raise
        except DAMAGED as fault:
            raise HvaeError(f"cannot read {path} as .npy or .npz: {in_words(fault)}; save plain numbers") from fault


def read_amat(path: Path, width: int) -> Array:
    """Bits written as text, `width` a line: (N, width) uint8."""
    bits = np.frombuffer(read_bytes(path, LARGEST_AMAT).translate(None, b" \t\r\n"), np.uint8) - ord("0")
    if len(bits) % width or len(bits) == 0 or bits.max() > 1:
        raise HvaeError(f"{path}: expected lines of {width} digits 0 or 1, got {len(bits)} characters; fetch it again")
    return bits.reshape(-1, width)


def read_cifar_bin(data: bytes, where: str) -> tuple[Array, Array]:
    """One CIFAR-10 binary batch: rows of a label byte and 3 x 32 x 32 bytes.  (N, 3, 32, 32) and (N,)."""
    rows = np.frombuffer(data, np.uint8)
    if len(rows) % 3073 or len(rows) == 0:
        raise HvaeError(f"{where}: expected rows of 3,073 bytes, got {len(rows):,} bytes; fetch it again")
    rows = rows.reshape(-1, 3073)
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0]


def read_cifar_py(data: bytes, where: str) -> tuple[Array, Array]:
    """One CIFAR-10 Python batch, a pickle, read without running what a pickle can run."""
    batch = plain_unpickle(data, where)
    pixels, labels = (batch.get(name) for name in (b"data", b"labels")) if isinstance(batch, dict) else (None, None)
    if not (
        isinstance(pixels, np.ndarray)
        and pixels.dtype == np.uint8
        and isinstance(labels, list)
        and pixels.shape == (len(labels), 3072)
        and all(type(label) is int and 0 <= label < 10 for label in labels)
    ):
        raise HvaeError(
            f"{where}: expected 'data', bytes (N, 3072), and N 'labels' from 0 to 9; this is no CIFAR-10 batch, fetch "
            "it again"
        )
    return pixels.reshape(-1, 3, 32, 32), np.asarray(labels, dtype=np.int64)


def plain_unpickle(data: bytes, where: str) -> Any:
    """Unpickle numbers, text, containers and numpy arrays; HvaeError when the file asks for anything else."""
    try:
        return _Plain(io.BytesIO(data), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as fault:
        raise HvaeError(f"{where}: cannot be read as a plain pickle ({fault}); fetch it again") from fault


def _encode(text: str, _encoding: str) -> bytes:
    # Python 3 writes bytes into old pickles as a call of codecs.encode; only this use of it is let through.
    return text.encode("latin1")


# The function by which numpy arrays come out of pickles, taken from numpy itself: its module is private.
_RECONSTRUCT = np.zeros(0).__reduce__()[0]


class _Plain(pickle.Unpickler):
    """An unpickler that knows five harmless names; numpy 1 and 2 keep one of them in different modules."""

    _names: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _encode,
        ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"it asks to run {module}.{name}")
        return self._names[module, name]
