"""Training progress on screen: a bar with the time left and a table of rates, or plain lines.

Everything goes to the error stream, so that a command's own output stays clean.
"""

from __future__ import annotations

import io
import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from hvae.screen.numbers import clock, counted, number
from hvae.screen.table import Table, table
from hvae.screen.text import for_lines

_RATE = "rate/"


@dataclass(frozen=True)
class Progress:
    """Where a run stands; `row` is the newest row of metrics.csv, empty before the first."""

    step: int
    steps: int
    seconds_left: float
    per_second: float
    row: Mapping[str, float]

    def headline(self) -> str:
        """One line for people.

        >>> Progress(50, 100, 65.0, 1234.5, {"loss": 81.25}).headline()
        'step 50/100, 50 % · loss 81.25 nats · 1,234 data/s · 1:05 left'
        """
        loss = [f"loss {number(self.row['loss'])} nats"] if "loss" in self.row else []
        valid = [f"valid -ELBO {number(-self.row['valid/elbo'])} nats"] if "valid/elbo" in self.row else []
        speed = [f"{self.per_second:,.0f} data/s", f"{clock(self.seconds_left)} left"]
        share = f"{100 * self.step // max(1, self.steps)} %"
        return " · ".join([f"step {self.step:,}/{self.steps:,}, {share}", *loss, *valid, *speed])

    def rates(self) -> dict[str, float]:
        """Nats of each level, in the order of the walk."""
        return {name.removeprefix(_RATE): nats for name, nats in self.row.items() if name.startswith(_RATE)}


class Display(ABC):
    """Shows progress at its own pace; `due` is cheap enough to ask after every step."""

    pause: float = 0.5

    def __init__(self) -> None:
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time to show something again."""
        return time.monotonic() >= self._next

    def show(self, progress: Progress) -> None:
        """Show where the run stands."""
        self._next = time.monotonic() + self.pause
        self._show(progress)

    @abstractmethod
    def _show(self, progress: Progress) -> None: ...

    @abstractmethod
    def note(self, text: str) -> None:
        """Show an important note."""

    @contextmanager
    def open(self) -> Iterator[Display]:
        """The time in which it may draw; the last picture stays."""
        yield self


class LiveDisplay(Display):
    """A bar and a table that renew themselves in place."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        # No thread of its own: a refresh between steps takes no time from the networks.
        self._live = Live(console=console, auto_refresh=False)

    @contextmanager
    def open(self) -> Iterator[Display]:
        with self._live:
            yield self

    def _show(self, progress: Progress) -> None:
        self._live.update(_drawn(progress), refresh=True)

    def note(self, text: str) -> None:
        self._live.console.print(Text(for_lines(text), style="yellow"))


def _drawn(progress: Progress) -> Group:
    bar = ProgressBar(total=progress.steps, completed=progress.step, width=60)
    # The bar ends no line of its own.
    return Group(Text(progress.headline()), bar, Text(""), *_table(progress.rates()))


def _table(rates: Mapping[str, float], most: int = 24) -> list[Table | Text]:
    if not rates:
        return []
    bars, largest = table("level", "nats", ""), max(*rates.values(), 1e-9)
    for name, nats in list(rates.items())[:most]:
        bars.add_row(name, number(nats), "█" * round(30 * max(0.0, nats) / largest) if nats < math.inf else "")
    hidden = len(rates) - most
    return [bars, Text(f"... and {counted(hidden, 'more level')}")] if hidden > 0 else [bars]


class NotebookDisplay(Display):
    """The same bar and table in the output of a notebook's cell, renewed in place."""

    pause = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._place: Any = None

    def _show(self, progress: Progress) -> None:
        from IPython.display import display as place

        page = Console(file=io.StringIO(), width=100, force_jupyter=False, markup=False)
        page.print(_drawn(progress))
        text = {"text/plain": page.file.getvalue()}  # type: ignore[attr-defined]
        if self._place is None:
            self._place = place(text, raw=True, display_id=True)
        else:
            self._place.update(text, raw=True)

    def note(self, text: str) -> None:
        print(for_lines(text))


class PlainDisplay(Display):
    """A line every few seconds: for files, pipes and batch systems."""

    pause = 5.0

    def _show(self, progress: Progress) -> None:
        rates = list(progress.rates().items())
        text = " ".join(f"{name} {number(nats)}" for name, nats in rates[:8])
        more = f" and {len(rates) - 8} more" if len(rates) > 8 else ""
        self.note(progress.headline() + (f" · nats: {text}{more}" if rates else ""))

    def note(self, text: str) -> None:
        print(for_lines(text), file=sys.stderr, flush=True)


class NoDisplay(Display):
    """Silence, for every process but the first."""

    pause = float("inf")

    def _show(self, progress: Progress) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def display(speaks: bool) -> Display:
    """The display for where the error stream goes; only one process of several speaks."""
    console = Console(stderr=True)
    if not speaks:
        return NoDisplay()
    if console.is_jupyter:
        return NotebookDisplay()
    return LiveDisplay(console) if console.is_terminal else PlainDisplay()
