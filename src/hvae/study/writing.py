"""Pictures to files: the place looked at before the work, and each under a name of its own.

Shapes: `N` arrays of one name.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from hvae.coding import MODES, Header, Picture, save_picture
from hvae.coding.files.reading import chosen, each_item
from hvae.errors import HvaeError
from hvae.files import making
from hvae.picturefolders import SUFFIXES
from hvae.study.places import free_name, safe


def check_destination(dest: Path, header: Header, only: int | None) -> None:
    """Raises HvaeError, before any work, unless what will come out can go there."""
    suffix, files = dest.suffix.lower(), _suffixes(header, only)
    if suffix in (".png", ".npy"):
        if len(files) > 1:
            raise HvaeError(
                f"expected a folder for {len(files)} pictures, got {dest}; name a folder, or one with --only INDEX"
            )
        if files != [suffix]:
            raise HvaeError(f"expected a file name that ends in {files[0]}, got {dest}: what comes out is lossless")
    elif suffix in SUFFIXES:
        raise HvaeError(f"expected a .png file, or a folder, got {dest}; pictures are written as PNG")
    if dest.exists() and not (dest.is_dir() and suffix not in (".png", ".npy") and not any(dest.iterdir())):
        raise HvaeError(f"{dest} already exists; name a new file or folder")


def _suffixes(header: Header, only: int | None) -> list[str]:
    """One a file that will be written: neighbouring arrays of one name and size share one."""
    items = each_item(header)
    entries = [(items[i].name, items[i].mode, items[i].height, items[i].width) for i in chosen(only, len(items))]
    kinds = [(MODES[one[1]] == "array", one if MODES[one[1]] == "array" else i) for i, one in enumerate(entries)]
    return [".npy" if array else ".png" for (array, _), _ in groupby(kinds)]


def write_pictures(pictures: Sequence[Picture], dest: Path, bits: int) -> list[Path]:
    """Pictures to one file, or to a new folder; arrays that share a name to one .npy."""
    parts, names = _stacked(pictures), list[Path]()
    if dest.suffix.lower() in (".png", ".npy"):
        save_picture(dest, parts[0], bits)
        return [dest]
    with making(dest) as temporary:
        for i, picture in enumerate(parts):
            suffix = ".npy" if MODES[picture.mode] == "array" else ".png"
            name = free_name(temporary, safe(picture.name, suffix, i), i)
            save_picture(temporary / name, picture, bits)
            names.append(dest / name)
    return names


def _stacked(pictures: Sequence[Picture]) -> list[Picture]:
    """Neighbouring arrays of one name and shape as one array (N, ...)."""

    def kind(picture: Picture) -> tuple[object, ...]:
        return (picture.name, picture.levels.shape) if MODES[picture.mode] == "array" else (id(picture),)

    parts: list[Picture] = []
    for _, group in groupby(pictures, kind):
        same = list(group)
        array = MODES[same[0].mode] == "array"
        parts.append(Picture(same[0].name, np.stack([p.levels for p in same]), 0) if array else same[0])
    return parts
