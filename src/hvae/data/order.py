"""Which images make up which step: a pure function of (seed, step), so that resuming needs no saved state.

Shapes: `N` images; `B` images of one global batch; `S` shards of it (processes x accumulated micro-batches).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.seeds import mixed_seed

# Streams of one seed that must never coincide.
_ORDER, _BATCH, _SUBSET = 1, 2, 5


Order = Callable[[int, int, int], Tensor]
"""(epoch, seed, size of a batch) -> the order of that epoch, (N,)."""


def generator(*key: int) -> torch.Generator:
    """A CPU random generator that is a pure function of `key`.

    >>> bool(torch.rand(1, generator=generator(0, 7)) == torch.rand(1, generator=generator(0, 7)))
    True
    """
    return torch.Generator().manual_seed(mixed_seed(*key))


def epoch_order(n: int, epoch: int, seed: int) -> Tensor:
    """The order of epoch `epoch`: a permutation of 0 .. n-1, (N,) int64.

    >>> sorted(epoch_order(5, 0, seed=0).tolist())
    [0, 1, 2, 3, 4]
    """
    return _order(n, epoch, seed).clone()


# Steps walk through one epoch, or across the border of two; a permutation a step would cost more than the batch.
@lru_cache(maxsize=4)
def _order(n: int, epoch: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=generator(_ORDER, seed, epoch))


def subset(n: int, count: int) -> Tensor:
    """The places of `count` of n data (all, when there are fewer) at random, always the same, in rising order.

    Folders and many published files are sorted by class: their first thousand stand for nothing.

    >>> subset(3, 5), len(subset(100, 10))
    (tensor([0, 1, 2]), 10)
    """
    return torch.randperm(n, generator=generator(_SUBSET, n))[:count].sort().values


class MicroBatch(NamedTuple):
    """One shard of one step: what a process feeds to the model at once.

    `indices` (B / S,) int64; `seed` for the draws inside the batch (flips, dynamic binarisation), the same whichever
    process runs the shard.
    """

    step: int
    shard: int
    indices: Tensor
    seed: int

    def generator(self) -> torch.Generator:
        """A fresh generator for the draws inside this micro-batch."""
        return torch.Generator().manual_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class StepSampler:
    r"""From a global step to the indices of this process's micro-batches.

    With \(\pi_e\) the order of epoch e, the images form one endless line \(\pi_0 \pi_1 \pi_2 \ldots\); step t takes
    entries \([tB, (t+1)B)\), nothing is dropped, and shard s of S takes the s-th equal slice of them.  Process r runs
    shards \(r A, \ldots, r A + A - 1\) for A accumulated micro-batches, so two processes see what one process with
    `accumulate=2` sees.

    Iterating yields the micro-batches of steps `start_step` .. `steps` - 1 in order.

    Arguments: `n` images; `batch`, the global batch size B; `seed`; `steps`, the last step plus one; `start_step`;
    `rank` of `world` processes; `accumulate`, micro-batches a step on each process;
    `order`, of an epoch by its number, the seed and the batch (none: `epoch_order`), as pure a function.

    Raises HvaeError when there are no images, or B does not divide into world * accumulate shards.

    >>> one = StepSampler(n=6, batch=4, seed=0, steps=3, accumulate=2)
    >>> [len(micro.indices) for micro in one]
    [2, 2, 2, 2, 2, 2]
    >>> two = StepSampler(n=6, batch=4, seed=0, steps=3, rank=1, world=2)
    >>> bool((two.micro(0).indices == one.micro(0, 1).indices).all())
    True
    """

    n: int
    batch: int
    seed: int
    steps: int
    start_step: int = 0
    rank: int = 0
    world: int = 1
    accumulate: int = 1
    order: Order | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise HvaeError("expected at least one training image, got none; set data.valid and data.test lower")
        if self.accumulate < 1 or self.world < 1:
            raise HvaeError(f"expected at least 1 process and 1 micro-batch, got {self.world} and {self.accumulate}")
        if self.batch < 1 or self.batch % self.shards:
            near = max(1, round(self.batch / self.shards)) * self.shards
            raise HvaeError(
                f"a batch of {self.batch} does not divide into {self.shards} equal shards ({self.world} processes x "
                f"{self.accumulate} micro-batches); the nearest that does is {near}"
            )
        assert 0 <= self.rank < self.world

    @property
    def shards(self) -> int:
        """Equal slices of one global batch."""
        return self.world * self.accumulate

    def __len__(self) -> int:
        return max(0, self.steps - self.start_step) * self.accumulate

    def __iter__(self) -> Iterator[MicroBatch]:
        for step in range(self.start_step, self.steps):
            for part in range(self.accumulate):
                yield self.micro(step, part)

    def micro(self, step: int, part: int = 0) -> MicroBatch:
        """Micro-batch `part` (0 .. accumulate-1) of this process at `step`."""
        shard, width = self.rank * self.accumulate + part, self.batch // self.shards
        start = step * self.batch + shard * width
        indices = self._line(start, start + width)  # (B / S,)
        return MicroBatch(step, shard, indices, mixed_seed(_BATCH, self.seed, step, shard))

    def whole(self, step: int) -> Tensor:
        """The indices of all data of a step, over all processes and micro-batches, (B,)."""
        return self._line(step * self.batch, (step + 1) * self.batch)

    def epoch(self, step: int) -> float:
        """Epochs finished when `step` begins."""
        return step * self.batch / self.n

    def _line(self, start: int, stop: int) -> Tensor:
        epochs = range(start // self.n, (stop - 1) // self.n + 1)
        line = torch.cat([self._order(epoch) for epoch in epochs])
        offset = start - epochs.start * self.n
        return line[offset : offset + stop - start].clone()

    def _order(self, epoch: int) -> Tensor:
        return self.order(epoch, self.seed, self.batch) if self.order else _order(self.n, epoch, self.seed)
