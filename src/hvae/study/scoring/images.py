"""The images that are scored: where they come from, and whether the model has seen them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.data import KNOWN, DataConfig
from hvae.errors import HvaeError
from hvae.runs.form import DYNAMIC, PictureKeys, bring, drawn, files, grey, in_memory, own
from hvae.runs.images import InputImages
from hvae.runs.subject import Subject
from hvae.study.conditions import by_name, meanings, other_classes
from hvae.study.images import is_split

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import Data, ImageData, SequenceSplit, Split
    from hvae.data.sources import Source


def images(subject: Subject, plain: ImageData, source: str | Path | Source) -> InputImages:
    """The images to score, in the form of the model's data: a split of its own, a known set, files, or data in memory.

    `plain`, the run's data before any draw.
    """
    if is_split(source):
        return own(subject.run, subject.images, plain, source)
    if not isinstance(source, str | Path):
        return in_memory(subject.run, source)
    model, classes = subject.run.model, subject.data.classes
    if isinstance(source, str) and source in KNOWN:
        inputs = bring(subject.run, catalogued(subject, source))
        return replace(inputs, remark=other_classes(inputs, model, classes))
    return by_name(bring(subject.run, files(subject.run, str(source))), model, meanings(subject.run, lambda: classes))


def catalogued(subject: Subject, name: str) -> DataConfig:
    """A known set, in the size, colours and depth of the run; its binarisation must be named, for it is the task."""
    from hvae.data.catalogue import SETS
    from hvae.data.lookup import base

    data, shape = subject.run.config.data, subject.run.model.shape
    if drawn(data) and not name.endswith(DYNAMIC) and base(name) + DYNAMIC in KNOWN:
        raise HvaeError(f"this run was trained on drawn bits; score '{base(name)}{DYNAMIC}' instead of '{name}'")
    form = SETS[base(name)].shape
    picture: PictureKeys = {}
    if len(shape) == 3 and form[1:] != shape[1:]:
        picture["size"] = shape[1:]
    if len(shape) == 3 and form[0] != shape[0]:
        picture["channels"] = shape[0]
    bits = 0 if name.endswith((DYNAMIC, "-binary")) else subject.run.bits
    return DataConfig(name=name, root=data.root, download=data.download, bits=bits, valid=0, test=0, **picture)


def plain(config: DataConfig, data: Data) -> Data:
    """The data before any bits were drawn; sequences as they are, of which none is drawn."""
    from hvae.data import ImageData

    return grey(config, data) if isinstance(data, ImageData) else data


def some(split: Split | SequenceSplit, count: int) -> Split | SequenceSplit:
    """So many data at random, always the same: known sets are sorted."""
    return split.some(order(len(split), count))


def order(length: int, count: int) -> Tensor:
    """The places of so many of `length` data at random, always the same, in rising order."""
    from hvae.data import subset

    return subset(length, count)


def overlap(ours: Split, theirs: Split) -> int:
    """How many of their images are among ours, pixel by pixel, whatever the depth they are kept at.

    Of images that are drawn from grey the grey is compared; a drawing cannot be told from the grey it came from, so
    that bits drawn elsewhere count as none.
    """
    if ours.store.shape[1:] != theirs.store.shape[1:]:
        return 0
    # Whole numbers in which levels of both depths are exact; of one depth they are the levels themselves.
    fine = lcm(2**ours.depth - 1, 2**theirs.depth - 1)
    prints = set(_prints(ours, fine))
    return sum(one in prints for one in _prints(theirs, fine))


def _prints(split: Split, fine: int) -> Iterator[int]:
    """A number for each image that depends on its values, in units of 1 / `fine`, alone."""
    import numpy as np

    factor = fine // (2**split.depth - 1)
    for levels in split.chunks():
        values = levels.numpy().astype(np.min_scalar_type(fine), copy=False) * factor
        yield from (hash(one.tobytes()) for one in values)
