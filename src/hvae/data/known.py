"""What a known data set is: its published form, the layouts it lies in, and how it is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from hvae.caches import cache_folder
from hvae.data.fetch import Remote, is_whole, places


class FoundPart(Protocol):
    """A split as a reader found it."""

    @property
    def size(self) -> int: ...
    def digest(self) -> str: ...


class Found(Protocol):
    """A set as a reader found it: of images, or of sequences."""

    @property
    def parts(self) -> Mapping[str, FoundPart]: ...
    @property
    def version(self) -> str: ...
    def located(self, source: str, version: str) -> Self: ...


R = TypeVar("R", bound=Found)


@dataclass(frozen=True)
class Layout(Generic[R]):
    """One way a set lies in a folder: the files it needs (patterns), and who reads them."""

    files: tuple[str, ...]
    read: Callable[[Path], R]

    def in_folder(self, folder: Path) -> bool:
        """Whether every file is there."""
        return all(next(folder.glob(pattern), None) for pattern in self.files)


@dataclass(frozen=True, kw_only=True)
class KnownSet(Generic[R]):
    """A published data set.

    Arguments: `what`, in a line; `shape` (C, H, W), of sequences that of one step, and `bits` of the published
    form; `sizes` of its splits; `licence`; `folders` tried below a root; `layouts`; `remotes`, its files as published;
    `system`, folders where a Linux distribution puts it; `digests`, what `digest` gives for its splits; `steps`, of
    sequences the median length of the training sequences; `short`, how to say that a split is not whole; `made`, who
    makes it here, where no file holds it; `of`, the set that it is made of, if of any; `scarce`, why there is nothing
    to download where there are no remotes.
    """

    name: str
    what: str
    shape: tuple[int, ...]
    bits: int
    sizes: Mapping[str, int]
    licence: str
    folders: tuple[str, ...]
    layouts: tuple[Layout[R], ...]
    remotes: tuple[Remote, ...] = ()
    system: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    steps: int = 0
    short: str = "{n:,} of {full:,} {split} images"
    made: Callable[[], R] | None = None
    of: KnownSet[Any] | None = None
    scarce: str = "nobody serves it without an account"

    def found(self, root: str) -> tuple[Path, Layout[R]] | None:
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

    def version(self, raw: R) -> str:
        """What sets these data apart from the published set; empty when nothing does."""
        sizes = {split: part.size for split, part in raw.parts.items()}
        short = [
            self.short.format(n=sizes.get(split, 0), full=full, split=split)
            for split, full in self.sizes.items()
            if sizes.get(split, 0) != full
        ]
        short += [
            f"not the published {split} images (digest {digest[:8]}, not {self.digests[split][:8]})"
            for split, part in raw.parts.items()
            if split in self.digests and sizes[split] == self.sizes[split]
            if (digest := part.digest()) != self.digests[split]
        ]
        return "; ".join([*short, raw.version] if raw.version else short)
