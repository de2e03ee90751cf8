"""A block of sequences, chained on one stack: neighbours of one length together, those of others after each other.

The form of a block is that of pictures (`block`), but that its seeds are deflated values and a step holds sequences of
one length.

Shapes: `B` sequences of one length; `T` steps; `...` one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.numerics import calm
from hvae.coding.entropy.stack import STATE_BITS, Exhausted, Stack
from hvae.coding.files.series import Whole, squeezed, unsqueezed
from hvae.coding.lossless import intime
from hvae.coding.lossless.block import Account, Start, blob_of, noted, parts_of, payload_of, started
from hvae.coding.lossless.book import Book
from hvae.coding.lossless.coder import with_enough_noise
from hvae.errors import HvaeError
from hvae.walk import Model, Trace

MOST_ROWS = 16
_TRIALS = 64
Shape = tuple[int, ...]
Listener = Callable[[int], object]
"""Callback with the number of sequences done."""


@dataclass(frozen=True, eq=False)
class SeriesCoder:
    """A still model with its bins; values are levels / `unit`, of so many `bits`; `context`, (1, ...) each."""

    model: Model
    book: Book
    bits: int
    unit: float
    context: Mapping[str, Tensor] = field(default_factory=dict)

    def encode(self, stack: Stack, levels: Whole) -> Trace:
        """Push sequences (B, T, ...)."""
        with calm():
            x = torch.from_numpy(levels).double() / self.unit
            return intime.encode(self.model, stack, x, self.book, self.context)

    def decode(self, stack: Stack, n: int, steps: int) -> Whole:
        """Pop n sequences of so many steps, (n, T, ...)."""
        with calm():
            x = intime.decode(self.model, stack, n, steps, self.book, self.context)
        return (x * self.unit).round().to(torch.int32).numpy()


def encode(coder: SeriesCoder, series: Sequence[Whole], listen: Listener = bool) -> tuple[bytes, Account]:
    """A block of sequences (T, ...): its payload, and its account; in a generic format where that is smaller."""
    start = _start(coder, series)
    for _ in range(_TRIALS):
        if start.seeds >= len(series):
            break
        try:
            coded = chained(coder, series, start, listen)
        except Exhausted:
            start = start._replace(length=start.length + start.length // 16 + 1)
            continue
        return min((coded, classic(coder, series)), key=lambda choice: len(choice[0]))
    return classic(coder, series)


def classic(coder: SeriesCoder, series: Sequence[Whole]) -> tuple[bytes, Account]:
    """A block with all sequences in a generic format."""
    start = started(squeezed(series, coder.bits), len(series), 0.0)
    stack = Stack.start(start.words())
    account = Account(images=len(series), seeds=len(series), start=stack.bits, first=stack.bits)
    return payload_of(start, [], stack), account


def _start(coder: SeriesCoder, series: Sequence[Whole]) -> Start:
    """As many seeds as cover what the sequence after them borrows, or noise where that is less."""
    loan, net = _trial(coder, series[0])
    for seeds in range(1, len(series)):
        blob = squeezed(series[:seeds], coder.bits)
        bits = loan * len(series[seeds]) + STATE_BITS
        if 8 * len(blob) >= bits:
            steps = sum(map(len, series[:seeds]))
            # Seeds cost their blob, and noise what is borrowed at first and what the model makes of these sequences.
            is_cheaper = 8 * len(blob) < loan * len(series[0]) + STATE_BITS + net * steps
            return started(blob, seeds, bits) if is_cheaper else started(b"", 0, loan * len(series[0]) + STATE_BITS)
    return started(b"", 0, loan * len(series[0]) + STATE_BITS)


def _trial(coder: SeriesCoder, first: Whole) -> tuple[float, float]:
    """Bits a step that the first sequence borrows, and its net cost a step."""
    before: list[int] = []

    def use(stack: Stack) -> None:
        before[:] = [stack.bits]
        coder.encode(stack, first[None])

    stack = with_enough_noise(use)
    return max(before[0] - stack.lowest, 0) / len(first), (stack.bits - before[0]) / len(first)


def chained(coder: SeriesCoder, series: Sequence[Whole], start: Start, listen: Listener) -> tuple[bytes, Account]:
    """A block of sequences on a stack that begins so.  Raises Exhausted where that is too little."""
    stack = Stack.start(start.words())
    account = Account(images=len(series), seeds=start.seeds, start=stack.bits)
    steps: list[int] = []
    for group in _of_one_length(series[start.seeds :]):
        done = 0
        while done < len(group):
            rows, after, trace = _pushed(coder, stack, group[done:], MOST_ROWS if steps else 1)
            account = noted(account, trace, after.bits - stack.bits, 0.0 if steps else after.bits)
            stack, done = after, done + rows
            steps.append(rows)
            listen(start.seeds + sum(steps))
    return payload_of(start, steps, stack), account


def _of_one_length(series: Sequence[Whole]) -> list[list[Whole]]:
    return [list(some) for _, some in groupby(series, len)]


def _pushed(coder: SeriesCoder, stack: Stack, group: Sequence[Whole], most: int) -> tuple[int, Stack, Trace]:
    """As many of a group as the stack has bits for, at most `most`, the stack after them and their trace."""
    rows = min(most, len(group))
    while True:
        after = stack.copy()
        try:
            return rows, after, coder.encode(after, np.stack(group[:rows]))
        except Exhausted:
            if rows == 1:
                raise
            rows //= 2


def decode(coder: SeriesCoder, payload: bytes, shapes: Sequence[Shape]) -> list[Whole]:
    """The sequences of a block, of these shapes.  Raises HvaeError unless every part fits every other."""
    seeds, count, steps, words = parts_of(payload, len(shapes))
    stack, parts, end = Stack.resume(words), list[Whole](), len(shapes)
    for rows in reversed(steps):
        some = {shapes[at] for at in range(end - rows, end)}
        if len(some) > 1:
            raise HvaeError("a step of a block holds sequences of several lengths; the file is damaged")
        parts[:0] = coder.decode(stack, rows, some.pop()[0])
        end -= rows
    ending = stack.ending()
    if len(ending) != count:
        raise HvaeError("the stack does not end where it began; the file is damaged, or of another model")
    blob = blob_of(ending, seeds)
    first = unsqueezed(blob, shapes[:seeds], coder.bits) if seeds else []
    return [*first, *parts]
