"""Images as a run uses them: three splits that make batches, and a record of where they came from.

Shapes: `N` images of a split; `B` batch; `C` channels; `H W` space (one axis `D` for flat vectors); `F` factors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae.data.captions import Captions
from hvae.data.order import generator as seeded
from hvae.data.provenance import Provenance
from hvae.data.sequences.form import SequenceForm
from hvae.datum import Datum
from hvae.errors import HvaeError

# Bounds the memory of passes over a whole split; the result does not depend on it (draws are made image after image).
CHUNK = 4096


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Split:
    r"""Some images: integer levels that stay where they are (memory, or a mapped file), and how they become a batch.

    $$x = \frac{k}{2^n - 1} \quad\text{or, dynamic,}\quad x \sim \mathrm{Bernoulli}\Big(\frac{k}{2^n - 1}\Big)$$

    Arguments: `store` (M, C, H, W), uint8 up to 8 bits and int32 above; `rows` (N,) int64, which of the store's images
    these are; `labels` (N,) int64 or None; `depth`, bits n of the store; `dynamic`, draw each pixel anew for each
    batch; `flip`, mirror each image with probability one half; `factors` (N, F) int64, what is known to have made each
    image, or None; `files`, the names of the files that the store's images come from, M of them or none; `attributes`
    (N, A) float32, numbers that describe each image, NaN where unknown, or None; `observed` bool of the shape of the
    store, which values are known, or None: all; `captions`, what is said of each image in words, or None.

    >>> levels = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1)
    >>> Split(store=levels, rows=torch.arange(3), labels=None, depth=8).batch([1, 2]).x.flatten()
    tensor([0.2000, 1.0000])
    """

    store: Tensor
    rows: Tensor
    labels: Tensor | None
    depth: int
    dynamic: bool = False
    flip: bool = False
    factors: Tensor | None = None
    files: tuple[str, ...] = ()
    attributes: Tensor | None = None
    observed: Tensor | None = None
    captions: Captions | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def levels(self, indices: Sequence[int] | Tensor) -> Tensor:
        """The stored integers of some images, (B, C, H, W): no flip, no draw."""
        # index_select, because plain indexing takes eight times as long to copy the same rows.
        rows = self.rows.index_select(0, torch.as_tensor(indices, dtype=torch.long))
        return self.store.index_select(0, rows)  # (B, C, H, W)

    def batch(self, indices: Sequence[int] | Tensor, generator: torch.Generator | None = None) -> Datum:
        """Images as a model wants them, `pictures`; as context what is `known` of them."""
        x, at = self.pictures(indices, generator), torch.as_tensor(indices, dtype=torch.long)
        observed = None if self.observed is None else self.observed[self.rows[at]]
        return Datum(x, {name: rows[at] for name, rows in self.known.items()}, observed)

    @property
    def known(self) -> dict[str, Tensor]:
        """What is known of all images by name, where there is any: "label" (N,), "attributes" (N, A), "text" (N, T)."""
        words = self.captions.tokens if self.captions else None
        every = {"label": self.labels, "attributes": self.attributes, "text": words}
        return {name: rows for name, rows in every.items() if rows is not None}

    def pictures(self, indices: Sequence[int] | Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images alone: float32 in [0, 1], (B, C, H, W).

        A pure function of `indices` and the state of `generator`, which is needed when the split flips or draws;
        without it HvaeError is raised.
        """
        if generator is None and (self.dynamic or self.flip):
            raise HvaeError("this split flips or draws at random: give batch() a generator, or use split.fixed(seed)")
        levels = self.levels(indices)  # (B, C, H, W)
        if self.flip:
            levels = _mirrored(levels, generator)
        return _drawn(levels, self.depth, generator) if self.dynamic else _unit(levels, self.depth)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Datum]:
        """All images in order, `size` at a time; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield self.batch(range(start, min(start + size, len(self))), generator)

    def fixed(self, seed: int) -> Split:
        """The same images without chance: never flipped, and drawn once where batches would be drawn each time."""
        if not self.dynamic:
            return replace(self, flip=False)
        chance = seeded(seed)
        batches = [_drawn(part, self.depth, chance).byte() for part in self.chunks()]
        store = torch.cat(batches) if batches else self.store[:0]  # (N, C, H, W)
        rows, files = torch.arange(len(store)), tuple(self.names())
        return replace(self, store=store, rows=rows, depth=1, files=files, dynamic=False, flip=False)

    def some(self, indices: Sequence[int] | Tensor) -> Split:
        """These images alone, in this order, with all that is known of them."""
        at = torch.as_tensor(indices, dtype=torch.long)
        labels, factors, attributes = (
            None if rows is None else rows[at] for rows in (self.labels, self.factors, self.attributes)
        )
        captions = self.captions.some(at) if self.captions else None
        return replace(
            self, rows=self.rows[at], labels=labels, factors=factors, attributes=attributes, captions=captions
        )

    def spelled(self, form: SequenceForm | None) -> Split:
        """The same images with their captions in the tokens of a form; as they are where there are no captions."""
        return replace(self, captions=self.captions.spelled(form)) if self.captions and form else self

    def names(self) -> list[str]:
        """The name of the file of each image, in the split's order; empty where images are no files of their own."""
        return [self.files[row] for row in self.rows.tolist()] if self.files else []

    def chunks(self) -> Iterator[Tensor]:
        """All levels in order, a few thousand images at a time."""
        starts = range(0, len(self), CHUNK)
        return (self.levels(range(start, min(start + CHUNK, len(self)))) for start in starts)

    def __repr__(self) -> str:
        bits = "drawn from grey" if self.dynamic else f"{self.depth} bit"
        return f"Split({len(self):,} x {tuple(self.store.shape[1:])}, {bits}{', flipped' if self.flip else ''})"


def _unit(levels: Tensor, depth: int) -> Tensor:
    return levels.float().div_(2**depth - 1)


def _drawn(levels: Tensor, depth: int, generator: torch.Generator | None) -> Tensor:
    # A uniform integer r in 0 .. 2^n - 2 lies below k with probability k / (2^n - 1) exactly: no float draw is needed.
    chance = torch.randint(0, 2**depth - 1, levels.shape, dtype=levels.dtype, generator=generator)
    return (chance < levels).float()


def _mirrored(levels: Tensor, generator: torch.Generator | None) -> Tensor:
    turn = torch.rand(len(levels), generator=generator) < 0.5
    return torch.where(turn.view(-1, 1, 1, 1), levels.flip(-1), levels)


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageData:
    """A data set ready for training and evaluation.

    `valid` and `test` are deterministic: their batches need no generator.  A split that was set to 0 has length 0.

    Arguments: the three splits; `bits` of the values a model sees (1 for binarised sets); `shape` of one image
    (C, H, W), or (D,); `provenance`; `classes`, what each label means, and `factors` and `attributes`, what each
    column of the splits' factors and attributes means, where known.
    """

    train: Split
    valid: Split
    test: Split
    bits: int
    shape: tuple[int, ...]
    provenance: Provenance
    classes: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()

    def spelled(self, form: SequenceForm | None) -> ImageData:
        """The same data with their captions in the tokens of a form."""
        train, valid, test = (split.spelled(form) for split in (self.train, self.valid, self.test))
        return replace(self, train=train, valid=valid, test=test)

    @property
    def levels(self) -> int:
        """Values a pixel can take."""
        return 2**self.bits
