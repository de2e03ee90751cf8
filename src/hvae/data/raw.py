"""What a reader hands over: arrays as found, before sizes, bit depth and held-out parts are settled.

Shapes: `N` images; `C` channels; `H W` space; `D` the length of flat vectors; `F` factors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from hvae.capacity import check_memory
from hvae.data.columns import Columns
from hvae.data.tally import Tally
from hvae.data.transforms import Array, level_type
from hvae.errors import HvaeError
from hvae.screen.text import for_screen

CHUNK = 1024
UNKNOWN = -1
"""The label of an image whose class nobody said."""
MOST_LABEL = 2**31 - 1
"""More classes than there will be: what counts them would take memory for each."""


class Part(NamedTuple):
    """One split as found: integer `levels` (N, C, H, W) or (N, D), `labels` (N,) and `factors` (N, F), or None; the
    names of the files that the images come from, one each, or none; `attributes` (N, A), NaN where unknown, or None;
    `observed` bool of the shape of the levels, which of them are known, or None: all; the `captions` of the images, one
    each and "" where unknown, or none."""

    levels: Array
    labels: Array | None = None
    factors: Array | None = None
    files: tuple[str, ...] = ()
    attributes: Array | None = None
    observed: Array | None = None
    captions: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Images."""
        return len(self.levels)

    def digest(self) -> str:
        """The sha256 of the levels (bytes) and then of the labels (64 bits), however their files are packed.

        >>> Part(np.zeros((2, 1, 1, 1), np.uint8)).digest()[:8]
        '96a296d2'
        """
        state = hashlib.sha256(np.ascontiguousarray(self.levels).data)
        if self.labels is not None:
            state.update(self.labels.astype("<i8").tobytes())
        return state.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A data set as found: `parts` by name (train always; valid and test where the source has them), `bits` a value.

    `thresholded` when the reader itself compared grey values with one half; `factors` and `attributes`, the names of
    the parts' own;
    `tally`, what was there and what of it is used; `columns` of a table, what each holds, by its name.
    """

    parts: Mapping[str, Part]
    bits: int
    source: str = ""
    version: str = ""
    classes: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    thresholded: bool = False
    factors: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)
    columns: Columns = field(default_factory=dict)

    def located(self, source: str, version: str) -> Raw:
        """The same, with where it was found and what sets it apart."""
        return replace(self, source=source, version=version)


def without_gaps(array: Array, where: str) -> tuple[Array, Array | None]:
    """Numbers with 0 for each NaN, and which of them are known; None where there is no NaN.

    Raises HvaeError where nothing is known.

    >>> without_gaps(np.array([[0.5, np.nan]]), "x.npy")
    (array([[0.5, 0. ]]), array([[ True, False]]))
    """
    observed = ~np.isnan(array) if array.dtype.kind == "f" else None
    if observed is None or observed.all():
        return array, None
    if not observed.any():
        raise HvaeError(f"{where}: expected some numbers, got NaN alone; there is nothing to learn from")
    return np.where(observed, array, 0).astype(array.dtype), observed


def as_levels(array: Array, bits: int, where: str) -> tuple[Array, int]:
    """Integer levels and their bit depth from whatever numbers a file holds.

    bool is 1 bit; integers are 1 bit when nothing exceeds 1, 8 bits up to 255, else 16, or `bits` of 9 to 15 where all
    fit into them; floats must lie in [0, 1] and are rounded to `bits` bits (8 when `bits` is 0).  Raises HvaeError for
    other types, for NaN, infinities and values outside the range, with the place of the first one, and for floats whose
    depth is anyone's guess.

    >>> as_levels(np.array([[0.2, 1.0]]), 0, "x.npy")
    (array([[ 51, 255]], dtype=uint8), 8)
    """
    if array.dtype.kind not in "buif":
        raise HvaeError(f"{where}: expected integers or floats, got dtype {array.dtype}; save it as uint8")
    if array.size == 0:
        raise HvaeError(f"{where}: expected at least one image, got an array of shape {array.shape}")
    if array.dtype.kind == "f":
        return _from_floats(array, bits, where)
    low, top = int(array.min()), int(array.max())
    # The mask that finds the place is as large as the array: it is made for faulty ones only.
    if low < 0 or top > 65535:
        _refuse((array < 0) | (array > 65535), array, where, "from 0 to 65535")
    # What cameras and scanners give of 10 to 14 bits lies in numbers of 16, not stretched to them.
    deep = bits if 8 < bits < 16 and top < 2**bits else 16
    depth = 1 if top <= 1 else 8 if top <= 255 else deep
    return array.astype(level_type(depth), copy=False), depth


def _from_floats(array: Array, bits: int, where: str) -> tuple[Array, int]:
    _refuse(~np.isfinite(array), array, where, "finite")
    _refuse((array < 0) | (array > 1), array, where, "from 0 to 1 (or integers)")
    if bits == 0 and ((array == 0) | (array == 1)).all():
        raise HvaeError(
            f"{where}: floats of 0 and 1 only; set data.bits=1 if they are binary, data.bits=8 if they are grey"
        )
    depth = bits or 8
    # Half precision has eleven bits and no number above 65,504: widened first, and above 8 bits to doubles.
    wide = np.promote_types(array.dtype, np.float32 if depth <= 8 else np.float64)
    levels = np.empty(array.shape, level_type(depth))
    check_memory(levels.nbytes, where)
    for some, filled in zip(_pieces(array), _pieces(levels), strict=True):
        filled[...] = np.rint(some.astype(wide, copy=False) * (2**depth - 1))
    return levels, depth


def _pieces(array: Array) -> list[Array]:
    """Views of some images each, so that what is computed of them stays small."""
    return [array[at : at + CHUNK] for at in range(0, len(array), CHUNK)] if array.ndim else [array]


def _refuse(bad: Array, array: Array, where: str, expected: str) -> None:
    if bad.any():
        place = np.unravel_index(int(bad.argmax()), bad.shape)
        at = ", ".join(str(int(i)) for i in place)
        raise HvaeError(f"{where}: expected values {expected}, got {array[place]} at [{at}], {int(bad.sum()):,} in all")


def as_images(array: Array, where: str) -> Array:
    """(N, H, W), (N, C, H, W) or (N, H, W, C) to (N, C, H, W), with an axis of depth before H too; (N, D) stays.

    With four or five axes the one of length 1 or 3, failing that 2 or 4, is the channels; HvaeError when neither or
    both are.

    >>> as_images(np.zeros((10, 8, 9, 3)), "x.npy").shape, as_images(np.zeros((10, 1, 8, 9, 7)), "x.npy").shape
    ((10, 3, 8, 9), (10, 1, 8, 9, 7))
    """
    if array.ndim not in (2, 3, 4, 5):
        forms = "(N, H, W), (N, C, H, W), (N, H, W, C), (N, C, D, H, W) or (N, D)"
        raise HvaeError(f"{where}: expected an array of shape {forms}, got {array.shape}")
    if array.ndim == 2:
        return array
    if array.ndim == 3:
        return array[:, None]  # (N, 1, H, W)
    for likely in ((1, 3), (1, 2, 3, 4)):
        first, last = array.shape[1] in likely, array.shape[-1] in likely
        if first != last:
            return array if first else np.moveaxis(array, -1, 1)  # (N, C, ...)
    form = "(N, C, H, W)" if array.ndim == 4 else "(N, C, D, H, W)"
    raise HvaeError(f"{where}: cannot tell the channels in shape {array.shape}; save it as {form}, C up to 4")


_AXES = {"signals": ("(N, T) or (N, C, T)", 3), "volumes": ("(N, D, H, W) or (N, C, D, H, W)", 5)}
"""What arrays may be by data.kind, and how many axes they have in the end."""


def as_form(array: Array, kind: str, where: str) -> Array:
    """Arrays with their channels, as `data.kind` says what their axes mean: "signals", "volumes", or as `as_images`.

    >>> as_form(np.zeros((10, 9)), "signals", "x.npy").shape, as_form(np.zeros((10, 8, 9, 7)), "volumes", "x.npy").shape
    ((10, 1, 9), (10, 1, 8, 9, 7))
    """
    if kind not in _AXES:
        if kind == "images" and array.ndim not in (3, 4):
            raise HvaeError(f"{where}: expected images, (N, H, W) or (N, C, H, W), got shape {array.shape}")
        return as_images(array, where)
    forms, axes = _AXES[kind]
    if array.ndim == axes - 1:
        return array[:, None]
    if array.ndim != axes:
        raise HvaeError(f"{where}: expected {kind}, {forms}, got shape {array.shape}; see data.kind")
    return array


def numbered(labels: Mapping[str, Array | None]) -> tuple[dict[str, Array | None], tuple[str, ...]]:
    """Labels that are names of classes as numbers, in the order of the alphabet as of folders, and these names, an
    empty one for an unknown class; others as they are.

    >>> numbered({"train": np.array(["cat", "ant", ""]), "test": None})
    ({'train': array([ 1,  0, -1]), 'test': None}, ('ant', 'cat'))
    """
    texts = [array for array in labels.values() if array is not None and array.dtype.kind == "U"]
    if not texts or len(texts) < sum(array is not None for array in labels.values()):
        return {**labels}, ()
    classes = sorted(set(np.concatenate([array.reshape(-1) for array in texts]).tolist()) - {""})
    number = {"": UNKNOWN, **{name: place for place, name in enumerate(classes)}}
    numbers = {
        split: None if array is None else np.array([number[name] for name in array.reshape(-1).tolist()])
        for split, array in labels.items()
    }
    return numbers, tuple(map(for_screen, classes))


def as_labels(array: Array | None, n: int, where: str) -> Array | None:
    """Whole-number labels (N,), one an image, -1 an unknown one; a column (N, 1) too.  HvaeError otherwise."""
    if array is None:
        return None
    array = array[:, 0] if array.shape == (n, 1) else array
    if array.shape != (n,) or array.dtype.kind not in "bui":
        raise HvaeError(
            f"{where}: expected {n} whole-number labels, one an image, got {array.dtype} of shape {array.shape}; "
            f"number the classes from 0, {UNKNOWN} where one is unknown, as integers, or give their names"
        )
    if n and int(array.max()) > MOST_LABEL:
        raise HvaeError(
            f"{where}: expected labels up to {MOST_LABEL:,}, got {int(array.max())}; number the classes from 0"
        )
    if n and int(array.min()) < UNKNOWN:
        raise HvaeError(
            f"{where}: expected labels from 0, or {UNKNOWN} where one is unknown, got {int(array.min())}; "
            "number the classes from 0, or leave labels out"
        )
    return array.astype(np.int64)
