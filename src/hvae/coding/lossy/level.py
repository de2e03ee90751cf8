"""One level of a walk as a message: its symbols, and the value that they name.

Shapes: `N` all symbols of a level; a value is (B, ...).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from hvae.coding.entropy.curves import Ints
from hvae.coding.entropy.symbols import Cumulative

Choose = Callable[[Cumulative], Ints]
"""The code of the next symbols of a level to these symbols."""
Seen = Callable[[bytes], None]
"""Called with all that a file depends on."""


class Level(ABC):
    """A site as the encoder and the decoder see it: what may be sent of it, and what it is if nothing was."""

    @abstractmethod
    def middle(self) -> Tensor:
        """The value where nothing was sent."""

    @abstractmethod
    def symbols(self) -> Ints:
        """Those that q says, (N,), in the order of coding."""

    @abstractmethod
    def decided(self, choose: Choose) -> tuple[Ints, Tensor]:
        """All symbols (N,) and the value that they name; `choose` is asked once, or for some after the others."""

    @abstractmethod
    def packed(self, symbols: Ints) -> bytes:
        """Symbols as bytes, for a checksum."""

    @abstractmethod
    def probed(self, view: Seen) -> Tensor:
        """The value of fixed pseudo-random symbols, and what they depend on to `seen`."""
