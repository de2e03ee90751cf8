"""Tables of numbers, with gaps: a CSV file with a line of headings, one datum a row.

    age,pressure,sugar
    31,128,
    ,117,5.1                 an empty cell is a number that is not known

Each column is brought from its smallest and largest number to [0, 1] and stored with 16 bits unless `data.bits` says
less.  Shapes: `N` rows; `D` columns.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hvae.config.data import MAX_BITS, DataConfig
from hvae.data.formats import check_cells, read_bytes
from hvae.data.raw import Part, Raw, as_levels, without_gaps
from hvae.data.transforms import Array
from hvae.data.where import there
from hvae.errors import HvaeError, short
from hvae.screen.text import for_cell, from_cell

LARGEST = 1 << 28
"""Bytes."""
MOST = 10_000
"""Columns."""
Ranges = Mapping[str, tuple[float, float]]
"""The smallest and the largest number of each column that a model has learnt from."""


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers (N, D), NaN where one is not known, the names of the columns, and the cells as they were written."""

    names: tuple[str, ...]
    numbers: Array
    cells: Sequence[Sequence[str]]

    @property
    def ranges(self) -> Ranges:
        """Of each column; of one without any number 0 to 1.

        >>> Table(("a",), np.array([[3.0], [np.nan], [5.0]]), []).ranges
        {'a': (3.0, 5.0)}
        """
        values = [column[~np.isnan(column)] for column in self.numbers.T]
        ends = [(float(c.min()), float(c.max())) if len(c) else (0.0, 1.0) for c in values]
        return dict(zip(self.names, ends, strict=True))

    def scaled(self, ranges: Ranges) -> Array:
        """Each column from its range to [0, 1], (N, D); what lies beyond is cut, a range of one number becomes 0."""
        low, high = np.array([ranges[name] for name in self.names]).T
        return np.clip((self.numbers - low) / np.where(high > low, high - low, 1), 0, 1)

    def beyond(self, ranges: Ranges) -> int:
        """How many numbers lie outside of their range."""
        low, high = np.array([ranges[name] for name in self.names]).T
        return int(((self.numbers < low) | (self.numbers > high)).sum())

    def filled(self, values: Array, ranges: Ranges) -> str:
        """The table as CSV: cells as they were, the empty ones with `values` (N, D) in [0, 1] in their own units.

        >>> table = Table(("a", "b"), np.array([[3.0, np.nan]]), [["3.0", ""]])
        >>> table.filled(np.array([[0.0, 0.5]]), {"a": (0, 4), "b": (10, 20)})
        'a,b\\n3.0,15\\n'
        """
        low, high = np.array([ranges[name] for name in self.names]).T
        numbers = low + values * (high - low)
        rows = [
            [cell or f"{number:.6g}" for cell, number in zip(*pair, strict=True)]
            for pair in zip(self.cells, numbers, strict=True)
        ]
        names = map(for_cell, self.names)  # numbers are no formulas, and headings may be anybody's
        return "".join(f"{','.join(map(_quoted, row))}\n" for row in (names, *rows))


def _quoted(cell: str) -> str:
    return f'"{cell.replace(chr(34), chr(34) * 2)}"' if any(mark in cell for mark in ',"\n') else cell


def read_csv(path: Path) -> Table:
    """A CSV file of numbers under headings.  Raises HvaeError, with line and column, for anything else.

    Headings are read as `hvae.screen.text.for_cell` writes them.
    """
    try:
        text = read_bytes(path, LARGEST).decode("utf-8-sig")
        check_cells(text, path)
        lines = list(csv.reader(text.splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise HvaeError(f"{path} is no CSV file of UTF-8 text ({fault}); save it as one") from None
    names = tuple(_heading(cell.strip()) for cell in lines[0]) if lines else ()
    if not names or len(names) > MOST or any(not name or _is_number(name) for name in names):
        got = short(",".join(names)) if names else "nothing"
        raise HvaeError(f"{path}: expected a first line of headings, up to {MOST:,} names, got {got}; add one")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise HvaeError(f"{path}: expected a name of its own for each column, got {short(twice)} twice; rename one")
    cells = [[cell.strip() for cell in line] for line in lines[1:] if line]
    odd = next((at for at, row in enumerate(cells) if len(row) != len(names)), None)
    if odd is not None:
        raise HvaeError(
            f"{path}, row {odd + 1}: expected {len(names)} cells, as many as headings, got {len(cells[odd])}"
        )
    if not cells:
        raise HvaeError(f"{path}: expected rows below the headings, got none")
    numbers = [
        [_number(cell, f"{path}, row {at}", name) for cell, name in zip(row, names, strict=True)]
        for at, row in enumerate(cells, 1)
    ]
    return Table(names, np.array(numbers), cells)


def _heading(cell: str) -> str:
    text = from_cell(cell)
    return text if for_cell(text) == cell else cell  # an apostrophe of somebody else's


def _number(cell: str, where: str, name: str) -> float:
    if not cell:
        return math.nan
    if not _is_number(cell):
        raise HvaeError(
            f"{where}, {short(name)}: expected a number, or an empty cell, got {short(cell)}; number classes"
        )
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def read_table(config: DataConfig) -> Raw:
    """A table as data of D values each, of which those in empty cells are not observed."""
    path = there(config)
    table = read_csv(path)
    values, observed = without_gaps(table.scaled(table.ranges), str(path))
    levels, bits = as_levels(values, config.bits or MAX_BITS, str(path))
    note = f"columns brought to [0, 1] by their ranges, {bits} bits"
    gaps = 0 if observed is None else int((~observed).sum())
    missing = (f"train: {gaps:,} values missing (empty cells)",) * bool(gaps)
    return Raw(
        parts={"train": Part(levels, observed=observed)}, bits=bits, transforms=(note, *missing), columns=table.ranges
    )
