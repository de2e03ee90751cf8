"""Tables, with gaps: a CSV or Parquet file with headings, one datum a row.

    age,pressure,job
    31,128.5,nurse
    ,117,               an empty cell is one that is not known

What a column holds is told by its cells (`hvae.data.columns`), each of which is one number in [0, 1], of 16 bits unless
`data.bits` says less.  Shapes: `N` rows; `D` columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hvae.config.columns import PARQUET
from hvae.config.data import MAX_BITS, DataConfig
from hvae.data.columns import Codes, Columns, Name, is_number
from hvae.data.formats import check_cells, check_commas, read_bytes
from hvae.data.guess import column_of
from hvae.data.parquet import Types, read_parquet
from hvae.data.raw import Part, Raw, as_levels, without_gaps
from hvae.data.transforms import Array
from hvae.data.where import there
from hvae.errors import HvaeError, short, suggestion
from hvae.screen.numbers import counted
from hvae.screen.text import for_cell, from_cell

LARGEST = 1 << 28
"""Bytes."""
MOST = 10_000
"""Columns."""
LEAST_BITS = 8


@dataclass(frozen=True, eq=False)
class Table:
    """Cells by rows, as they were written, under a heading each; `missing`, words for what is not known; `types`, how
    a Parquet file stores them."""

    names: tuple[str, ...]
    cells: Sequence[Sequence[str]]
    missing: frozenset[str] = field(default_factory=frozenset)
    types: Types = field(default_factory=Types)

    def column(self, name: str) -> list[str]:
        """Its cells, "" where one is not known, and words as they are meant."""
        self.types.check(name)
        at = self.names.index(name)
        return ["" if row[at] in self.missing else _heading(row[at]) for row in self.cells]

    def first(self, number: int) -> Table:
        """The first rows."""
        return replace(self, cells=self.cells[:number], types=self.types.first(number))

    def columns(self, config: DataConfig, where: str, top: int) -> Columns:
        """What each column holds that is not left out.  Raises HvaeError, naming it, for what cannot be learnt."""
        for key in ("categories", "without"):
            if odd := next((name for name in getattr(config, key) if name not in self.names), ""):
                raise HvaeError(f"data.{key}: {where} has no column {short(odd)}{suggestion(odd, self.names)}")
        names = [name for name in self.names if name not in config.without]
        if not names:
            raise HvaeError(f"data.without: expected a column to learn from, got all of {where} left out")
        return {
            name: column_of(self.column(name), f"{where}, column {short(name)}", top, is_name=name in config.categories)
            for name in names
        }

    def codes(self, columns: Columns, where: str, top: int, without: Sequence[str] = ()) -> Coded:
        """Every cell of the columns in [0, 1]; other ones are not read, and said so but for those `without` which
        training was.  Raises HvaeError for cells of another kind than their column's."""
        for name in columns:
            if name not in self.names:
                hint = suggestion(name, self.names)
                raise HvaeError(
                    f"{where}: expected a column {short(name)}, got none{hint}{' Or' if hint else ';'} add it, "
                    "its cells empty where they are not known"
                )
        each = {
            name: column.codes(self.column(name), top, f"{where}, column {short(name)}")
            for name, column in columns.items()
        }
        values = np.stack([some.values for some in each.values()], 1)
        unread = tuple(name for name in self.names if name not in columns and name not in without)
        return Coded(np.rint(values * top) / top, columns, each, unread)

    def filled(self, words: Sequence[Sequence[str]], columns: Columns) -> list[list[str]]:
        """The rows with the cells that are not known as `words` say it, (N, D) in the order of the columns.

        >>> table = Table(("a", "b"), [["3.0", ""]])
        >>> table.filled([["7", "red"]], {"a": Name(("x",)), "b": Name(("red",))})
        [['3.0', 'red']]
        """
        places = [self.names.index(name) for name in columns]
        rows = [list(row) for row in self.cells]
        for row, some in zip(rows, words, strict=True):
            for place, word in zip(places, some, strict=True):
                if row[place] in self.missing or not row[place]:
                    row[place] = word
        return rows


