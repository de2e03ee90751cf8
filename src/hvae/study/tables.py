"""Tables whose gaps a run fills: cells by the columns that its model has learnt from, and back as CSV.

Shapes: `N` rows; `D` columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.errors import HvaeError, unknown
from hvae.files import expanded
from hvae.screen.numbers import counted

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data.sources import Source
    from hvae.data.tables import Ranges, Table


@dataclass(frozen=True, eq=False)
class Gaps:
    """Rows of a table whose empty cells are to be filled, and the ranges of the columns of the run."""

    table: Table
    ranges: Ranges
    bits: int

    def values(self) -> Tensor:
        """The numbers as levels of the model in [0, 1], (N, D), NaN where a cell is empty."""
        import numpy as np
        import torch

        top = 2**self.bits - 1
        return torch.from_numpy(np.rint(self.table.scaled(self.ranges) * top) / top).float()

    def filled(self, values: Tensor) -> str:
        """The table as CSV with its gaps filled by `values` (N, D) in [0, 1], in the units of the columns."""
        return self.table.filled(values.double().numpy(), self.ranges)

    def notes(self) -> tuple[str, ...]:
        """How many numbers are taken for the nearest that the run has seen, where some are."""
        count = self.table.beyond(self.ranges)
        return (f"{counted(count, 'number')} beyond the range of the training data, read as its end",) * bool(count)


def gaps(run: LoadedRun, data: str | Path | Source, number: int) -> Gaps | None:
    """The first rows of a CSV file; None of other data.  Raises HvaeError for other columns than the run's."""
    from hvae.data.tables import Table, read_csv

    if not isinstance(data, str | Path) or Path(data).suffix.lower() != ".csv":
        return None
    path = expanded(data)
    if not path.is_file():
        raise HvaeError(f"no such table: {path}")
    stored = (run.description.get("data") or {}).get("columns") or {}
    if not stored:
        raise HvaeError(f"{run.folder} was not trained on a table, and {path} is one; train with --data.name table")
    table = read_csv(path)
    for name in table.names:
        if name not in stored:
            raise unknown("column", name, stored, f"the table that {run.folder} was trained on")
    if table.names != tuple(stored):
        raise HvaeError(f"{path}: expected the columns {','.join(stored)} in this order, got {','.join(table.names)}")
    some = Table(table.names, table.numbers[:number], table.cells[:number])
    return Gaps(some, {name: (low, high) for name, (low, high) in stored.items()}, run.bits)
