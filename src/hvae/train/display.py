"""What a person sees while training runs: a bar with the time left and a table of rates, or plain lines.

Everything goes to the error stream, so that a command's own output stays clean.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hvae.screen.text import for_lines

_RATE = "rate/"


@dataclass(frozen=True)
class Progress:
    """Where a run stands; `row` is the newest row of metrics.csv."""

    step: int
    steps: int
    seconds_left: float
    per_second: float
    row: Mapping[str, float]

    def headline(self) -> str:
        """One line for people.

        >>> Progress(50, 100, 65.0, 1234.5, {"loss": 81.25}).headline()
        'step 50/100 · loss 81.25 · 1,234 data/s · 1:05 left'
        """
        loss = [f"loss {self.row['loss']:.2f}"] if "loss" in self.row else []
        valid = [f"valid elbo {self.row['valid/elbo']:.2f}"] if "valid/elbo" in self.row else []
        speed = [f"{self.per_second:,.0f} data/s", f"{clock(self.seconds_left)} left"]
        return " · ".join([f"step {self.step}/{self.steps}", *loss, *valid, *speed])

    def rates(self) -> dict[str, float]:
        """Nats of each level, in the order of the walk."""
        return {name.removeprefix(_RATE): nats for name, nats in self.row.items() if name.startswith(_RATE)}


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss.

    >>> clock(65), clock(3600 * 5 + 61), clock(float("inf"))
    ('1:05', '5:01:01', '?')
    """
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


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
        """Say something that must not be missed."""

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
        bar = ProgressBar(total=progress.steps, completed=progress.step, width=60)
        self._live.update(Group(Text(progress.headline()), bar, *_table(progress.rates())), refresh=True)

    def note(self, text: str) -> None:
        self._live.console.print(Text(for_lines(text), style="yellow"))


def _table(rates: Mapping[str, float], most: int = 24) -> list[Table | Text]:
    if not rates:
        return []
    table, largest = Table("level", "nats", "", box=None, pad_edge=False), max(*rates.values(), 1e-9)
    for name, nats in list(rates.items())[:most]:
        table.add_row(name, f"{nats:.3f}", "█" * round(30 * max(0.0, nats) / largest))
    hidden = len(rates) - most
    return [table, Text(f"... and {hidden} more levels")] if hidden > 0 else [table]


class PlainDisplay(Display):
    """A line every few seconds: for files, pipes and batch systems."""

    pause = 5.0

    def _show(self, progress: Progress) -> None:
        rates = list(progress.rates().items())
        shown = " ".join(f"{name} {nats:.2f}" for name, nats in rates[:8])
        more = f" and {len(rates) - 8} more" if len(rates) > 8 else ""
        self.note(progress.headline() + (f" · nats: {shown}{more}" if rates else ""))

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
    return LiveDisplay(console) if console.is_terminal else PlainDisplay()
