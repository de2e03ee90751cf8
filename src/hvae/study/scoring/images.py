"""The images that are scored: where they come from, and whether the model has seen them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from hvae.config.data import KNOWN, DataConfig
from hvae.errors import HvaeError
from hvae.runs.form import DYNAMIC, SPLITS, Brought, bring, drawn, files, in_memory, own
from hvae.runs.subject import Subject
from hvae.study.conditions import by_name, other_classes

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import ImageData, Split
    from hvae.data.sources import Source
    from hvae.datum import Datum


@dataclass(frozen=True, eq=False)
class Images:
    """Images without chance, and what is said of their context beside what the split knows, {name: (N, ...)}."""

    split: Split
    context: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.split)

    def batch(self, indices: Sequence[int] | Tensor) -> Datum:
        """Some of the images with their context."""
        import torch

        datum, rows = self.split.batch(indices), torch.as_tensor(indices, dtype=torch.long)
        return replace(datum, context={**datum.context, **{name: one[rows] for name, one in self.context.items()}})

    def batches(self, size: int) -> ImageBatches:
        """All of the images in order, `size` at a time."""
        return ImageBatches(self, size)


@dataclass(frozen=True, eq=False)
class ImageBatches:
    """Images in batches, with a length: progress can tell how much is left."""

    images: Images
    size: int

    def __len__(self) -> int:
        return -(-len(self.images) // self.size)

    def __iter__(self) -> Iterator[Datum]:
        total = len(self.images)
        return (self.images.batch(range(start, min(start + self.size, total))) for start in range(0, total, self.size))


def is_split(source: object) -> TypeGuard[str]:
    """Whether these are a part of the run's own data."""
    return isinstance(source, str) and source in SPLITS


def images(subject: Subject, plain: ImageData, source: str | Path | Source) -> Brought:
    """The images to score, in the form of the model's data: a split of its own, a known set, files, or data in memory.

    `plain`, the run's data before any draw.
    """
    if is_split(source):
        return own(subject.run, subject.data, plain, source)
    if not isinstance(source, str | Path):
        return in_memory(subject.run, source)
    model, classes = subject.run.model, subject.data.classes
    if isinstance(source, str) and source in KNOWN:
        brought = bring(subject.run, known(subject, source))
        return replace(brought, remark=other_classes(brought, model, classes))
    return by_name(bring(subject.run, files(subject.run, str(source))), model, lambda: classes)


def known(subject: Subject, name: str) -> DataConfig:
    """A known set, in the size, colours and depth of the run; its binarisation must be named, for it is the task."""
    from hvae.data.catalogue import SETS
    from hvae.data.lookup import base

    asked, shape = subject.run.config.data, subject.run.model.shape
    if drawn(asked) and not name.endswith(DYNAMIC) and base(name) + DYNAMIC in KNOWN:
        raise HvaeError(f"this run was trained on drawn bits; score '{base(name)}{DYNAMIC}' instead of '{name}'")
    found = SETS[base(name)].shape
    picture: dict[str, Any] = {}
    if len(shape) == 3 and found[1:] != shape[1:]:
        picture["size"] = shape[1:]
    if len(shape) == 3 and found[0] != shape[0]:
        picture["channels"] = shape[0]
    bits = 0 if name.endswith((DYNAMIC, "-binary")) else subject.run.bits
    return DataConfig(name=name, root=asked.root, download=asked.download, bits=bits, valid=0, test=0, **picture)


def some(split: Split, count: int) -> Split:
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
    known = set(_prints(ours, fine))
    return sum(one in known for one in _prints(theirs, fine))


def _prints(split: Split, fine: int) -> Iterator[int]:
    """A number for each image that depends on its values, in units of 1 / `fine`, alone."""
    import numpy as np

    factor = fine // (2**split.depth - 1)
    for levels in split.chunks():
        values = levels.numpy().astype(np.min_scalar_type(fine), copy=False) * factor
        yield from (hash(one.tobytes()) for one in values)
