"""The journal of a run: rows for metrics.csv and the loggers, progress and notes for the screen.

Every process keeps the newest values; only the first one writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.errors import HvaeError
from hvae.files import TakenError
from hvae.training.display import display
from hvae.training.rows import Row, Rows
from hvae.training.saving import METRICS

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from lightning.fabric.loggers import Logger

_MOST_NOTES = 100


class Journal:
    """Rows, notes, and the display they are shown on."""

    def __init__(self, fabric: Fabric, folder: Path, loggers: Sequence[Logger] = ()) -> None:
        self.fabric, self.loggers = fabric, loggers
        self.rows = Rows(folder / METRICS)
        self.display = display(fabric.is_global_zero)
        self.newest: Row = {}
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Say something that must not be missed, and remember it."""
        self.display.note(text)
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def write(self, row: Row) -> None:
        """One row, with its "step"; on a full disk it waits in memory and training goes on."""
        self.newest |= row
        if not self.fabric.is_global_zero:
            return
        was_whole = self.rows.whole
        try:
            self.rows.write(row)
        except TakenError:
            raise  # what waits would wait for ever
        except (HvaeError, OSError) as fault:
            if was_whole:  # a disk may stay full for hours
                self.note(f"rows from step {row['step']} on wait in memory: {fault}")
        values = {name: value for name, value in row.items() if name != "step"}
        for logger in self.loggers:
            logger.log_metrics(values, step=int(row["step"]))

    def go_to(self, step: int) -> None:
        """Forget the rows after `step`: they are about to be written anew."""
        if self.fabric.is_global_zero:
            self.rows.cut(step)
        self.newest = {name: value for row in self.rows.rows for name, value in row.items()}
