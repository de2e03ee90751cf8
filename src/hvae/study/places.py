"""Where files go: places checked before the work, and names that stay inside them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile

from hvae.errors import HvaeError, short
from hvae.files import expanded, resolved
from hvae.screen.text import is_seen

_LONGEST = 200
"""Bytes of a name that leave room, in the 255 of most file systems, for a number and the name of a temporary file."""


def check_file(path: str | Path) -> Path:
    """The place of a compressed file.  Raises HvaeError for another kind of name, or where none can be written."""
    place = Path(path)
    if place.suffix != ".hvz":
        raise HvaeError(f"expected a file name that ends in .hvz, got {place}; name the .hvz file to write last")
    if place.is_dir():
        raise HvaeError(f"{place} is a folder; name the .hvz file to write last")
    check_place(place)
    return place


def check_place(place: Path, *sources: object) -> None:
    """Raises HvaeError unless a file or folder can be made here; folders above it that are missing will be.

    What is there already is a file or a folder: a device or a pipe is never replaced by a file, nor is a link, which
    may be anybody's in a folder of a run and then is not followed either; a link to a folder stands for it.  `sources`
    are what is read: of those that are files none is replaced by what is made of it.
    """
    long = next((part for part in place.parts if len(os.fsencode(part)) > _LONGEST), None)
    if long is not None:
        raise HvaeError(f"could not write {short(long)}: expected a name of at most {_LONGEST} bytes; shorten it")
    # A link that leads nowhere, or in a circle, is there too: no folder can be made in its place.
    parent = next((folder for folder in place.absolute().parents if os.path.lexists(folder)), place.absolute())
    if not parent.is_dir():
        raise HvaeError(f"could not write {place}: {parent} is no folder; choose another one")
    if place.is_symlink() and not place.is_dir():
        raise HvaeError(f"could not write {place}: it is a link to {resolved(place)}; name that place itself")
    if place.exists() and not place.is_file() and not place.is_dir():
        raise HvaeError(f"could not write {place}: it is there, and no file; choose another name")
    for source in sources:
        if isinstance(source, str | Path) and place.is_file() and _is_same(place, expanded(source)):
            raise HvaeError(f"could not write {place}: it is what is read; choose another name")
    try:
        # Tried, since rights alone do not tell: some file systems take no files of anybody.
        with TemporaryFile(dir=parent):
            pass
    except OSError as fault:
        why = fault.strerror or fault
        raise HvaeError(
            f"could not write {place}: nothing may be written into {parent} ({why}); choose another folder"
        ) from fault


def _is_same(place: Path, other: Path) -> bool:
    return other.is_file() and os.path.samefile(place, other)


PAGE_FILES = ("evaluation.json", "report.html")
RUN_FILES = ("config.yaml", "provenance.json", "metrics.csv", "last.ckpt", "model.safetensors", *PAGE_FILES)
PICTURES = "pictures"


def check_run_places(folder: Path, names: Iterable[str]) -> None:
    """Raises HvaeError, before hours of work, where these files or the pictures of a run could not be written.

    A link to a file is replaced, and that file stays as it was; through a link to a folder others' would be replaced.
    """
    pictures = folder / PICTURES
    if pictures.is_symlink():
        raise HvaeError(f"{pictures} is a link, and nothing is written through one; remove it")
    if os.path.lexists(pictures) and not pictures.is_dir():
        raise HvaeError(f"could not write into {pictures}: expected a folder; move away what has its name")
    inside = pictures.iterdir() if pictures.is_dir() else ()
    for place in (*(folder / name for name in names), *(one for one in inside if one.suffix in (".png", ".wav"))):
        if place.exists() and not place.is_file():
            kind = "a folder is in its place" if place.is_dir() else "it is there, and no file"
            raise HvaeError(f"could not write {place}: {kind}; move it away")


def safe(name: str, suffix: str, number: int) -> PurePosixPath:
    """A relative path for what a file says is the name of a picture, the `number`-th: nothing of it leads outwards.

    >>> [str(safe(name, ".png", 7)) for name in ("../../etc/a.jpg", "C:\\\\b\\\\c.d.png", "/", "x/./.e.png")]
    ['etc/a.png', 'b/c.d.png', '0007.png', 'x/.e.png']
    """
    *folders, last = (_part(part) for part in re.split(r"[/\\]", name))
    stem = last if suffix == ".npy" else PurePosixPath(last or ".").stem
    return PurePosixPath(*filter(None, folders), (stem or f"{number:04d}") + suffix)


def _part(part: str) -> str:
    """A name between slashes without what is not seen, drives, and the dots and spaces at its end that lead upwards or
    that some systems drop.  Bytes that are no text become question marks."""
    text = "".join(filter(is_seen, part.encode(errors="replace").decode()))
    plain = re.sub(r"^([A-Za-z]:)+", "", text)
    return plain.encode()[:_LONGEST].decode(errors="ignore").rstrip(". ")


def free_name(folder: Path, name: PurePosixPath, number: int) -> PurePosixPath:
    """The name, or one like it that is free in the folder, as its file system compares names: so none is lost."""
    if any((folder / above).is_file() for above in name.parents):
        name = PurePosixPath("-".join(name.parts))  # another picture has the name of its folder
    numbered = name.with_stem(f"{name.stem}-{number:04d}")
    others = (numbered.with_stem(f"{numbered.stem}-{again}") for again in count(2))
    name = numbered if (folder / name).exists() else name
    while (folder / name).exists():
        name = next(others)
    assert resolved(folder / name).is_relative_to(resolved(folder)), "nothing is written outside"
    return name
