"""Who hears what: results on standard output, everything else on the error stream.

With `json` standard output carries one JSON object and nothing else.  Whatever a person is shown goes through here, and
is made fit for a screen here: names of files and of their contents are others' words.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.segment import Segment

from hvae.screen.numbers import clock
from hvae.screen.table import table, wrapped
from hvae.screen.text import for_lines, for_screen

__all__ = ["Tick", "Voice", "table"]

PAUSE = 5.0
"""Seconds between two lines on how far something is, where no bar can be drawn."""

Tick = Callable[..., None]
"""Told (done, total) or (done, total, what is next)."""


class Voice:
    """Speaks for one command: `machine` when a program listens, `quiet` in all but the first of several processes."""

    def __init__(self, machine: bool = False, quiet: bool = False) -> None:
        self.machine, self.quiet = machine, quiet
        self.errors = _console(stderr=True, quiet=quiet)
        self.results = _console(stderr=machine, quiet=quiet)

    def tell(self, text: str) -> None:
        """How it is going, for people."""
        _say(self.errors, text)

    def show(self, result: Any) -> None:
        """The result, for people: text or anything rich can draw."""
        for part in result.renderables if isinstance(result, Group) else [result]:
            _say(self.results, part)

    def answer(self, result: Mapping[str, object]) -> None:
        """The result, for programs."""
        if self.machine and not self.quiet:
            print(json.dumps(result, allow_nan=False))

    @contextmanager
    def working(self) -> Iterator[None]:
        """The time in which libraries may print: with `machine` it goes to the error stream."""
        if not self.machine:
            yield
            return
        with redirect_stdout(sys.stderr):
            yield

    @contextmanager
    def bar(self, what: str) -> Iterator[Tick]:
        """A progress bar with the time left, while a person is looking; elsewhere a line now and then."""
        if not self.errors.is_terminal:
            self.tell(f"{what} ...")
            yield _Lines(what, self.tell)
            return
        with Progress(*_columns(), console=self.errors, transient=True) as progress:
            task = progress.add_task(for_screen(what), total=None)

            def tick(done: int, total: int, name: str = "") -> None:
                progress.update(task, completed=done, total=total or None, description=for_screen(f"{what} {name}"))

            yield tick


class _Lines:
    """How far something is, in percent and with the time left: a line every few seconds."""

    def __init__(self, what: str, tell: Callable[[str], None]) -> None:
        self.what, self.tell = what, tell
        self.began = self.last = time.monotonic()

    def __call__(self, done: int, total: int, name: str = "") -> None:
        now = time.monotonic()
        if now - self.last < PAUSE or not 0 < done < total:
            return
        self.last = now
        left = (now - self.began) * (total - done) / done
        self.tell(f"{self.what} {name}".rstrip() + f": {100 * done // total} %, {clock(left)} left")


def _columns() -> tuple[Any, ...]:
    text = TextColumn("{task.description}", markup=False)
    return text, BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn()


def _say(console: Console, part: Any) -> None:
    """Text broken at words on a terminal alone: a file or a pipe has no width."""
    if not isinstance(part, str):
        console.print(_Fit(part), soft_wrap=False, crop=False)
        return
    lines = for_lines(part)
    console.print("\n".join(wrapped(lines, console.width)) if console.is_terminal else lines)


def _console(stderr: bool, quiet: bool) -> Console:
    # Prose in the tables of a file or a pipe wraps here; nothing else has a width there.
    wide = None if (sys.stderr if stderr else sys.stdout).isatty() else 160
    return Console(stderr=stderr, quiet=quiet, width=wide, markup=False, emoji=False, highlight=False, soft_wrap=True)


class _Fit:
    """Anything rich can draw, every piece of its text made fit for a screen; colours and moves are rich's own."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for piece in console.render(self.content, options):
            yield piece if piece.control else Segment(for_lines(piece.text), piece.style)
