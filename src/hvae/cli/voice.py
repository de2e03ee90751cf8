"""Who hears what: results on standard output, everything else on the error stream.

With `json` standard output carries one JSON object and nothing else.  Whatever a person is shown goes through here, and
is made fit for a screen here: names of files and of their contents are others' words.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table

from hvae.screen.text import for_lines, for_screen

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
        self.errors.print(for_lines(text))

    def show(self, result: Any) -> None:
        """The result, for people: text or anything rich can draw."""
        self.results.print(for_lines(result) if isinstance(result, str) else _Fit(result))

    def answer(self, result: Mapping[str, Any]) -> None:
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
        """A progress bar with the time left, while a person is looking; a line that it began, elsewhere."""
        if not self.errors.is_terminal:
            self.tell(f"{what} ...")
            yield _nothing
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.errors, transient=True) as progress:
            task = progress.add_task(what, total=None)

            def tick(done: int, total: int, name: str = "") -> None:
                progress.update(
                    task, completed=done, total=total or None, description=f"{what} {for_screen(name)}".rstrip()
                )

            yield tick


def _console(stderr: bool, quiet: bool) -> Console:
    # A file or a pipe has no width: wide enough that no table of ours is cut.
    wide = None if (sys.stderr if stderr else sys.stdout).isatty() else 160
    return Console(stderr=stderr, quiet=quiet, width=wide, markup=False, emoji=False, highlight=False, soft_wrap=True)


class _Fit:
    """Anything rich can draw, every piece of its text made fit for a screen; colours and moves are rich's own."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for piece in console.render(self.content, options):
            yield piece if piece.control else Segment(for_lines(piece.text), piece.style)


def table(*heads: str, title: str = "") -> Table:
    """A table whose last column alone may wrap: names must stay whole to be copied."""
    made = Table(box=None, pad_edge=False, header_style="bold", title=title or None, title_justify="left")
    for head in heads:
        made.add_column(head, no_wrap=head != heads[-1], overflow="fold")
    return made


def _nothing(done: int, total: int, name: str = "") -> None:
    pass
