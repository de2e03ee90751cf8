"""Sequences as a run uses them: three splits that make padded batches, and a record of where they came from.

Shapes: `N` sequences of a split; `F` stored steps; `B` batch; `T` steps of the longest of a batch; `...` one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae.data.captions import Captions
from hvae.data.order import epoch_order, generator
from hvae.data.provenance import Provenance
from hvae.data.sequences.form import SequenceForm
from hvae.datum import Datum

_BATCHES = 7
"""The stream of random numbers that orders batches of neighbours by length."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SequenceSplit:
    r"""Some sequences: the steps of all of them one after another, and where each begins, so that none pads another.

    $$x_t = k_t / u$$

    Arguments: `store` (F, ...), levels or numbers; `starts` and `lengths` (N,) int64, where each sequence begins in the
    store and how many steps it has; `unit` u, what a level is divided by; `labels` (N,) int64 or None; `attributes`
    (N, A) float32 or None; `captions`, what is said of each in words, or None; `files`, the name of each, or none;
    `bucket`, batches of the random order whose sequences are sorted by length before they are dealt out (0: none).

    >>> split = SequenceSplit(
    ...     store=torch.tensor([[0], [1], [1], [3], [3]]), starts=torch.tensor([0, 3]), lengths=torch.tensor([3, 2]),
    ...     unit=3.0)
    >>> batch = split.batch([0, 1])
    >>> batch.x[..., 0], batch.lengths
    (tensor([[0.0000, 0.3333, 0.3333], [1.0000, 1.0000, 0.0000]]), tensor([3, 2]))
    """

    store: Tensor
    starts: Tensor
    lengths: Tensor
    unit: float
    labels: Tensor | None = None
    attributes: Tensor | None = None
    captions: Captions | None = None
    files: tuple[str, ...] = ()
    bucket: int = 0

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def known(self) -> dict[str, Tensor]:
        """What is known of the sequences beside their steps, by the name of its entry of the context, (N, ...)."""
        words = self.captions.tokens if self.captions else None
        every = {"label": self.labels, "attributes": self.attributes, "text": words}
        return {name: values for name, values in every.items() if values is not None}

    @property
    def steps(self) -> int:
        """Steps of all sequences."""
        return int(self.lengths.sum())

    def batch(self, indices: Sequence[int] | Tensor, generator: torch.Generator | None = None) -> Datum:
        """Sequences as a model wants them, (B, T, ...) float32, padded with 0, with their lengths and labels (B,)."""
        at = torch.as_tensor(indices, dtype=torch.long)
        lengths = self.lengths[at]
        steps = torch.arange(int(lengths.max()) if len(at) else 0)
        exists = steps < lengths[:, None]  # (B, T)
        # Places beyond the end of a sequence read its last step, and are then emptied.
        places = self.starts[at, None] + steps.minimum(lengths[:, None] - 1)
        x = self.store[places].float() / self.unit
        x = torch.where(exists.view(*exists.shape, *[1] * (x.ndim - 2)), x, 0.0)
        return Datum(x, {name: t[at] for name, t in self.known.items()}, lengths=lengths)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Datum]:
        """All sequences in order, `size` at a time; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield self.batch(range(start, min(start + size, len(self))))

    def levels(self, index: int) -> Tensor:
        """The stored steps of one sequence, (T, ...)."""
        start = int(self.starts[index])
        return self.store[start : start + int(self.lengths[index])]

    def fixed(self, seed: int) -> SequenceSplit:
        """The same: nothing of it is drawn."""
        return self

    def some(self, indices: Sequence[int] | Tensor) -> SequenceSplit:
        """These sequences alone, in this order."""
        at = torch.as_tensor(indices, dtype=torch.long)
        return replace(
            self,
            starts=self.starts[at],
            lengths=self.lengths[at],
            labels=None if self.labels is None else self.labels[at],
            attributes=None if self.attributes is None else self.attributes[at],
            captions=self.captions.some(at) if self.captions else None,
            files=tuple(self.files[i] for i in at.tolist()) if self.files else (),
        )

    def spelled(self, form: SequenceForm | None) -> SequenceSplit:
        """The same sequences with their captions in the tokens of a form; as they are where there are no captions."""
        return replace(self, captions=self.captions.spelled(form)) if self.captions and form else self

    def names(self) -> list[str]:
        """The name of each sequence; empty where they have none."""
        return list(self.files)

    def chunks(self) -> Iterator[Tensor]:
        """All levels in order, a sequence at a time, and the lengths at the end."""
        yield from (self.levels(index) for index in range(len(self)))
        yield self.lengths

    def pieces(self, most: int) -> SequenceSplit:
        """The same steps in sequences of `most` at most: longer ones are cut, which costs no memory.

        >>> whole = SequenceSplit(
        ...     store=torch.zeros(7, 1), starts=torch.tensor([0, 2]), lengths=torch.tensor([2, 5]), unit=1.0)
        >>> whole.pieces(3).starts.tolist(), whole.pieces(3).lengths.tolist()
        ([0, 2, 5], [2, 3, 2])
        """
        counts = -(-self.lengths // most)
        owner = torch.arange(len(self)).repeat_interleave(counts)
        first = (counts.cumsum(0) - counts)[owner]
        offset = most * (torch.arange(len(owner)) - first)
        return replace(
            self.some(owner), starts=self.starts[owner] + offset, lengths=(self.lengths[owner] - offset).clamp(max=most)
        )

    def order(self, epoch: int, seed: int, batch: int) -> Tensor:
        """The order of one epoch, (N,): at random, or in batches of neighbours by length which are at random.

        A pure function of the epoch, the seed and the size of a batch, as is that of pictures.
        """
        order = epoch_order(len(self), epoch, seed)
        if not self.bucket:
            return order
        windows = [part[self.lengths[part].argsort(stable=True)] for part in order.split(self.bucket * batch)]
        dealt = torch.cat(windows).split(batch)
        places = torch.randperm(len(dealt), generator=generator(_BATCHES, seed, epoch))
        return torch.cat([dealt[place] for place in places.tolist()])

    def __repr__(self) -> str:
        return f"SequenceSplit({len(self):,} of {self.steps:,} steps of {tuple(self.store.shape[1:])})"


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceData:
    """A set of sequences ready for training and evaluation.

    Arguments: the three splits; `bits` of a value (0: real numbers); `shape` of one datum (T, ...), T the median
    length of the training sequences, at most 1,000; `form`, what they are of; `provenance`; `classes`, what each label
    means, where known.
    """

    train: SequenceSplit
    valid: SequenceSplit
    test: SequenceSplit
    bits: int
    shape: tuple[int, ...]
    form: SequenceForm
    provenance: Provenance
    classes: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()

    def spelled(self, form: SequenceForm | None) -> SequenceData:
        """The same data with their captions in the tokens of a form."""
        train, valid, test = (split.spelled(form) for split in (self.train, self.valid, self.test))
        return replace(self, train=train, valid=valid, test=test)
