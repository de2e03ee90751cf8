"""metrics.csv: one row each time something was measured, never twice for the same step."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import torch
from torch import Tensor

from hvae.files import write_text
from hvae.records import read_rows
from hvae.training.saving import MeterState

Row = dict[str, float]


class Meter:
    """The mean of named scalars since the row before; they stay on their device until a row is due.

    >>> meter = Meter()
    >>> for loss in (1.0, 3.0):
    ...     meter.add(("loss",), torch.tensor([loss]))
    >>> meter.means(), meter.means()
    ({'loss': 2.0}, {})
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.total: Tensor | None = None
        self.count = 0

    def add(self, names: tuple[str, ...], values: Tensor) -> None:
        """Take in one step: the values (T,) of these T names, the same names each time."""
        assert not self.count or names == self.names, f"an objective changed its terms from {self.names} to {names}"
        self.names, self.count = names, self.count + 1
        self.total = values.float() if self.total is None else self.total + values

    def means(self) -> Row:
        """The means, and a fresh start."""
        total, count = self.total, self.count
        self.total, self.count = None, 0
        return {} if total is None else dict(zip(self.names, (total / count).tolist(), strict=True))

    def state(self) -> MeterState:
        return {
            "names": list(self.names),
            "total": None if self.total is None else self.total.cpu(),
            "count": self.count,
        }

    def restore(self, state: MeterState, device: torch.device) -> None:
        self.names, self.count = tuple(state["names"]), state["count"]
        self.total = None if state["total"] is None else state["total"].to(device)


class Rows:
    """The rows of metrics.csv, kept in memory too, so that a new column or a full disk costs nothing.

    A row that could not be written stays in memory and goes out with the next one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        self.columns: list[str] = []
        self.whole = False

    def cut(self, step: int) -> None:
        """Keep what the file and the memory hold up to `step`; 0 starts a new file."""
        rows = self.rows or (read_rows(self.path) if self.path.exists() else [])
        self.rows = [row for row in rows if step and row["step"] <= step]
        self.columns = list(dict.fromkeys(name for row in self.rows for name in row))
        self._rewrite()

    def write(self, row: Row) -> None:
        """Append one row.  Raises HvaeError or OSError where the disk is full; nothing is lost then."""
        new = [name for name in row if name not in self.columns]
        self.rows.append(row)
        self.columns += new
        if new or not self.whole or not self.path.is_file():  # whoever takes it away finds all rows again
            return self._rewrite()
        self.whole = False
        with open(self.path, "a", encoding="utf-8", newline="") as f:
            f.write(_text(self.columns, [row]))
        self.whole = True

    def _rewrite(self) -> None:
        self.whole = False
        write_text(self.path, ",".join(self.columns) + "\n" + _text(self.columns, self.rows) if self.columns else "")
        self.whole = True


def _text(columns: list[str], rows: list[Row]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"
