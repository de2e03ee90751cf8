"""What a known data set is: its published form, the layouts it lies in, and how it is found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hvae.data.fetch import Remote, cache_folder, is_whole, places
from hvae.data.raw import Part, Raw


@dataclass(frozen=True)
class Layout:
    """One way a set lies in a folder: the files it needs (patterns), and who reads them."""

    files: tuple[str, ...]
    read: Callable[[Path], Raw]

    def in_folder(self, folder: Path) -> bool:
        """Whether every file is there."""
        return all(next(folder.glob(pattern), None) for pattern in self.files)


@dataclass(frozen=True, kw_only=True)
class KnownSet:
    """A published data set.

    Arguments: `what`, in a line; `shape` (C, H, W) and `bits` of the published form; `sizes` of its splits; `licence`;
    `folders` tried below a root; `layouts`; `remotes`, its files as published; `system`, folders where a Linux
    distribution puts it; `digests`, what `digest` gives for its splits; `short`, how to say that a split is not whole;
    `made`, who makes it here, where no file holds it; `scarce`, why there is nothing to download where there are no
    remotes.
    """

    name: str
    what: str
    shape: tuple[int, int, int]
    bits: int
    sizes: Mapping[str, int]
    licence: str
    folders: tuple[str, ...]
    layouts: tuple[Layout, ...]
    remotes: tuple[Remote, ...] = ()
    system: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    short: str = "{n:,} of {full:,} {split} images"
    made: Callable[[], Raw] | None = None
    scarce: str = "nobody serves it without an account"

    def found(self, root: str) -> tuple[Path, Layout] | None:
        """The first place that holds the set, and in which layout."""
        options = ((place, layout) for place in self.searched(root) for layout in self.layouts)
        return next(((place, layout) for place, layout in options if layout.in_folder(place)), None)

    def searched(self, root: str) -> list[Path]:
        """Every folder that is looked into, in order."""
        return places(root, self.folders, self.system) if self.folders else []

    def is_spoilt(self, place: Path) -> bool:
        """Whether `place` is the cache, and a file that was downloaded into it has changed since."""
        here = [remote for remote in self.remotes if (place / remote.file).exists()]
        return place == cache_folder() / self.folders[0] and not all(is_whole(remote, place) for remote in here)

    def version(self, raw: Raw) -> str:
        """What sets these images apart from the published set; empty when nothing does."""
        sizes = {split: len(part.levels) for split, part in raw.parts.items()}
        short = [
            self.short.format(n=sizes.get(split, 0), full=full, split=split)
            for split, full in self.sizes.items()
            if sizes.get(split, 0) != full
        ]
        short += [
            f"not the published {split} images (digest {found[:8]}, not {self.digests[split][:8]})"
            for split, part in raw.parts.items()
            if split in self.digests and sizes[split] == self.sizes[split]
            if (found := digest(part)) != self.digests[split]
        ]
        return "; ".join([*short, raw.version] if raw.version else short)


def digest(part: Part) -> str:
    """The sha256 of a split's levels (bytes) and then of its labels (64 bits), however its files are packed.

    >>> import numpy as np
    >>> digest(Part(np.zeros((2, 1, 1, 1), np.uint8)))[:8]
    '96a296d2'
    """
    found = hashlib.sha256(np.ascontiguousarray(part.levels).data)
    if part.labels is not None:
        found.update(part.labels.astype("<i8").tobytes())
    return found.hexdigest()
