"""ImageNet at 32 and 64 pixels, which exists in two forms under one name; the number of a paper is of one of them.

The old form was made for PixelRNN and is what PixelRNN, Glow, NVAE and VDVAE report; the new one, box-filtered, is what
image-net.org serves since.  Efficient-VDVAE's 3.58 and 3.30 bits/dim are of the new one, VDVAE's 3.80 and 3.52 of the
old one: none of the first pair can be compared with any of the second.

Shapes: `N` images; `C` channels; `H W` space.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from hvae.data.formats import read_arrays
from hvae.data.known import KnownSet, Layout
from hvae.data.raw import Part, Raw
from hvae.data.transforms import Array
from hvae.errors import HvaeError

OLD = "the small sets of van den Oord, Kalchbrenner, Kavukcuoglu 2016 (arXiv 1601.06759)"
NEW = "box-downsampled by Chrabaszcz, Loshchilov, Hutter 2017 (arXiv 1707.08819)"
BATCHES = tuple(f"train_data_batch_{k}.npz" for k in range(1, 11))


def old(folder: Path, side: int) -> Raw:
    """Two arrays (N, H, W, C), imagenet32-train.npy and imagenet32-valid.npy, mapped rather than read."""
    files = {"train": f"imagenet{side}-train.npy", "test": f"imagenet{side}-valid.npy"}
    parts = {split: Part(_channels_first(folder / file, side)) for split, file in files.items()}
    return Raw(parts=parts, bits=8, version=OLD)


def _channels_first(path: Path, side: int) -> Array:
    array = read_arrays(path)[path.stem]
    if array.dtype != np.uint8 or array.shape[1:] != (side, side, 3):
        raise HvaeError(f"{path}: expected bytes (N, {side}, {side}, 3), got {array.dtype} {array.shape}")
    return array.transpose(0, 3, 1, 2)  # (N, C, H, W)


def new(folder: Path, side: int) -> Raw:
    """The published batches: `data` (N, 3 H W), one file for validation and ten for training."""
    train = np.concatenate([_planes(folder / file, side) for file in BATCHES])
    return Raw(parts={"train": Part(train), "test": Part(_planes(folder / "val_data.npz", side))}, bits=8, version=NEW)


def _planes(path: Path, side: int) -> Array:
    array = read_arrays(path).get("data")
    if array is None or array.dtype != np.uint8 or array.shape[1:] != (3 * side * side,):
        got = "none" if array is None else f"{array.dtype} {array.shape}"
        raise HvaeError(f"{path}: expected an array data of bytes (N, {3 * side * side}), got {got}")
    return array.reshape(-1, 3, side, side)


def _set(side: int, form: str, resizing: str, sizes: tuple[int, int], layout: Layout[Raw]) -> KnownSet[Raw]:
    return KnownSet[Raw](
        name=f"imagenet{side}-{form}",
        what=f"ImageNet at {side}x{side}, {resizing}; numbers on the other form are not comparable",
        shape=(3, side, side),
        bits=8,
        # What ImageNet calls validation is what every table calls test.
        sizes={"train": sizes[0], "test": sizes[1]},
        licence="ImageNet's terms, research and education only: https://image-net.org",
        folders=(f"imagenet{side}-{form}", f"imagenet{side}", "."),
        layouts=(layout,),
    )


def _old_set(side: int) -> KnownSet[Raw]:
    files = (f"imagenet{side}-train.npy", f"imagenet{side}-valid.npy")
    return _set(side, "old", OLD, (1_281_149, 49_999), Layout(files, partial(old, side=side)))


def _new_set(side: int) -> KnownSet[Raw]:
    return _set(side, "new", NEW, (1_281_167, 50_000), Layout((*BATCHES, "val_data.npz"), partial(new, side=side)))


IMAGENETS = tuple(make(side) for side in (32, 64) for make in (_old_set, _new_set))
"""The four sets."""
