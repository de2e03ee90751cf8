"""A large picture that is read a band of rows at a time, in the colours and the depth of a model.

Arrays (.npy) are mapped anew for each band and let go; picture files have to be decoded whole, a byte a value.

Shapes: `C` channels; `H W` the picture; `n` rows of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hvae.data.transforms import Array, quantise, recolour
from hvae.data.unpacking import DAMAGED, in_words, mapped
from hvae.errors import HvaeError, short
from hvae.files import expanded, open_regular
from hvae.picturefolders import SUFFIXES

if TYPE_CHECKING:
    from torch import Tensor

COLOURS = (1, 3)
EIGHT, SIXTEEN = 8, 16
KINDS = {np.dtype(np.uint8): EIGHT, np.dtype(np.uint16): SIXTEEN}
"""The depth of a value by the type of an array."""


@dataclass(frozen=True, eq=False)
class Stored:
    """Levels (C, H, W) of some depth: in a file that is mapped when rows are wanted, or in memory.

    `last`, the channels stand last in the file; `flat`, there is no axis of channels; `changes`, what of a picture file
    is not read as it is.
    """

    array: Array | Path
    depth: int
    last: bool = False
    flat: bool = False
    changes: tuple[str, ...] = ()

    def _mapped(self) -> Array:
        whole = _opened(self.array) if isinstance(self.array, Path) else self.array
        whole = whole[None] if self.flat else whole
        return whole.transpose(2, 0, 1) if self.last else whole

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self._mapped().shape

    def rows(self, start: int, stop: int) -> Array:
        """Rows from `start` to before `stop`, (C, n, W), copied."""
        return np.array(self._mapped()[:, start:stop])


@dataclass(frozen=True, eq=False)
class Slide:
    """A stored picture at one magnification, with so many channels and bits a value: the means of boxes of
    `reduction` x `reduction` of its values.  What is left over at the end of a side is left out."""

    stored: Stored
    channels: int
    bits: int
    reduction: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width at this magnification."""
        _, high, wide = self.stored.shape
        return high // self.reduction, wide // self.reduction

    def rows(self, at: Tensor) -> Tensor:
        """Levels of the rows with these numbers, (C, n, W) uint8 or int32; what lies between them is read too."""
        import torch

        first, last = int(at.min()), int(at.max())
        (_, wide), k, depth = self.size, self.reduction, self.stored.depth
        band = self.stored.rows(first * k, (last + 1) * k)[..., : wide * k]
        (levels,) = recolour((band.astype(np.int32) if depth > EIGHT else band)[None], self.channels)
        boxes = levels.reshape(self.channels, -1, k, wide, k)
        means = levels if k == 1 else np.rint(boxes.mean((2, 4), dtype=np.float32)).astype(levels.dtype)
        return torch.from_numpy(quantise(means, depth, self.bits, "the picture"))[:, at - first]


def brought(source: Stored, channels: int, bits: int) -> str:
    """What is done to a picture before a model of so many channels and bits sees it, in one line; "" for nothing."""
    steps = [*source.changes]
    if source.shape[0] != channels:
        steps.append("brought to grey" if channels == 1 else "grey repeated in each colour")
    if source.depth != bits:
        steps.append(f"cut from {source.depth} to {bits} bits")
    return f"the picture: {'; '.join(steps)}" if steps else ""


def stored(source: str | Path | Array) -> Stored:
    """A picture file, an .npy file of one picture, or an array: uint8 or uint16, (H, W), (C, H, W) or (H, W, C).

    Raises HvaeError for what is no single picture.
    """
    if not isinstance(source, str | Path):
        return _array(np.asarray(source), np.asarray(source), f"the {type(source).__name__}")
    path = expanded(source)
    if path.is_dir():
        raise HvaeError(f"--tile: expected one picture, got the folder {path}; name a file of it")
    if path.suffix.lower() == ".npy":
        return _array(path, _opened(path), str(path))
    if path.suffix.lower() in SUFFIXES:
        return _picture(path)
    endings = ", ".join((".npy", *SUFFIXES))
    raise HvaeError(f"--tile: expected one picture ({endings}), got {short(str(source))}")


def _opened(path: Path) -> Array:
    with open_regular(path) as file:
        try:
            return mapped(file)
        except HvaeError:
            raise
        except DAMAGED as fault:
            why = in_words(fault)
            raise HvaeError(f"cannot read {path} as an array: {why}; save it again with numpy.save") from fault


def _array(place: Array | Path, array: Array, name: str) -> Stored:
    if array.dtype.newbyteorder("=") not in KINDS:
        raise HvaeError(f"{name}: expected uint8 or uint16, whole levels from 0 on, got {array.dtype}")
    depth, shape = KINDS[array.dtype.newbyteorder("=")], array.shape
    if len(shape) == 2 and min(shape):
        return Stored(place, depth, flat=True)
    if len(shape) == 3 and min(shape) and (shape[0] in COLOURS or shape[2] in COLOURS):
        return Stored(place, depth, last=shape[0] not in COLOURS)
    raise HvaeError(f"{name}: expected one picture (H, W), (C, H, W) or (H, W, C) of 1 or 3 channels, got {shape}")


def _picture(path: Path) -> Stored:
    from hvae.config.data import DataConfig
    from hvae.data.decoding import decode_one
    from hvae.data.pictures import Picture

    levels, depth, looked = decode_one(Picture(str(path), lambda: path), DataConfig(name="folder", path=str(path)))
    return Stored(levels, depth, changes=looked.changes)
