"""Piano rolls: which keys sound at each step.  Files of MATLAB and NumPy.

Shapes: `T` steps; `K` keys, the lowest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hvae.data.formats import read_archive, read_arrays
from hvae.data.sequences.form import SequenceForm
from hvae.data.sequences.matfile import read_mat
from hvae.data.sequences.raw import RawSequences, SequencePart, joined
from hvae.data.transforms import Array
from hvae.errors import HvaeError

LOWEST = 21
"""The MIDI pitch of a piano's lowest key, A0."""
TITLES = {"train": ("train", "traindata"), "valid": ("valid", "validdata", "val"), "test": ("test", "testdata")}


def rolls(parts: Mapping[str, SequencePart], seconds: float = 0.0) -> RawSequences:
    """Piano rolls of one bit a key; a piano's 88 keys begin at A0."""
    form = SequenceForm(kind="rolls", step="frame", seconds=seconds, lowest=LOWEST)
    return RawSequences(parts=parts, bits=1, unit=1.0, form=form)


def jsb_mat(folder: Path) -> RawSequences:
    """The chorales of J. S. Bach: a frame is a quarter note."""
    return _published(folder / "JSB_Chorales.mat", seconds=0.5)


def nottingham_mat(folder: Path) -> RawSequences:
    """The Nottingham folk tunes: a frame is an eighth note."""
    return _published(folder / "Nottingham.mat", seconds=0.25)


def _published(path: Path, seconds: float) -> RawSequences:
    return rolls(_parts(read_mat(path), path), seconds)


def read_rolls(path: Path) -> RawSequences:
    """A user's own: a .mat of cells, an .npz, or an .npy.

    Variables are named by the splits (train, valid, test, or traindata ...), and hold a list of rolls (T, K), rolls of
    one length (N, T, K), or all of a split one after another, with their lengths in NAME_len.  Other names are one roll
    each, all of them to be trained on.
    """
    if path.suffix == ".mat":
        return rolls(_parts(read_mat(path), path))
    arrays = read_archive(path) if path.suffix == ".npz" else read_arrays(path)
    return rolls(_parts(listed(arrays, str(path)), path))


MOST_SEQUENCES = 1 << 22
"""Sequences of an array: each takes memory and time of its own, and of a packed file hardly a byte."""


def listed(arrays: Mapping[str, Array], where: str) -> dict[str, list[Array]]:
    """The sequences of each array: (N, T, ...) is N of them, and one with lengths in NAME_len is cut by them.

    Raises HvaeError for lengths that do not add up.
    """
    return {name: _cut(name, array, arrays, where) for name, array in arrays.items() if not name.endswith("_len")}


def _cut(name: str, array: Array, arrays: Mapping[str, Array], where: str) -> list[Array]:
    if array.ndim == 0:
        raise HvaeError(f"{where} ({name}): expected sequences, got one number")
    lengths = arrays.get(f"{name}_len")
    count = len(array) if lengths is None else lengths.size
    if count > MOST_SEQUENCES and (array.ndim >= 3 or lengths is not None):
        raise HvaeError(f"{where} ({name}): expected at most {MOST_SEQUENCES:,} sequences, got {count:,}; cut the file")
    if lengths is None:
        return list(array) if array.ndim >= 3 else [array]
    expected = f"{where} ({name}_len): expected whole numbers that add up to the {len(array):,} steps of {name}"
    if lengths.ndim != 1 or lengths.dtype.kind not in "ui":
        raise HvaeError(f"{expected}, got {lengths.dtype} of shape {lengths.shape}")
    if (lengths < 0).any() or (lengths > len(array)).any():
        raise HvaeError(f"{expected}, got {lengths.min()} to {lengths.max()}")
    if lengths.sum() != len(array):
        raise HvaeError(f"{expected}, got {lengths.sum():,}")
    return np.split(array, np.cumsum(lengths)[:-1])


def _parts(arrays: Mapping[str, Sequence[Array]], path: Path) -> dict[str, SequencePart]:
    arrays_of = by_split(arrays)
    if "train" not in arrays_of:
        loose = [roll for some in arrays.values() for roll in some]
        arrays_of = {"train": loose}
    return {split: _part(some, f"{path} ({split})") for split, some in arrays_of.items()}


def _part(some: Sequence[Array], where: str) -> SequencePart:
    return joined([_roll(one, where) for one in some], where)


def by_split(arrays: Mapping[str, Sequence[Array]]) -> dict[str, Sequence[Array]]:
    """What is named by a split, by its name here."""
    pairs = ((split, next((title for title in titles if title in arrays), None)) for split, titles in TITLES.items())
    return {split: arrays[title] for split, title in pairs if title}


def _roll(array: Array, where: str) -> Array:
    """One roll as bits (T, K).  Raises HvaeError for other shapes, and for values that are neither 0 nor 1."""
    if array.ndim != 2 or not array.shape[1]:
        raise HvaeError(f"{where}: expected piano rolls (T, keys), got an array of shape {array.shape}")
    if array.dtype.kind not in "buif" or not ((array == 0) | (array == 1)).all():
        raise HvaeError(f"{where}: expected 0 and 1 (a key is up or down), got other values; compare with a threshold")
    return array.astype(np.uint8)
