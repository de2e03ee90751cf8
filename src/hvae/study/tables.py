"""Tables whose gaps a run fills: cells by the columns that its model has learnt from, and back as a file like theirs.

Shapes: `N` rows; `K` draws; `D` columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.capacity import check_memory
from hvae.config.columns import COLUMNS, PARQUET, TABLES
from hvae.errors import HvaeError
from hvae.files import expanded, replacing
from hvae.runs.columns import columns_of, learnt_columns, table_keys
from hvae.screen.numbers import left_out
from hvae.study.places import check_place
from hvae.study.sheets import write

ROW = 64
"""Bytes of a cell as a number and as text, at the least."""

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data.columns import Column, Columns
    from hvae.data.sources import Source
    from hvae.data.tables import Coded, Table

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Gaps:
    """Rows of a table whose cells are to be filled that are not known, and its cells as the model has them.

    `beyond`, how many more rows its file has.
    """

    table: Table
    coded: Coded
    bits: int
    suffix: str
    beyond: int = 0

    def values(self) -> Tensor:
        """The cells as levels of the model in [0, 1], (N, D), NaN where one is not known."""
        import torch

        return torch.from_numpy(self.coded.values).float()

    def notes(self) -> tuple[str, ...]:
        """What of the cells is not as the training data have it, and that there are more rows."""
        return (*left_out(len(self.table.cells), self.beyond, "row"), *self.coded.notes())

    def content(self, draws: Tensor) -> bytes:
        """The table with its gaps filled by `draws` (N, K, D), in the form of its file.

        A number is the mean of the draws, a whole one that mean rounded, and a name the commonest among them.
        """
        from hvae.data.tables import as_csv, top_of

        values, columns, top = draws.double().numpy(), self.coded.columns, top_of(self.bits)
        words = [column.words(_best(column, values[..., c]), top) for c, column in enumerate(columns.values())]
        rows = self.table.filled(list(zip(*words, strict=True)), columns)
        if self.suffix != PARQUET:
            return as_csv(self.table.names, rows).encode()
        return self.table.types.content(self.table.names, list(zip(*rows, strict=True)))

    def certainties(self, draws: Tensor) -> str:
        """Each cell that was filled, a line of CSV: row, column, value, deviation of a number, share of a name."""
        import numpy as np

        from hvae.data.tables import as_csv, top_of

        values, top = draws.double().numpy(), top_of(self.bits)
        lines: list[list[str]] = []
        for c, (name, column) in enumerate(self.coded.columns.items()):
            some = np.flatnonzero([not cell for cell in self.table.column(name)])
            if not len(some):
                continue
            best = _best(column, values[some, :, c])
            for row, word, doubt in zip(
                some, column.words(best, top), _doubts(column, values[some, :, c], top), strict=True
            ):
                lines.append([str(row + 1), name, word, *doubt])
        return as_csv(["row", "column", "value", "deviation", "share"], sorted(lines, key=lambda line: int(line[0])))


def _best(column: Column, draws: Array) -> Array:
    """One value for each row of draws (N, K) of a column, (N,)."""
    import numpy as np

    from hvae.data.columns import Name

    if not isinstance(column, Name):
        return np.asarray(draws.mean(1))
    counts = _counts(column, draws)
    return np.asarray((counts.argmax(1) + 1) / len(column.names))


def _counts(column: Column, draws: Array) -> Array:
    """How many of the draws (N, K) are each name, (N, names)."""
    import numpy as np

    from hvae.data.columns import Name

    assert isinstance(column, Name)
    counts = np.zeros((len(draws), len(column.names)))
    np.add.at(counts, (np.arange(len(draws))[:, None], column.places(draws)), 1)
    return counts


def _doubts(column: Column, draws: Array, top: int) -> list[tuple[str, str]]:
    """The standard deviation of numbers in their unit, or the share of the commonest name, of each row."""
    from hvae.data.columns import Real, Whole

    if isinstance(column, Real | Whole):
        return [(f"{deviation:.4g}", "") for deviation in column.numbers(draws, top).std(1)]
    return [("", f"{share:.3g}") for share in _counts(column, draws).max(1) / draws.shape[1]]


def _typed(cells: tuple[str, ...], column: Column) -> list[str] | list[float] | list[int]:
    """Cells of one column as a Parquet table keeps them."""
    from hvae.data.columns import Real, Whole, is_number

    if isinstance(column, Whole) and all(cell.lstrip("+-").isdecimal() for cell in cells):
        return [int(cell) for cell in cells]
    is_numeric = isinstance(column, Real | Whole) and all(map(is_number, cells))
    return [float(cell) for cell in cells] if is_numeric else list(cells)


def write_rows(path: Path, values: Tensor, columns: Columns, bits: int) -> None:
    """Rows (N, D) in [0, 1] as a table in the words of its columns, whole or not there."""
    from hvae.data.parquet import as_parquet
    from hvae.data.tables import as_csv, top_of

    cells = [column.words(values[:, c].double().numpy(), top_of(bits)) for c, column in enumerate(columns.values())]
    with replacing(path) as temporary:
        if path.suffix.lower() == PARQUET:
            typed = [_typed(tuple(words), column) for words, column in zip(cells, columns.values(), strict=True)]
            temporary.write_bytes(as_parquet(list(columns), typed))
        else:
            temporary.write_text(as_csv(list(columns), list(zip(*cells, strict=True))), encoding="utf-8")


def write_table(path: Path, values: Tensor, run: LoadedRun) -> None:
    """Rows (N, D) in [0, 1] of a run of a table as the end of the name says: in its words, or as numbers."""
    columns = columns_of(run)
    if columns is None or path.suffix.lower() == ".npy":
        return write(path, values)
    write_rows(path, values, columns, run.bits)


def own_gaps(run: LoadedRun, x: Tensor, observed: Tensor | None) -> Gaps | None:
    """Rows (N, D) of the run's own table, of which some cells are not observed; None of other data."""
    import torch

    from hvae.data.tables import Coded, Table, top_of

    columns = columns_of(run)
    if columns is None:
        return None
    is_known = torch.ones_like(x, dtype=torch.bool) if observed is None else observed
    values, top = x.where(is_known, torch.nan).double().numpy(), top_of(run.bits)
    cells = [column.words(x[:, c].double().numpy(), top) for c, column in enumerate(columns.values())]
    pairs = zip(cells, is_known.T.tolist(), strict=True)
    words = [[word if is_one else "" for word, is_one in zip(*pair, strict=True)] for pair in pairs]
    return Gaps(Table(tuple(columns), list(zip(*words, strict=True))), Coded(values, columns, {}), run.bits, ".csv")


