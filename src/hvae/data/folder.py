"""A folder of images: sub-folders are classes, or, where all of them are named so, the splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hvae.config.data import DataConfig
from hvae.data.decoding import Decoded, decoded
from hvae.data.pictures import Picture
from hvae.data.raw import Part, Raw
from hvae.data.tally import NAMED, UNREADABLE, Tally
from hvae.data.transforms import Array
from hvae.data.where import there
from hvae.errors import HvaeError
from hvae.files import resolved
from hvae.picturefolders import LINKED, LINKED_FOLDERS, SUFFIXES, Listed, Listing, listed
from hvae.screen.text import for_screen

SPLIT_FOLDERS = {"train": ("train", "training"), "valid": ("valid", "val", "validation"), "test": ("test", "testing")}
SPLIT_OF = {title: split for split, titles in SPLIT_FOLDERS.items() for title in titles}


def read_folder(config: DataConfig) -> Raw:
    """All images below `config.path`, sorted by name, each real file once, decoded once into the cache; or one alone.

    A folder whose sub-folders all have the names of splits, `train` among them, is read by splits.  Inside a split the
    first sub-folder names the class; labels are given when every image lies in one.  EXIF orientation is obeyed,
    transparency is laid on white, of several pages or frames the first counts unless all are asked for; 16-bit colour
    is read at 8 bits, which is all that Pillow gives.  Raises HvaeError when there is nothing to read.
    """
    place = there(config)
    root, listing = place if place.is_dir() else place.parent, listed(place)
    sources = _sources(root, listing) if place.is_dir() else {"train": root}
    splits = {split: [file for file in listing.files if _inside(file, place)] for split, place in sources.items()}
    empty = [place for split, place in sources.items() if not splits[split]]
    if empty:
        raise HvaeError(_nothing(empty[0], listing))
    pictures = {split: [picture(file.path) for file in files] for split, files in splits.items()}
    stamps = {split: [[str(f.path.absolute()), *f.stamp] for f in files] for split, files in splits.items()}
    content = decoded(pictures, config, stamps)
    folders = {split: [file.path.relative_to(sources[split]) for file in files] for split, files in splits.items()}
    labels, classes = _labels(folders, content.account.rows)
    loose = len(listing.files) - sum(map(len, splits.values()))
    tally = tally_of(content, listing.seen, {**listing.passed_over, "beside the folders of the splits": loose}, classes)
    tally = replace(tally, merged=_merged(folders))
    names = {split: [str(file.path.relative_to(root)) for file in files] for split, files in splits.items()}
    return as_raw(content, names, str(resolved(root)), labels, classes, tally)


def _nothing(place: Path, listing: Listing) -> str:
    linked = sum(listing.passed_over.get(reason, 0) for reason in (LINKED, LINKED_FOLDERS))
    also = f"; what is linked twice counts once, elsewhere: {linked:,} files or folders here" * bool(linked)
    return f"no image found below {place}; expected files that end in {', '.join(SUFFIXES)}{also}"


def picture(file: Path) -> Picture:
    """A picture file by its name."""
    return Picture(for_screen(file), lambda: file)


def as_raw(
    content: Decoded,
    names: Mapping[str, Sequence[str]],
    source: str,
    labels: Mapping[str, Array],
    classes: tuple[str, ...],
    tally: Tally,
) -> Raw:
    """Decoded pictures as a reader hands them over, with what decoding did to those not in that form already."""
    plan, rows = content.plan, content.account.rows
    size = f"{plan.size[0]}x{plan.size[1]} by crop={plan.crop}"
    clear = ("transparency laid on white",) if plan.clear else ()
    files = {split: _each_named(names[split], some) for split, some in rows.items()}
    return Raw(
        parts={split: Part(array, labels.get(split), None, files[split]) for split, array in content.levels.items()},
        # Encoded pictures never have fewer than 8 bits here, so a single one is always a cut.
        thresholded=plan.bits == 1,
        bits=plan.bits,
        source=source,
        classes=classes,
        transforms=(*clear, f"decoded to {size}, {plan.channels} channels, {plan.bits} bits"),
        tally=tally,
    )


def _each_named(names: Sequence[str], rows: Sequence[int]) -> tuple[str, ...]:
    """The name of each image; from the second page of a file on with its number, from 0."""
    pages: Counter[int] = Counter()
    result = []
    for row in rows:
        result.append(f"{names[row]}[{pages[row]}]" if pages[row] else names[row])
        pages[row] += 1
    return tuple(result)


def tally_of(content: Decoded, files: int, unused: Mapping[str, int], classes: Sequence[str] = ()) -> Tally:
    """What became of the files of a source of pictures."""
    account = content.account
    rows = list(account.rows.values())
    return Tally(
        files=files,
        used=sum(map(len, rows)),
        unused={reason: n for reason, n in {**unused, UNREADABLE: len(account.bad)}.items() if n},
        bad=tuple((name, why) for name, why in account.bad[:NAMED]),
        pages=sum(len(some) - len(set(some)) for some in rows),
        further=account.further,
        classes=len(classes),
        turned=account.turned,
        narrowed=account.narrowed,
    )


def _sources(root: Path, listing: Listing) -> dict[str, Path]:
    """The folder of each split: sub-folders if all that hold pictures have such names, else all is for training.

    Raises HvaeError when some look like splits and others do not, or when two are of one split.
    """
    folders = {file.path.relative_to(root).parts[0] for file in listing.files if file.path.parent != root}
    empty = {place.name for place in root.iterdir() if place.name.lower() in SPLIT_OF and place.is_dir()} - folders
    own = sorted(name for name in folders | empty if name.lower() in SPLIT_OF)
    twice = [split for split, count in Counter(SPLIT_OF[name.lower()] for name in own).items() if count > 1]
    others = sorted(folders - set(own))
    splits = {SPLIT_OF[name.lower()]: root / name for name in own}
    if "train" not in splits or (others and len(splits) == 1):
        return {"train": root}
    if others:
        raise HvaeError(
            f"{root}: expected folders of splits alone or of classes alone, got {_shown(own)} beside "
            f"{_shown(others)}; move or rename one kind"
        )
    if twice:
        raise HvaeError(f"{root}: expected one folder a split, got {_shown(own)}; two are of {twice[0]}")
    return splits


def _merged(folders: Mapping[str, Sequence[Path]]) -> str:
    """The first folder, below that of its split, that has folders of splits itself: what they hold is read as one."""
    inside: dict[Path, set[str]] = {}
    for place in sorted({file.parent for files in folders.values() for file in files}):
        for folder in (place, *place.parents)[:-1]:
            inside.setdefault(folder.parent, set()).add(SPLIT_OF.get(folder.name.lower(), ""))
    nested = [place for place, splits in inside.items() if {"train"} < splits - {""}]
    more = f" and {len(nested) - 1:,} more" * (len(nested) > 1)
    return f"{for_screen(min(nested))}{more}" if nested else ""


def _shown(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + ", ..." * (len(names) > most)


def _inside(file: Listed, place: Path) -> bool:
    return place in file.path.parents


def _labels(
    folders: Mapping[str, Sequence[Path]], rows: Mapping[str, Sequence[int]]
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """A label for each image by the first folder that its file lies in, where all lie in one."""

    def owners(split: str) -> Iterable[str]:
        return (for_screen(folders[split][row].parts[0]) for row in rows[split])

    if any(len(folders[split][row].parts) < 2 for split in rows for row in rows[split]):
        return {}, ()
    classes = sorted({name for split in rows for name in owners(split)})
    number = {name: i for i, name in enumerate(classes)}
    return {split: np.array([number[name] for name in owners(split)]) for split in rows}, tuple(classes)
