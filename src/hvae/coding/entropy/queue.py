"""Range coding: a queue of compressed bits, of which every prefix can be decoded.

Range coding (Martin 1979; Pasco 1976) as `constriction` has it (Bamler 2022, arXiv 2201.01741): 32-bit words, tables of
24 bits.  No initial bits are needed; the overhead is at most two words a message.

Shapes: `N` symbols of one call; `K` the size of their alphabet.
"""

from __future__ import annotations

import numpy as np

from hvae.coding.entropy.curves import Floats, Ints
from hvae.coding.entropy.stack import Words, categorical, coders
from hvae.errors import HvaeError


class Writer:
    """Encodes symbols, first to last.

    >>> writer, masses = Writer(), np.array([[3.0, 1.0], [1.0, 1.0]])
    >>> writer.write(masses, np.array([0, 1]))
    >>> Reader(writer.words()).read(masses)
    array([0, 1])
    """

    def __init__(self) -> None:
        self._coder = coders().queue.RangeEncoder()

    def write(self, masses: Floats, symbols: Ints) -> None:
        """Symbols (N,) with masses (N, K), as those of a stack: integers held as doubles, in any unit."""
        self._coder.encode(symbols.astype(np.int32), categorical(), masses)

    def words(self) -> Words:
        """All of the message."""
        return self._coder.get_compressed()


class Reader:
    """Decodes symbols in the order in which they were written."""

    def __init__(self, words: Words) -> None:
        self._coder = coders().queue.RangeDecoder(np.ascontiguousarray(words, dtype=np.uint32))

    def read(self, masses: Floats) -> Ints:
        """One symbol for each row of masses (N, K).  Raises HvaeError for invalid words."""
        try:
            return np.asarray(self._coder.decode(categorical(), masses), dtype=np.int64)
        except AssertionError as fault:
            raise HvaeError(
                f"these words are no message ({fault}); the file is damaged, or of another model"
            ) from fault

    def check_end(self) -> None:
        """Raises HvaeError when more was written than has been read."""
        if not self._coder.maybe_exhausted():
            raise HvaeError("bits were left over after decoding; the file is damaged, or of another model")
