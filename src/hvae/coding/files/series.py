"""Sequences as integer arrays, and their form without a model.

Shapes: `N` sequences; `T` steps of one; `...` one step; `F` values of all.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hvae.coding.files.pictures import check_name
from hvae.errors import HvaeError

Whole = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Series:
    """One sequence of a name: its levels or symbols (T, ...) int32, the last `padding` of which fill its last step and
    are none of it."""

    name: str
    levels: Whole
    padding: int = 0

    def samples(self) -> Whole:
        """Its values one after another, (F,), without the padding."""
        flat = self.levels.reshape(-1)
        return flat[: len(flat) - self.padding]

    def whole(self) -> Whole:
        """Its levels.  Raises HvaeError where a part of the last step is none of it."""
        if self.padding:
            raise HvaeError(f"{self.name} ends within a step, and steps are asked for; name a file of sound")
        return self.levels


def check(series: Sequence[Series], step: tuple[int, ...], symbols: int) -> None:
    """Raises HvaeError unless there are sequences, with steps of this shape, of 0 to symbols - 1."""
    if not series:
        raise HvaeError("expected at least one sequence to compress, got none")
    for one in series:
        check_name(one.name)
        shape, top = one.levels.shape, int(one.levels.max(initial=0))
        if one.levels.dtype != np.int32 or shape[1:] != step or not shape[0]:
            raise HvaeError(f"{one.name}: expected whole numbers (T, {step}), got {one.levels.dtype} {shape}")
        if not 0 <= one.padding < max(1, one.levels[0].size):
            raise HvaeError(f"{one.name}: expected less padding than a step has values, got {one.padding}")
        if top >= symbols or int(one.levels.min(initial=0)) < 0:
            raise HvaeError(f"{one.name}: expected values from 0 to {symbols - 1}, got others")


def squeezed(levels: Sequence[Whole], bits: int) -> bytes:
    """Sequences in a generic format: their bytes, the lower ones of all values first, deflated; bits packed.

    >>> one = np.arange(300, dtype=np.int32)[:, None]
    >>> bool((unsqueezed(squeezed([one], 9), [one.shape], 9)[0] == one).all())
    True
    """
    values = np.concatenate([one.reshape(-1) for one in levels])
    return zlib.compress(_planes(values, bits), 9)


def _planes(values: Whole, bits: int) -> bytes:
    if bits == 1:
        return np.packbits(values.astype(np.uint8)).tobytes()
    return b"".join((values >> shift & 255).astype(np.uint8).tobytes() for shift in range(0, bits, 8))


def unsqueezed(blob: bytes, shapes: Sequence[tuple[int, ...]], bits: int) -> list[Whole]:
    """The inverse of `squeezed` for sequences of these shapes.  Raises HvaeError where they do not fit."""
    counts = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
    total = sum(counts)
    size = -(-total // 8) if bits == 1 else total * -(-bits // 8)
    unzip = zlib.decompressobj()
    try:
        raw = unzip.decompress(blob, size + 1)
    except zlib.error as fault:
        raise HvaeError(f"sequences kept without the model cannot be read ({fault}); the file is damaged") from fault
    if len(raw) != size or not unzip.eof:
        raise HvaeError(f"expected {size} bytes of sequences kept without the model; the file is damaged")
    values = _together(raw, total, bits)
    if values.size and int(values.max()) >> bits:
        raise HvaeError(f"a sequence kept without the model has more than {bits} bits; the file is damaged")
    ends = np.cumsum(counts)[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(values, ends), shapes, strict=True)]


def _together(raw: bytes, total: int, bits: int) -> Whole:
    flat = np.frombuffer(raw, np.uint8)
    if bits == 1:
        return np.unpackbits(flat, count=total).astype(np.int32)
    planes = flat.reshape(-1, total).astype(np.int32)
    return np.sum([plane << 8 * place for place, plane in enumerate(planes)], 0, dtype=np.int32)
