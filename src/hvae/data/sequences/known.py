"""What is known of sequences beside their steps: a class for each folder, labels of arrays, numbers of a CSV file,
captions.

Shapes: `N` sequences; `A` numbers of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hvae.config.data import DataConfig
from hvae.data.attributes import check_filled, of_files, read_attributes
from hvae.data.captions import texts_of
from hvae.data.formats import read_archive
from hvae.data.raw import as_labels, numbered
from hvae.data.sequences.form import SPLITS
from hvae.data.sequences.raw import RawSequences, SequencePart
from hvae.data.sequences.rolls import TITLES
from hvae.errors import HvaeError, short
from hvae.files import expanded


def beside(raw: RawSequences, path: Path, config: DataConfig) -> RawSequences:
    """The sequences of a place, of training or a user's later on, with all that is known of them beside their steps:
    classes, numbers, captions.  Raises HvaeError as each of these does."""
    if path.suffix == ".npz" and raw.form.kind in ("rolls", "motion"):
        raw = with_labels(raw, path)
    elif not raw.classes:  # texts, whose lines have no files, have theirs
        raw = with_folders(raw)
    if config.attributes:
        raw = with_attributes(raw, expanded(config.attributes))
    return with_captions(raw, path, config) if config.captions else raw


def with_folders(raw: RawSequences) -> RawSequences:
    """The first sub-folder of each file names its class, where all files lie in one and there are two or more; folders
    that are named by the splits are none."""
    names = {split: [_class(name, split) for name in part.files] for split, part in raw.parts.items()}
    titles = sorted({title for some in names.values() for title in some})
    if len(titles) < 2 or "" in titles or set(titles) <= set(SPLITS):
        return raw
    parts = {split: _labelled(part, [titles.index(one) for one in names[split]]) for split, part in raw.parts.items()}
    return replace(raw, parts=parts, classes=tuple(titles))


def _class(name: str, split: str) -> str:
    folder, slash, _ = name.removeprefix(f"{split}/").partition("/")
    return folder if slash else ""


def _labelled(part: SequencePart, labels: Sequence[int]) -> SequencePart:
    return replace(part, labels=np.array(labels, np.int64))


def with_labels(raw: RawSequences, path: Path) -> RawSequences:
    """The labels NAME_labels (N,) of the splits of an .npz file, -1 (of names of classes "") where one is unknown.

    Raises HvaeError for labels that are not one whole number or name for each sequence.
    """
    arrays = read_archive(path)
    names = {
        split: next((f"{one}_labels" for one in TITLES[split] if f"{one}_labels" in arrays), "") for split in TITLES
    }
    labels, classes = numbered({split: arrays.get(name) for split, name in names.items()})
    parts = {
        split: replace(part, labels=as_labels(labels[split], part.size, f"{path} ({names[split]})"))
        for split, part in raw.parts.items()
    }
    return replace(raw, parts=parts, classes=classes)


def with_attributes(raw: RawSequences, path: Path) -> RawSequences:
    """Sequences with the numbers that a CSV file has for their files; those that it does not name are of unknown ones.

    Raises HvaeError for sequences without files of their own, and where no row names any.
    """
    files = list(_files(raw, f"data.attributes={path}").values())
    sheet = read_attributes(path)
    unknown = [math.nan] * len(sheet.names)
    numbers = {
        split: np.array(of_files(sheet.rows, part.files, files, unknown), np.float32)
        for split, part in raw.parts.items()
    }
    count = sum(int((~np.isnan(some)).any(1).sum()) for some in numbers.values())
    if not count:
        check_filled(sheet.rows, files, f"data.attributes: {path}")
        raise HvaeError(
            f"data.attributes: no row of {path} names a sequence; expected names such as {short(files[0][0])}, got "
            f"{short(next(iter(sheet.rows), 'no row at all'))}"
        )
    parts = {split: replace(part, attributes=numbers[split]) for split, part in raw.parts.items()}
    total = sum(part.size for part in parts.values())
    note = f"{', '.join(sheet.names)} of {count:,} of {total:,} sequences from {path.name} ({sheet.digest[:12]})"
    return replace(raw, parts=parts, transforms=(*raw.transforms, note))


def with_captions(raw: RawSequences, path: Path, config: DataConfig) -> RawSequences:
    """The sequences of a place with their captions, "" for those that have none.

    Raises HvaeError for sequences without files of their own, where none has a caption, and for texts that cannot be
    read.
    """
    files = _files(raw, f"data.captions={config.captions}")
    texts, note = texts_of(files, path if path.is_dir() else path.parent, config, "sequence")
    parts = {split: replace(part, captions=texts[split]) for split, part in raw.parts.items()}
    return replace(raw, parts=parts, transforms=(*raw.transforms, note))


def _files(raw: RawSequences, key: str) -> Mapping[str, tuple[str, ...]]:
    """The names of the files of each part.  Raises HvaeError for sequences without files of their own."""
    files = {split: part.files for split, part in raw.parts.items()}
    if not all(files.values()):
        raise HvaeError(
            f"{key} names the files of sequences, and these have none of their own; give a folder of files, one a "
            "sequence"
        )
    return files
