"""Tables of Parquet, as cells of text like those of a CSV file; extra `parquet`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from hvae.capacity import check_memory
from hvae.data.columns import is_number
from hvae.data.formats import MOST_CELLS
from hvae.data.unpacking import DAMAGED, check_size
from hvae.errors import HvaeError, missing_extra, short
from hvae.files import open_regular

CHUNK, CELL = 4096, 40
"""Rows that are decoded at once, and bytes of a cell in memory, at the least."""
MOST_LETTERS = 1000
"""Of one cell."""


def arrow() -> ModuleType:
    """The package that reads and writes Parquet tables.  Raises HvaeError where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as fault:
        raise missing_extra("pyarrow", "parquet") from fault
    module: ModuleType = pyarrow
    return module


@dataclass(frozen=True, eq=False)
class Types:
    """How the columns of a Parquet table are stored, and those that are neither numbers nor words, as they are."""

    path: Path = Path()
    kinds: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    def check(self, name: str) -> None:
        """Raises HvaeError for a column that cannot be read as cells of text."""
        if name in self.others:
            got = short(str(self.others[name].type))
            raise HvaeError(
                f"{self.path}, column {short(name)}: expected numbers or words, got {got}; "
                "convert it, or train without it (--data.without)"
            )

    def first(self, number: int) -> Types:
        """Of the first rows."""
        return replace(self, others={name: column[:number] for name, column in self.others.items()})

    def content(self, names: Sequence[str], columns: Sequence[Sequence[str]]) -> bytes:
        """A table in these types, null where a cell is empty: as numbers or words where they have no room."""
        pairs = zip(names, columns, strict=True)
        return _written(names, [self.others.get(name, _stored(cells, self.kinds.get(name))) for name, cells in pairs])


def _stored(cells: Sequence[str], kind: Any) -> Any:
    """Cells of text as a column of a type, else of numbers, else of words."""
    pyarrow = arrow()
    is_whole = kind is not None and pyarrow.types.is_integer(kind)
    # A mean among whole numbers would make floats of all, which know none above 2^53.
    meant = [_rounded(cell) if is_whole else cell for cell in cells]
    words = pyarrow.array([cell or None for cell in meant], pyarrow.string())
    for one in (kind, pyarrow.float64()):
        try:
            return words if one is None else words.cast(one, safe=False)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
            continue
    return words


def _rounded(cell: str) -> str:
    """A number as a whole one; other words as they are."""
    return f"{round(Decimal(cell))}" if is_number(cell) else cell


def _written(names: Sequence[str], arrays: Sequence[Any]) -> bytes:
    pyarrow, content = arrow(), io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(list(arrays), names=list(names)), content)
    return content.getvalue()


def read_parquet(path: Path) -> tuple[list[str], list[list[str]], Types]:
    """The headings and the rows of a table of numbers, truth values and words, "" where a cell is null.

    Cells of columns of other types are "" too, for these may be columns that nobody reads.  Sizes are checked before
    anything is decoded.  Raises HvaeError for damaged files.
    """
    pyarrow = arrow()
    try:
        with open_regular(path) as file:
            stored = pyarrow.parquet.ParquetFile(file)
            names, rows = list(stored.schema_arrow.names), stored.metadata.num_rows
            _check(stored, rows * len(names), path)
            kinds = {field.name: field.type for field in stored.schema_arrow if _is_text(field.type)}
            columns: list[list[str]] = [[] for _ in names]
            for batch in stored.iter_batches(batch_size=CHUNK):
                for name, cells, column in zip(names, columns, batch.columns, strict=True):
                    cells += _texts(column, path) if name in kinds else [""] * len(column)
            others = [name for name in names if name not in kinds]
            whole = stored.read(columns=others)
        rest = {name: whole.column(at) for at, name in enumerate(whole.column_names)}
        return names, [list(row) for row in zip(*columns, strict=True)], Types(path, kinds, rest)
    except HvaeError:
        raise
    except (pyarrow.ArrowException, *DAMAGED) as fault:
        why = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise HvaeError(f"{path}: expected a Parquet table ({why}); it is damaged or something else") from fault


def _check(stored: Any, cells: int, path: Path) -> None:
    """Raises HvaeError for more cells than memory holds."""
    if cells > MOST_CELLS:
        raise HvaeError(f"{path}: expected at most {MOST_CELLS:,} cells, got {cells:,}; cut the table")
    check_memory(CELL * cells, str(path))
    groups = [stored.metadata.row_group(at) for at in range(stored.metadata.num_row_groups)]
    check_size(path.stat().st_size, sum(group.total_byte_size for group in groups), path)


def _is_text(kind: Any) -> bool:
    """Whether cells of a type are numbers, truth values or words."""
    types = arrow().types
    fits = (
        *(types.is_floating, types.is_integer, types.is_decimal, types.is_boolean, types.is_null),
        *(types.is_string, types.is_large_string, types.is_string_view),
    )
    inner = kind.value_type if types.is_dictionary(kind) else kind
    return any(is_one(inner) for is_one in fits)


def _texts(column: Any, path: Path) -> Sequence[str]:
    """Cells as they are written: NaN and null as nothing."""
    return [_text(value, path) for value in column.to_pylist()]


def _text(value: object, path: Path) -> str:
    if value is None or value != value:
        return ""
    text = str(value).strip()
    if len(text) > MOST_LETTERS:
        raise HvaeError(f"{path}: expected cells of up to {MOST_LETTERS:,} letters, got {short(text)}; cut it")
    return text


def as_parquet(names: Sequence[str], columns: Sequence[Sequence[str] | Sequence[float] | Sequence[int]]) -> bytes:
    """Columns of words or of numbers as the bytes of a Parquet table."""
    return _written(names, [arrow().array(column) for column in columns])