def is_mixed(run: LoadedRun) -> bool:
    """Whether a run has a likelihood for each column of its table, whose cells are drawn and have no mean in common."""
    return run.config.model.likelihood == COLUMNS


def gaps(run: LoadedRun, data: str | Path | Source, number: int) -> Gaps | None:
    """The first rows of a table; None of other data.  Raises HvaeError for other columns than the run's."""
    from hvae.data.tables import read_cells, top_of

    if not isinstance(data, str | Path) or Path(data).suffix.lower() not in TABLES:
        return None
    path = expanded(data)
    if not path.is_file():
        raise HvaeError(f"no such table: {path}")
    columns = learnt_columns(run, str(path))
    keys = table_keys(run, str(path))
    whole = read_cells(path, keys.missing)
    table = whole.first(number)
    coded = table.codes(columns, str(path), top_of(run.bits), keys.without)
    return Gaps(table, coded, run.bits, path.suffix.lower(), len(whole.cells) - len(table.cells))


def check_rows(file: Path, number: int, columns: int) -> None:
    """Raises HvaeError, before anything is drawn, for a file that cannot hold a table, and for too many rows."""
    from hvae.data.parquet import arrow

    if file.suffix.lower() not in (*TABLES, ".npy"):
        raise HvaeError(f"--out: expected a table, a file name that ends in {', '.join(TABLES)} or .npy, got {file}")
    if file.suffix.lower() == PARQUET:
        arrow()
    check_place(file)
    check_memory(ROW * number * columns, f"drawing {number:,} rows", "ask for fewer")
