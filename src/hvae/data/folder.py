"""A folder of images: sub-folders are classes, and train / valid / test folders, where there are any, are splits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hvae.config.data import DataConfig
from hvae.data.pictures import SUFFIXES, Picture, Plan, decoded
from hvae.data.raw import Part, Raw
from hvae.data.transforms import Array
from hvae.errors import HvaeError

SPLIT_FOLDERS = {"train": ("train", "training"), "valid": ("valid", "val", "validation"), "test": ("test", "testing")}


def read_folder(config: DataConfig) -> Raw:
    """All images below `config.path`, sorted by name, decoded once into the cache.

    A folder that holds `train` is read by splits.  Inside a split the first sub-folder names the class; labels are
    given when every image lies in one.  EXIF orientation is obeyed, transparency is laid on white, and of moving
    pictures the first frame counts; 16-bit colour is read at 8 bits, which is all that Pillow gives.  Raises
    HvaeError when there is nothing to read.
    """
    root = Path(config.path).expanduser()
    if not root.is_dir():
        raise HvaeError(f"data.path={config.path}: no such folder (looked in {root.resolve()})")
    files = {split: listed(folder) for split, folder in _splits(root).items()}
    empty = [str(folder) for split, folder in _splits(root).items() if not files[split]]
    if empty:
        raise HvaeError(f"no image found below {empty[0]}; expected files that end in {', '.join(SUFFIXES)}")
    pictures = {split: [Picture(str(file), opener(file)) for file in some] for split, some in files.items()}
    levels, plan = decoded(pictures, config, {split: [_stamp(file) for file in some] for split, some in files.items()})
    labels, classes = _labels(_splits(root), files)
    parts = {split: Part(array, labels.get(split)) for split, array in levels.items()}
    return as_raw(parts, plan, str(root.resolve()), classes)


def as_raw(parts: Mapping[str, Part], plan: Plan, source: str, classes: tuple[str, ...]) -> Raw:
    """Decoded pictures as a reader hands them over, with what decoding did to those not in that form already."""
    size = f"{plan.size[0]}x{plan.size[1]} by crop={plan.crop}"
    clear = ("transparency laid on white",) if plan.clear else ()
    notes = (*clear, f"decoded to {size}, {plan.channels} channels, {plan.bits} bits")
    # Encoded pictures never have fewer than 8 bits here, so a single one is always a cut.
    thresholded = plan.bits == 1
    return Raw(parts=parts, bits=plan.bits, source=source, classes=classes, transforms=notes, thresholded=thresholded)


def _splits(root: Path) -> dict[str, Path]:
    named = {
        split: root / title for split, titles in SPLIT_FOLDERS.items() for title in titles if (root / title).is_dir()
    }
    return named if "train" in named else {"train": root}


def listed(folder: Path) -> list[Path]:
    """Every image below a folder, in the order in which the images of a split come."""
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, n) for n in names if n.lower().endswith(SUFFIXES) and not n.startswith(".")]
    # By parts, not by text: "a/2.png" comes before "a b/1.png" on every system.
    return sorted(found, key=lambda file: file.parts)


def opener(file: Path) -> Callable[[], Image.Image]:
    """What opens a picture when it is wanted."""
    return lambda: Image.open(file)


def _stamp(file: Path) -> list[str | int]:
    state = file.stat()
    return [str(file.resolve()), state.st_size, state.st_mtime_ns]


def _labels(
    splits: Mapping[str, Path], files: Mapping[str, Sequence[Path]]
) -> tuple[dict[str, Array], tuple[str, ...]]:
    owners = {split: [file.relative_to(splits[split]).parts for file in some] for split, some in files.items()}
    if any(len(parts) < 2 for some in owners.values() for parts in some):
        return {}, ()
    classes = sorted({parts[0] for some in owners.values() for parts in some})
    number = {name: i for i, name in enumerate(classes)}
    return {split: np.array([number[parts[0]] for parts in some]) for split, some in owners.items()}, tuple(classes)
