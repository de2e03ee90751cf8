r"""Integer masses of symbols for entropy coding, digit by digit.

A symbol of many values (a pixel of 256, a latent of 1024 bins) is coded as digits of base 8, the highest first: each
has a small table of masses given the digits before it.  A table of all values would take 256 or 1024 evaluations of a
cumulative distribution function; digits take twenty, and cost nothing, since conditional masses multiply.

    mass of digit d after prefix a  =  F(edge of a, d + 1) - F(edge of a, d),  F in integers

To every mass one part in 2^30 is added (and the coder adds one in 2^24), so nothing is impossible, however far the
model is off.

Shapes: `B` batch; `N` all elements, (B, ...) flattened; `E` edges; `K` values of a digit; `L` symbols.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from hvae.coding.entropy.bins import Bins
from hvae.coding.entropy.curves import UNIT, UNIT_BITS, Curve, Floats, Ints
from hvae.coding.entropy.queue import Reader, Writer
from hvae.coding.entropy.stack import Stack
from hvae.coding.entropy.steady import Parameters

_DIGIT_BITS = 3
_LEAST = UNIT >> 30


class Code(ABC):
    """Pushes and pops symbols (N,) of one variable."""

    @abstractmethod
    def push(self, stack: Stack, symbols: Ints) -> None: ...

    @abstractmethod
    def pop(self, stack: Stack) -> Ints: ...


class Flat(Code):
    """All symbols equally probable: `count` of them, 0 .. 2^bits - 1."""

    def __init__(self, count: int, bits: int) -> None:
        self.count, self.size = count, 1 << bits

    def push(self, stack: Stack, symbols: Ints) -> None:
        stack.push_even(self.size, symbols)

    def pop(self, stack: Stack) -> Ints:
        return stack.pop_even(self.size, self.count)


class Digits(Code):
    """Symbols as digits, each with a table of masses given those before it."""

    @abstractmethod
    def digits(self, symbols: Ints) -> list[tuple[Floats, Ints]]:
        """The masses (N, K) and values (N,) of each digit, in the order in which a pop finds them."""

    def push(self, stack: Stack, symbols: Ints) -> None:
        for masses, digits in reversed(self.digits(symbols)):
            stack.push(masses, digits)


class Cumulative(Digits):
    """Symbols 0 .. size - 1 with a cumulative distribution function in integers, in units of about 1 / UNIT."""

    size: int
    total: Ints
    """The mass of all symbols of each element, (N,)."""

    @abstractmethod
    def cumulative(self, index: Ints) -> Ints:
        """The mass of all symbols below index (N, E), which lies above 0; `total` from `size` on."""

    def write(self, writer: Writer, symbols: Ints) -> None:
        """Into a queue, from which `read` takes them in this order."""

        def digit(masses: Floats, shift: int) -> Ints:
            digits = (symbols >> shift) & (masses.shape[1] - 1)
            writer.write(masses, digits)
            return digits

        self._walk(digit)

    def read(self, reader: Reader) -> Ints:
        """From a queue; of a damaged one the symbols may lie beyond the last."""
        return self._walk(lambda masses, shift: reader.read(masses))

    def pop(self, stack: Stack) -> Ints:
        return self._walk(lambda masses, shift: stack.pop(masses))

    def digits(self, symbols: Ints) -> list[tuple[Floats, Ints]]:
        every: list[tuple[Floats, Ints]] = []

        def digit(masses: Floats, shift: int) -> Ints:
            every.append((masses, (symbols >> shift) & (masses.shape[1] - 1)))
            return every[-1][1]

        self._walk(digit)
        return every

    def _walk(self, choose: Callable[[Floats, int], Ints]) -> Ints:
        """Digit after digit, the highest first: `choose`, of masses (N, K) and the digit's place, names it (N,)."""
        prefix, low, high = np.zeros_like(self.total), np.zeros_like(self.total), self.total
        for shift, width in _digits(self.size):
            prefix = prefix << width
            inner = self.cumulative((prefix[:, None] + np.arange(1, 1 << width)) << shift)  # (N, K - 1)
            sums = np.concatenate([low[:, None], inner, high[:, None]], 1)  # (N, K + 1)
            digit = choose((np.diff(sums) + _LEAST).astype(np.float64), shift)
            prefix |= digit
            low, high = (np.take_along_axis(sums, digit[:, None] + e, 1)[:, 0] for e in (0, 1))
        return prefix


def _digits(size: int) -> list[tuple[int, int]]:
    """(shift, width) in bits of each digit of a symbol, the highest first.

    >>> _digits(32)
    [(3, 2), (0, 3)]
    """
    bits = (size - 1).bit_length()
    shifts = list(range(0, bits, _DIGIT_BITS))
    return [(shift, min(_DIGIT_BITS, bits - shift)) for shift in reversed(shifts)]


class Binned(Cumulative):
    """A location-scale distribution over bins."""

    def __init__(self, law: Parameters, curve: Curve, bins: Bins) -> None:
        self.law, self.curve, self.bins, self.size = law, curve, bins, bins.size
        self.total = np.full(len(law.loc), UNIT)

    def cumulative(self, index: Ints) -> Ints:
        t = self.bins.edges(index)
        t -= self.law.loc[:, None]
        t /= self.law.scale[:, None]
        return self.curve(t)


class Counted(Cumulative):
    """A table of masses (N, L) in units of 1 / UNIT."""

    def __init__(self, masses: Ints) -> None:
        self.size, self.sums = masses.shape[1], masses.cumsum(1)
        self.total = self.sums[:, -1]

    def cumulative(self, index: Ints) -> Ints:
        return np.take_along_axis(self.sums, np.minimum(index, self.size) - 1, 1)


class Even(Cumulative):
    """`count` symbols of `size` that are all equally probable.

    >>> Even(1, 5).cumulative(np.array([[1, 5, 8]])) / Even(1, 5).total
    array([[0.2, 1. , 1. ]])
    """

    def __init__(self, count: int, size: int) -> None:
        self.size, self.shift = size, UNIT_BITS - (size - 1).bit_length()
        self.total = np.full(count, size << self.shift)

    def cumulative(self, index: Ints) -> Ints:
        return np.minimum(index, self.size) << self.shift


class Table(Code):
    """A table of masses (N, K) of any number of symbols, in one go."""

    def __init__(self, masses: Ints) -> None:
        self.masses = masses.astype(np.float64)

    def push(self, stack: Stack, symbols: Ints) -> None:
        stack.push(self.masses, symbols)

    def pop(self, stack: Stack) -> Ints:
        return stack.pop(self.masses)


class Certain(Code):
    """Deterministic symbols (N,): they cost no bits."""

    def __init__(self, symbols: Ints) -> None:
        self.symbols = symbols

    def push(self, stack: Stack, symbols: Ints) -> None:
        """Does nothing: checksums detect damaged files."""

    def pop(self, stack: Stack) -> Ints:
        return self.symbols
