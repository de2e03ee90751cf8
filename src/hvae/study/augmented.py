"""Labelled pictures that were drawn for a classifier, and the folder that they are written to.

    FOLDER/CLASS/0000.png ...   pictures of each class
    FOLDER/augmentation.json    how they were drawn, and how many near copies of training data were left out

Shapes: `N` pictures; `C H W` a picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hvae.files import making, write_text
from hvae.records import JSON
from hvae.study.places import safe

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.metrics.gain import GainResult


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for: pictures a class, levels taken from data, and how the others are drawn."""

    counts: Sequence[int]
    """Pictures of each class."""
    levels: Sequence[str]
    temperature: Mapping[str, float]
    pixels: bool
    seed: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Augmentation:
    """Pictures (N, C, H, W) with labels (N,), how many near copies were left out, and what a judge says, if asked."""

    pictures: Tensor
    labels: Tensor
    titles: tuple[str, ...]
    copies: int
    threshold: float
    wish: Wish
    gain: GainResult | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Pictures of each class by its name."""
        return {title: int((self.labels == k).sum()) for k, title in enumerate(self.titles)}

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae augment --json` gives."""
        return {
            "number": len(self.labels),
            "by_class": self.counts,
            "near_copies_left_out": self.copies,
            "copy_distance": self.threshold,
            "levels_from_data": list(self.wish.levels),
            "temperature": dict(self.wish.temperature),
            "pixels": self.wish.pixels,
            "seed": self.wish.seed,
            "gain": self.gain.to_dict() if self.gain else None,
        }

    def write(self, folder: Path) -> None:
        """The pictures in a new folder, one sub-folder a class."""
        from PIL import Image

        from hvae.explore.tiles import pixels

        with making(folder) as temporary:
            for title, k in zip(_folders(self.titles), range(len(self.titles)), strict=True):
                (temporary / title).mkdir()
                for i, picture in enumerate(self.pictures[self.labels == k]):
                    Image.fromarray(pixels(picture)).save(temporary / title / f"{i:04d}.png")
            write_text(temporary / "augmentation.json", json.dumps(self.to_dict(), indent=2))


def _folders(titles: Sequence[str]) -> Iterator[str]:
    """A name of a folder for each class: what is safe of its own, with its number where two would be the same."""
    names: set[str] = set()
    for k, title in enumerate(titles):
        name = PurePosixPath(safe(title, "", k)).name
        name = f"{k}-{name}" if name.lower() in names else name
        names.add(name.lower())
        yield name
