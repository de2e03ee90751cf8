"""How far a long piece of work is, for whoever watches it: bars by name, or one plain callable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

Count = Callable[[int, int], None]
"""Hears (done, total); total is 0 where it cannot be known."""
Tell = Callable[[str], object]
"""Hears a line for people that is no result."""
Tick = Callable[..., None]
"""Hears (done, total) or (done, total, what is next)."""
Progress = Callable[[int, int, str], object]
"""Hears (done, total, name) after each piece of work; total is 0 where it cannot be known."""


@runtime_checkable
class Bars(Protocol):
    """Shows how far each of several pieces of work is, under its name."""

    def bar(self, what: str) -> AbstractContextManager[Tick]:
        """The time that one piece of work takes."""
        ...


class Counted:
    """Bars for a callable: it hears (done, total, name).

    >>> with Counted(print).bar("likelihood") as tick:
    ...     tick(1, 2)
    1 2 likelihood
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    @contextmanager
    def bar(self, what: str) -> Iterator[Tick]:
        """The time that one piece of work takes."""

        def tick(done: int, total: int, name: str = "") -> None:
            self.progress(done, total, f"{what} {name}".rstrip())

        yield tick


def silent(*_: object) -> None:
    """Nobody listens."""


def quiet(text: str) -> None:
    """Nobody hears the lines."""


def bars(progress: Progress | Bars | None) -> Bars:
    """Whatever the caller gave as bars."""
    return progress if isinstance(progress, Bars) else Counted(progress or silent)
