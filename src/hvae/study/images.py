"""Images, or sequences, as a model is asked about them: without chance, with their context.

Shapes: `N` images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeGuard

from hvae.runs.form import SPLITS
from hvae.runs.images import InputImages

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import SequenceSplit, Split
    from hvae.datum import Datum
    from hvae.runs.sequences import InputSequences


def without_chance(inputs: InputImages | InputSequences) -> Images:
    """Data that were brought to the form of a model, drawn once where batches would be drawn each time."""
    return Images(inputs.split.fixed(0), inputs.context)


class Batched(Protocol):
    """Data that a model is asked about, in batches of at most `size`."""

    def batches(self, size: int) -> Iterable[Datum]:
        """All of them in order."""
        ...


@dataclass(frozen=True, eq=False)
class Images:
    """Data without chance, and what is said of their context beside what the split knows, {name: (N, ...)}."""

    split: Split | SequenceSplit
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