@dataclass(frozen=True, eq=False)
class Coded:
    """Cells as a model reads them: `values` (N, D) in [0, 1], NaN where one is not known; `each` column's own; the
    names of columns that are `unread`, since training has not seen them."""

    values: Array
    columns: Columns
    each: dict[str, Codes]
    unread: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """What of the cells is not as the columns have it, a line each."""
        beyond, between = (sum(getattr(one, key) for one in self.each.values()) for key in ("beyond", "between"))
        some, more = ", ".join(map(short, self.unread[:3])), ", ..." * (len(self.unread) > 3)
        lines = [
            f"{counted(len(self.unread), 'column')} that training has not seen, not read: {some}{more}" * bool(some),
            f"{counted(beyond, 'number')} beyond the range of the training data, read as its end" * bool(beyond),
            f"{counted(between, 'number')} between the whole ones of the training data, rounded" * bool(between),
        ]
        return (*filter(None, lines), *self._strange())

    def _strange(self) -> list[str]:
        lines = []
        for name, one in self.each.items():
            column = self.columns[name]
            if one.strange and isinstance(column, Name):
                word, count = max(one.strange.items(), key=lambda pair: pair[1])
                more = f" and {len(one.strange) - 1:,} others" * (len(one.strange) > 1)
                total = sum(one.strange.values())
                lines.append(
                    f"column {short(name)}: {counted(total, 'cell')} of names that training has not seen, read as not "
                    f"known: {short(word)} in {count:,}{suggestion(word, column.names)}{more}"
                )
        return lines


def read_cells(path: Path, missing: Sequence[str] = ()) -> Table:
    """A CSV or Parquet file under headings.  Raises HvaeError, with the line, for anything else.

    Headings and words are read as `hvae.screen.text.for_cell` writes them.
    """
    names, cells, types = read_parquet(path) if path.suffix.lower() == PARQUET else (*_csv(path), Types())
    _check_names(names, path)
    odd = next((at for at, row in enumerate(cells) if len(row) != len(names)), None)
    if odd is not None:
        raise HvaeError(
            f"{path}, row {odd + 1}: expected {len(names)} cells, as many as headings, got {len(cells[odd])}; a cell "
            "with a comma in it stands in quotes"
        )
    if not cells:
        raise HvaeError(f"{path}: expected rows below the headings, got none")
    return Table(tuple(names), cells, frozenset(missing), types)


def _csv(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = read_bytes(path, LARGEST).decode("utf-8-sig")
        check_cells(text, path)
        check_commas(text, path)
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise HvaeError(f"{path} is no CSV file of UTF-8 text ({fault}); save it as one") from None
    head = [cell.strip() for cell in lines[0]] if lines else []
    return [_heading(cell) for cell in head], [[cell.strip() for cell in line] for line in lines[1:] if line]


def _check_names(names: Sequence[str], path: Path) -> None:
    if any(names) and not all(names):
        number = names.index("") + 1
        index = " (row numbers, as pandas writes them: save without them by index=False)" * (number == 1)
        raise HvaeError(f"{path}: expected a heading for each column, got none for column {number}{index}; name it")
    if not any(names) or len(names) > MOST or any(map(is_number, names)):
        got = short(",".join(names)) if names else "nothing"
        raise HvaeError(f"{path}: expected a first line of headings, up to {MOST:,} names, got {got}; add one")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise HvaeError(f"{path}: expected a name of its own for each column, got {short(twice)} twice; rename one")


def _heading(cell: str) -> str:
    text = from_cell(cell)
    return text if for_cell(text) == cell else cell  # an apostrophe of somebody else's


def as_csv(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their headings; words that a spreadsheet would run, or that are no text, are made fit for cells.

    >>> as_csv(["a", "b"], [["3.0", "=1, 2"]])
    'a,b\\n3.0,"\\'=1, 2"\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(for_cell, names))
    writer.writerows([cell if is_number(cell) else for_cell(_heading(cell)) for cell in row] for row in rows)
    return text.getvalue()


def top_of(bits: int) -> int:
    """The largest level of a cell."""
    return int(2**bits) - 1


def read_table(config: DataConfig, columns: Columns | None = None) -> Raw:
    """A table as data of D values each, of which those in empty cells are not observed.

    `columns`, what a model has learnt that they hold; else what their cells say.
    """
    path = there(config)
    bits = config.bits or MAX_BITS
    if bits < LEAST_BITS:
        raise HvaeError(f"data.bits: expected {LEAST_BITS} to {MAX_BITS} for the numbers of a table, got {bits}")
    table, top = read_cells(path, config.missing), top_of(bits)
    columns = table.columns(config, str(path), top) if columns is None else columns
    coded = table.codes(columns, str(path), top, config.without)
    values, observed = without_gaps(coded.values, str(path))
    levels, _ = as_levels(values, bits, str(path))
    gaps = 0 if observed is None else int((~observed).sum())
    return Raw(
        parts={"train": Part(levels, observed=observed)},
        bits=bits,
        transforms=(
            f"cells of {counted(len(columns), 'column')} brought to [0, 1], {bits} bits",
            *(f"train: {gaps:,} values missing (cells that are not known)",) * bool(gaps),
            *coded.notes(),
        ),
        columns=columns,
    )
