"""A block: images chained on one stack, decodable without the rest of the file.

Bits-back coding needs initial bits.  They are the first images of the block in a classic format ("seeds"; after
Townsend et al. 2020, arXiv 1912.09953, sec. 3.2), supplemented by reproducible pseudo-random words.  The number of
seeds minimises the size: enough for the first loan, none where noise is cheaper, or all where the model compresses
worse.

    payload = seeds, words at the start, steps, words (4 x u32) | rows of each step (u8) | words of the stack (u32)

Shapes: `N` images of the block; `B` rows of a step.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from hvae.coding.entropy.numerics import noise
from hvae.coding.entropy.stack import STATE_BITS, Exhausted, Stack, Words
from hvae.coding.files.classic import Levels, restore, squeeze
from hvae.coding.files.container import MOST_PER_BYTE
from hvae.coding.lossless.coder import Coder, with_enough_noise
from hvae.errors import HvaeError
from hvae.walk import Trace

MOST_ROWS = 64
_HEAD = struct.Struct("<4I")
_LENGTH = struct.Struct("<I")
_LOG2 = float(np.log(2.0))


@dataclass(frozen=True)
class Account:
    """Account of the bits of some images.  Sums over images; `elbo`, `trace` and `net` leave out the seeds."""

    images: int = 0
    seeds: int = 0
    """Images in a classic format, as initial bits or because the model would compress worse."""
    elbo: float = 0.0
    """Minus the ELBO of the chained images."""
    trace: float = 0.0
    """Minus the log-weight of the walks that coded them, in densities instead of masses."""
    net: float = 0.0
    """Growth of the stack."""
    start: float = 0.0
    """Initial bits of the stacks: seeds and noise."""
    first: float = 0.0
    """The stack of the first block after its first image."""
    squares: float = 0.0
    """Sum of squared differences of `elbo` and `trace` by image."""

    @property
    def spread(self) -> float:
        """Standard error of net - elbo, in bits: coding uses one sample an image, the ELBO is an expectation."""
        return self.squares**0.5

    def __add__(self, other: Account) -> Account:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Account(**{**sums, "first": self.first or other.first})


class Start(NamedTuple):
    """Initial content of a stack: images in a classic format, padded with noise to a number of words."""

    seeds: int
    blob: bytes
    length: int

    def words(self) -> Words:
        """The whitened blob, followed by noise: its bits are used as uniform random bits."""
        return whitened(_LENGTH.pack(len(self.blob)) + self.blob, self.length) if self.seeds else noise(self.length)


Listener = Callable[[int], object]
"""Callback with the number of images done."""


def encode(coder: Coder, levels: Levels, most: int = 16, listen: Listener = bool) -> tuple[bytes, Account]:
    """A block of images, (N, *shape) of integers, at most `most` of them a step: its payload, and its account."""
    start = _start(coder, levels, _trial(coder, levels[:1]))
    while start.seeds < len(levels):
        try:
            payload, account = _chained(coder, levels, start, most, listen)
            break
        except Exhausted:
            start = start._replace(length=start.length + start.length // 32 + 1)
    else:
        return classic(levels, coder.bits)
    # Only where the model does badly is it worth the time to see what a classic format makes of all of them.
    if 8 * len(payload) < 0.7 * _classic_bits(levels, coder.bits) * len(levels):
        return payload, account
    return min((payload, account), classic(levels, coder.bits), key=lambda choice: len(choice[0]))


def classic(levels: Levels, bits: int) -> tuple[bytes, Account]:
    """A block with all images in a classic format."""
    # Noise up to what a reader believes: of images that are all alike a format may need a few bytes for thousands.
    start = _seeded(levels, bits, len(levels), 8.0 * (len(levels) // MOST_PER_BYTE))
    stack = Stack.start(start.words())
    account = Account(images=len(levels), seeds=len(levels), start=stack.bits, first=stack.bits)
    return payload_of(start, [], stack), account


class _Cost(NamedTuple):
    """Bits that the first image borrows, and its net cost."""

    loan: float
    net: float


def _trial(coder: Coder, first: Levels) -> _Cost:
    before: list[int] = []

    def use(stack: Stack) -> None:
        before[:] = [stack.bits]
        coder.encode(stack, first)

    stack = with_enough_noise(use)
    return _Cost(max(before[0] - stack.lowest, 0), stack.bits - before[0])


def _start(coder: Coder, levels: Levels, cost: _Cost) -> Start:
    """The initial content of least size: seeds or noise."""
    n, loan, each = len(levels), cost.loan + STATE_BITS, _classic_bits(levels, coder.bits)

    def total(k: int) -> float:
        return k * each + (n - k) * cost.net + (max(loan - k * each, 0.0) if k < n else 0.0)

    enough = int(loan // each)
    return _seeded(levels, coder.bits, min({0, min(enough, n), min(enough + 1, n), n}, key=total), loan)


def _classic_bits(levels: Levels, bits: int) -> float:
    """Estimated bits of an image in a classic format, when some share one blob."""
    few = levels[:8]
    return 8.0 * len(squeeze(few, bits)) / len(few)


def _seeded(levels: Levels, bits: int, seeds: int, loan: float) -> Start:
    return started(squeeze(levels[:seeds], bits) if seeds else b"", seeds, loan)


def started(blob: bytes, seeds: int, loan: float) -> Start:
    """A stack that begins with so many seeds in a blob, and with noise up to a loan in bits."""
    lowest = -(-(len(blob) + _LENGTH.size) // 4) if seeds else 0
    return Start(seeds, blob, max(lowest, int(loan // 32) + 1 if loan else 0))


def _chained(coder: Coder, levels: Levels, start: Start, most: int, listen: Listener) -> tuple[bytes, Account]:
    stack = Stack.start(start.words())
    account = Account(images=len(levels), seeds=start.seeds, start=stack.bits)
    steps: list[int] = []
    done, loan = start.seeds, float(stack.bits)
    while done < len(levels):
        rows = _rows(stack.bits / loan, min(most, len(levels) - done))
        after = stack.copy()
        try:
            trace = coder.encode(after, levels[done : done + rows])
        except Exhausted:
            if rows == 1:
                raise
            loan = stack.bits / (rows // 2)
            continue
        borrowed = (stack.bits - min(after.lowest, stack.bits)) / rows
        loan = 1.1 * borrowed + 64 if not steps else max(1.1 * borrowed + 64, 0.9 * loan)
        account = noted(account, trace, after.bits - stack.bits, 0.0 if steps else after.bits)
        stack, done = after, done + rows
        steps.append(rows)
        listen(done)
    return payload_of(start, steps, stack), account


def _rows(afford: float, most: int) -> int:
    """The largest power of two of rows for which the stack has enough initial bits, up to `most`."""
    return 1 << (max(1, min(int(afford), most)).bit_length() - 1)


def noted(account: Account, trace: Trace, net: float, first: float) -> Account:
    """The account after a step whose walk left this trace."""
    bound, weight = -trace.elbo() / _LOG2, -trace.log_weight() / _LOG2  # each (B,)
    return replace(
        account,
        elbo=account.elbo + float(bound.sum()),
        trace=account.trace + float(weight.sum()),
        net=account.net + net,
        first=account.first or first,
        squares=account.squares + float((weight - bound).square().sum()),
    )


def payload_of(start: Start, steps: list[int], stack: Stack) -> bytes:
    """The bytes of a block: its start, the rows of its steps, its stack."""
    words = stack.words().astype("<u4")
    return _HEAD.pack(start.seeds, start.length, len(steps), len(words)) + bytes(steps) + words.tobytes()


def decode(coder: Coder, payload: bytes, shape: tuple[int, ...], n: int) -> Levels:
    """The n images of a block, (n, *shape).  Raises HvaeError unless every part fits every other."""
    seeds, count, steps, words = parts_of(payload, n)
    stack = Stack.resume(words)
    parts = [coder.decode(stack, rows) for rows in reversed(steps)]
    ending = stack.ending()
    if len(ending) != count:
        raise HvaeError("the stack does not end where it began; the file is damaged, or of another model")
    first = _unseeded(ending, seeds, shape, coder.bits)
    return np.concatenate([first, *reversed(parts)])


def parts_of(payload: bytes, n: int) -> tuple[int, int, bytes, Words]:
    """Seeds, words at the start, rows of the steps, words.  All are bounds-checked."""
    if len(payload) < _HEAD.size:
        raise HvaeError("a block is cut short; the file is damaged")
    seeds, count, length, size = _HEAD.unpack_from(payload)
    steps = payload[_HEAD.size : _HEAD.size + length]
    fits = len(payload) == _HEAD.size + length + 4 * size and count <= size
    if not fits or seeds + sum(steps) != n or not all(1 <= rows <= MOST_ROWS for rows in steps):
        raise HvaeError("the sizes in a block contradict each other; the file is damaged")
    words = np.frombuffer(payload, dtype="<u4", offset=_HEAD.size + length)
    return seeds, count, steps, words.astype(np.uint32)


def _unseeded(words: Words, seeds: int, shape: tuple[int, ...], bits: int) -> Levels:
    blob = blob_of(words, seeds)
    return restore(blob, (seeds, *shape), bits) if seeds else np.zeros((0, *shape), dtype=np.uint8)


def blob_of(words: Words, seeds: int) -> bytes:
    """The blob of the seeds at the end of a stack; none without seeds.  Raises HvaeError where they do not fit."""
    if not seeds:
        if not np.array_equal(words, noise(len(words))):
            raise HvaeError("the stack does not end in what it began with; the file is damaged, or of another model")
        return b""
    plain = whitened(words.astype("<u4").tobytes(), len(words)).astype("<u4").tobytes()
    length = int.from_bytes(plain[: _LENGTH.size], "little")
    if length + _LENGTH.size > len(plain) or any(plain[_LENGTH.size + length :]):
        raise HvaeError("the seeds of a block do not fit into it; the file is damaged, or of another model")
    return plain[_LENGTH.size : _LENGTH.size + length]


def whitened(content: bytes, count: int) -> Words:
    """Bytes, zero-padded to `count` words, XOR noise; an involution."""
    words = np.frombuffer(content.ljust(4 * count, b"\0"), dtype="<u4").astype(np.uint32)
    return words ^ noise(count)
