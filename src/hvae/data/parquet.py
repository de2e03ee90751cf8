"""Tables of Parquet, as cells of text like those of a CSV file; extra `parquet`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hvae.capacity import check_memory
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


def read_parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    """The headings and the rows of a table of numbers, truth values and words, "" where a cell is null.

    Sizes are checked before anything is decoded.  Raises HvaeError for columns of other types, and for damaged files.
    """
    pyarrow = arrow()
    try:
        with open_regular(path) as file:
            stored = pyarrow.parquet.ParquetFile(file)
            names, rows = list(stored.schema_arrow.names), stored.metadata.num_rows
            _check(stored, rows * len(names), path)
            columns: list[list[str]] = [[] for _ in names]
            for batch in stored.iter_batches(batch_size=CHUNK):
                for cells, column in zip(columns, batch.columns, strict=True):
                    cells += _texts(column, path)
        return names, [list(row) for row in zip(*columns, strict=True)]
    except HvaeError:
        raise
    except (pyarrow.ArrowException, *DAMAGED) as fault:
        why = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise HvaeError(f"{path}: expected a Parquet table ({why}); it is damaged or something else") from fault


def _check(stored: Any, cells: int, path: Path) -> None:
    """Raises HvaeError for more cells than memory holds, and for columns that are neither numbers nor words."""
    if cells > MOST_CELLS:
        raise HvaeError(f"{path}: expected at most {MOST_CELLS:,} cells, got {cells:,}; cut the table")
    check_memory(CELL * cells, str(path))
    groups = [stored.metadata.row_group(at) for at in range(stored.metadata.num_row_groups)]
    check_size(path.stat().st_size, sum(group.total_byte_size for group in groups), path)
    types = arrow().types
    fits = (
        types.is_floating,
        types.is_integer,
        types.is_boolean,
        types.is_string,
        types.is_large_string,
        types.is_null,
    )
    for field in stored.schema_arrow:
        inner = field.type.value_type if types.is_dictionary(field.type) else field.type
        if not any(is_one(inner) for is_one in fits):
            raise HvaeError(
                f"{path}, column {short(field.name)}: expected numbers or words, got {short(str(field.type))}; convert "
                "it, or leave it out of the file"
            )


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
    pyarrow, content = arrow(), io.BytesIO()
    table = pyarrow.table([pyarrow.array(column) for column in columns], names=list(names))
    pyarrow.parquet.write_table(table, content)
    return content.getvalue()
