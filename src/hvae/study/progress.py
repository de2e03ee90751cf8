"""How far work is, and what is said meanwhile: two small protocols instead of a screen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Tell = Callable[[str], object]
"""Called with a line for people that is no result."""


Count = Callable[[int, int], None]
"""Called with (done, total); a total of 0 is not known yet."""


class Tick(Protocol):
    """Called with (done, total), or with what is next as well; a total of 0 is not known yet."""

    def __call__(self, done: int, total: int, name: str = "") -> None: ...


class Progress(Protocol):
    """Shows how far pieces of work are."""

    def bar(self, what: str) -> AbstractContextManager[Tick]:
        """A piece of work, for as long as the context is open."""


class Silent:
    """Shows nothing.

    >>> with Silent().bar("scores") as tick:
    ...     tick(1, 2)
    """

    def bar(self, what: str) -> AbstractContextManager[Tick]:
        """A context whose tick does nothing."""
        return nullcontext(silent)


def silent(done: int, total: int, name: str = "") -> None:
    """No-op tick."""


def quiet(text: str) -> None:
    """No-op callback for lines."""
