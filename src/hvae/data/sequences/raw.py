"""What a reader of sequences hands over: sequences as found, before held-out parts and chunks are settled.

Shapes: `N` sequences; `F` steps of all of them; `T` steps of one; `...` one step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hvae.capacity import check_memory
from hvae.data.sequences.form import SequenceForm
from hvae.data.tally import Tally
from hvae.data.transforms import Array
from hvae.errors import HvaeError
from hvae.screen.numbers import counted

LEAST = 2
"""Steps of the shortest sequence: of one step nothing follows."""


@dataclass(frozen=True, eq=False)
class SequencePart:
    """One split as found: the steps of all sequences one after another, `levels` (F, ...), and `lengths` (N,).

    `labels` (N,) or None; `files`, the name of each sequence, or none; `attributes` (N, A) or None, NaN where one is
    not known; the `captions`, one each, "" where none is known, or none.
    """

    levels: Array
    lengths: Array
    labels: Array | None = None
    files: tuple[str, ...] = ()
    attributes: Array | None = None
    captions: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Sequences."""
        return len(self.lengths)

    def digest(self) -> str:
        """The sha256 of the levels, the lengths and the labels (64 bits each), however their files are packed."""
        state = hashlib.sha256(np.ascontiguousarray(self.levels).data)
        for numbers in (self.lengths, self.labels):
            if numbers is not None:
                state.update(numbers.astype("<i8").tobytes())
        return state.hexdigest()


@dataclass(frozen=True, kw_only=True)
class RawSequences:
    """A set of sequences as found: `parts` by name (train always), `bits` a value (0: real numbers), and their form.

    `unit`, what a level is divided by to become a value: 2^bits - 1, or 1 where levels are values already.
    """

    parts: Mapping[str, SequencePart]
    bits: int
    unit: float
    form: SequenceForm
    source: str = ""
    version: str = ""
    classes: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)

    def located(self, source: str, version: str) -> RawSequences:
        """The same, with where it was found and what sets it apart."""
        return replace(self, source=source, version=version)


def check_length(steps: int, title: str = "it") -> None:
    """Raises HvaeError for a sequence without a second step."""
    if steps < LEAST:
        raise HvaeError(f"{title} has {counted(steps, 'step')}; expected {LEAST} or more")


def joined(
    sequences: Sequence[Array], where: str, *, names: Sequence[str] = (), labels: Array | None = None
) -> SequencePart:
    """Sequences (T, ...) as one part.

    Raises HvaeError for one without a second step, for steps of different shapes, and for more than memory holds.

    >>> joined([np.zeros((3, 2)), np.zeros((2, 2))], "x.npz").lengths
    array([3, 2])
    """
    titles = names or [f"sequence {n}" for n in range(1, len(sequences) + 1)]
    if not sequences:
        raise HvaeError(f"{where}: expected at least one sequence, got none")
    step = sequences[0].shape[1:]
    for title, one in zip(titles, sequences, strict=True):
        check_length(len(one), f"{where}: {title}")
        if one.shape[1:] != step:
            raise HvaeError(
                f"{where}: expected steps of one shape, got {step} ({titles[0]}) and {one.shape[1:]} ({title})"
            )
    check_memory(2 * sum(one.nbytes for one in sequences), where)
    lengths = np.array([len(one) for one in sequences], np.int64)
    return SequencePart(np.concatenate(sequences), lengths, labels, tuple(names))
