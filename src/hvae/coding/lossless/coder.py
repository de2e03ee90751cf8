"""A coder: a still model, the order in which it pops and pushes, and the bins of its levels.

Shapes: `B` rows of a step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from hvae.coding.entropy.numerics import calm, noise
from hvae.coding.entropy.stack import Exhausted, Stack
from hvae.coding.files.classic import Levels
from hvae.coding.lossless import bitsback, bitswap
from hvae.coding.lossless.book import Book
from hvae.errors import HvaeError
from hvae.walk import Chain, Model, Trace

_AMOUNTS = (1 << 12, 1 << 16, 1 << 20, 1 << 24)


class Order(NamedTuple):
    """An order of pops and pushes."""

    name: str
    encode: Callable[..., Trace]
    decode: Callable[..., Tensor]


ORDERS = (
    Order("bb-ans", bitsback.encode, bitsback.decode),
    Order("bit-swap", bitswap.encode, bitswap.decode),
)


def best_order(model: Model) -> int:
    """The order with the fewest initial bits: Bit-Swap for Markov chains, else BB-ANS."""
    return 1 if isinstance(model, Chain) else 0


@dataclass(frozen=True, eq=False)
class Coder:
    """A still model, the order of its pops and pushes, its bins, the bits of its data, and their context, (1, ...)."""

    model: Model
    order: Order
    book: Book
    bits: int
    context: Mapping[str, Tensor] = field(default_factory=dict)

    def encode(self, stack: Stack, levels: Levels) -> Trace:
        x = torch.from_numpy(levels).double() / (2**self.bits - 1)
        with calm():
            return self.order.encode(self.model, stack, x, self.book, self.context)

    def decode(self, stack: Stack, n: int) -> Levels:
        with calm():
            x = self.order.decode(self.model, stack, n, self.book, self.context)
        return (x * (2**self.bits - 1)).round().to(torch.uint8).numpy()


def with_enough_noise(use: Callable[[Stack], object]) -> Stack:
    """The stack after `use`, started with as much noise as it needs."""
    for words in _AMOUNTS:
        stack = Stack.start(noise(words))
        try:
            use(stack)
        except Exhausted:
            continue
        return stack
    raise HvaeError("one image borrows more than 64 MiB; calibrate with a lower fineness")


def fingerprint(coder: Coder) -> bytes:
    """An 8-byte hash of the coder's probabilities on a datum generated from fixed noise and inferred again.

    Machines that compute other probabilities, p or q, of any level, get other bytes.
    """
    stack = with_enough_noise(lambda stack: coder.decode(stack, 1))
    return hashlib.sha256(stack.words().astype("<u4").tobytes()).digest()[:8]
