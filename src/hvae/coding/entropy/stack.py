"""Asymmetric numeral systems: a stack of compressed bits.

Asymmetric numeral systems (Duda 2013, arXiv 1311.2540) as `constriction` has them (Bamler 2022, arXiv 2201.01741): a
stack of 32-bit words, tables of 24 bits, last in first out.  A pop with the same table inverts a push; a pop from
random bits is a sample from the table, which a push inverts.

Shapes: `N` symbols of one call; `K` the size of their alphabet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvae.coding.entropy.curves import Floats, Ints
from hvae.errors import HvaeError, missing_extra

Words = NDArray[np.uint32]

STATE_BITS = 32
"""The coder's state holds at least this many bits as long as no bit was invented."""


class Exhausted(HvaeError):
    """Raised when more is popped than the stack holds."""


class Stack:
    """Bits under construction.  `Stack.start` begins one for encoding, `Stack.resume` takes one up for decoding.

    >>> stack = Stack.start(np.arange(4, dtype=np.uint32))
    >>> stack.push(np.array([[3.0, 1.0], [1.0, 1.0]]), np.array([0, 1]))
    >>> stack.pop(np.array([[3.0, 1.0], [1.0, 1.0]]))
    array([0, 1])
    >>> stack.ending()
    array([0, 1, 2, 3], dtype=uint32)
    """

    def __init__(self, coder: Any) -> None:
        self._coder = coder
        self.lowest = self.bits

    @classmethod
    def start(cls, words: Words) -> Stack:
        """A stack on top of initial words, which `ending` returns once everything above them has been popped."""
        return cls(coders().stack.AnsCoder(np.ascontiguousarray(words, dtype=np.uint32), seal=True))

    @classmethod
    def resume(cls, words: Words) -> Stack:
        """The stack that `words()` described.  Raises HvaeError for invalid words."""
        try:
            return cls(coders().stack.AnsCoder(np.ascontiguousarray(words, dtype=np.uint32)))
        except ValueError as fault:
            raise HvaeError(f"these words are no stack of compressed bits ({fault}); the file is damaged") from fault

    def copy(self) -> Stack:
        return Stack(self._coder.clone())

    @property
    def bits(self) -> int:
        """Bits on the stack."""
        return int(self._coder.num_valid_bits())

    def push(self, masses: Floats, symbols: Ints) -> None:
        """Symbols (N,) with masses (N, K): integers held as doubles, in any unit; each counts as one part in 2^24 more.

        The last symbol is pushed first, so that a pop finds them in order.
        """
        self._coder.encode_reverse(symbols.astype(np.int32), categorical(), masses)

    def pop(self, masses: Floats) -> Ints:
        """One symbol for each row of masses (N, K).  Raises Exhausted when the stack holds too little."""
        return self._taken(self._coder.decode(categorical(), masses))

    def push_even(self, size: int, symbols: Ints) -> None:
        """Symbols (N,) that are all equally probable, 0 .. size - 1."""
        self._coder.encode_reverse(symbols.astype(np.int32), coders().model.Uniform(size))

    def pop_even(self, size: int, count: int) -> Ints:
        """`count` symbols that are all equally probable, 0 .. size - 1.  Raises Exhausted as `pop` does."""
        return self._taken(self._coder.decode(coders().model.Uniform(size), count))

    def words(self) -> Words:
        """All of the stack, to be written into a file."""
        return self._coder.get_compressed()

    def ending(self) -> Words:
        """The initial words of the stack.  Raises HvaeError when symbols are left above them."""
        try:
            return self._coder.get_compressed(unseal=True)
        except AssertionError as fault:
            raise HvaeError("bits were left over after decoding; the file is damaged, or of another model") from fault

    def _taken(self, symbols: NDArray[np.int32]) -> Ints:
        # The coder itself never complains: with an empty stack it gives the first symbol for ever.  Its state has 32
        # bits at least until then, and pops only ever shrink it, so that one look after the call is enough.
        self.lowest = min(self.lowest, self.bits)
        if self.bits < STATE_BITS:
            raise Exhausted("the stack of compressed bits is exhausted; the file is damaged, or of another model")
        return symbols.astype(np.int64)


def coders() -> Any:
    """The library of entropy coders.  Raises HvaeError where it is not installed."""
    try:
        from constriction import stream
    except ImportError as fault:
        raise missing_extra("constriction", "codec") from fault
    return stream


def categorical() -> Any:
    """Its model of any few symbols."""
    # perfect=True is a hundred times slower, and its tables are not promised to be the same on every machine.
    return coders().model.Categorical(perfect=False)
