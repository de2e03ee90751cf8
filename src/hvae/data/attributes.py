"""Numbers that describe pictures: a CSV file beside a folder of them, one row a picture.

    file,age,smile
    a/0001.png,31,0.8
    a/0002.png,,0.1          an empty cell is a number that is not known

Shapes: `N` images; `A` numbers of each.
"""

from __future__ import annotations

import csv
import hashlib
import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from hvae.data.columns import is_number
from hvae.data.formats import check_cells, check_commas, read_bytes
from hvae.data.raw import Raw
from hvae.data.transforms import Array
from hvae.errors import HvaeError, short

LARGEST = 1 << 28
"""Bytes: a million pictures with forty numbers each."""
MOST = 10_000
"""Numbers of a picture."""
LARGEST_NUMBER = 1e30
_STEPS = 2**16
"""Of the range of a number, at the least, that single precision tells apart: as many as of a column of a table."""
Said = TypeVar("Said")


@dataclass(frozen=True)
class Sheet:
    """The numbers of each file, (A,) with NaN where one is not known, by the name of the file; `names` of the A."""

    names: tuple[str, ...]
    rows: Mapping[str, Sequence[float]]
    digest: str


def read_attributes(path: Path) -> Sheet:
    """A CSV file whose first column names picture files, and whose others are numbers under a heading each.

    Raises HvaeError, with the line, for cells that are no numbers, rows of another length, and names that come twice;
    and for numbers that a model would not tell apart, such as whole ones above 2^53.
    """
    content = read_bytes(path, LARGEST)
    try:
        text = content.decode("utf-8-sig")
        check_cells(text, path)
        check_commas(text, f"data.attributes: {path}")
        lines = list(csv.reader(text.splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise HvaeError(f"data.attributes: {path} is no CSV file of UTF-8 text ({fault}); save it as one") from None
    head = [cell.strip() for cell in lines[0]] if lines else []
    if not 2 <= len(head) <= MOST or any(_is_cell(cell) for cell in head[1:]):
        raise HvaeError(
            f"data.attributes: expected {path} to begin with a line of headings, file,NAME,..., got "
            f"{short(','.join(head)) if head else 'nothing'}"
        )
    if twice := next((name for name in head[1:] if head.count(name) > 1), ""):
        raise HvaeError(f"data.attributes: {path} has two columns {short(twice)}; rename one")
    rows: dict[str, Sequence[float]] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if cells:
            name = named(cells[0])
            if name in rows:
                raise HvaeError(f"data.attributes: {path}, line {number}: {short(name)} has a row already")
            rows[name] = _numbers(cells[1:], head[1:], f"data.attributes: {path}, line {number}")
    _check_apart(lines[1:], head, f"data.attributes: {path}")
    return Sheet(tuple(head[1:]), rows, hashlib.sha256(content).hexdigest())


def _numbers(cells: Sequence[str], names: Sequence[str], where: str) -> Sequence[float]:
    if len(cells) != len(names):
        raise HvaeError(f"{where}: expected {len(names)} numbers after the name of the file, got {len(cells)}")
    return [_number(cell.strip(), f"{where}, {name}") for cell, name in zip(cells, names, strict=True)]


def _number(cell: str, where: str) -> float:
    if not _is_cell(cell):
        raise HvaeError(f"{where}: expected a number, or an empty cell where it is not known, got {short(cell)}")
    return float(cell or math.nan)


def _is_cell(cell: str) -> bool:
    """Whether a cell is a number, or says that it is not known."""
    return not cell or cell.lower() == "nan" or is_number(cell)


def _check_apart(lines: Sequence[Sequence[str]], head: Sequence[str], where: str) -> None:
    """Raises HvaeError for a column whose numbers single precision, in which models read them, does not tell apart."""
    for at, name in enumerate(head[1:], start=1):
        words = [word for cells in lines if cells and is_number(word := cells[at].strip())]
        numbers = np.array(words, dtype=np.float64)
        if np.abs(numbers).max(initial=0) > LARGEST_NUMBER:
            largest = f"{np.abs(numbers).max():g}"
            raise HvaeError(f"{where}, {name}: expected numbers of up to {LARGEST_NUMBER:g}, got {largest}")
        moved = np.abs(numbers.astype(np.float32) - numbers).max(initial=0)
        extent = np.ptp(numbers) if words else 0.0
        # Of one float for all, the words say whether it was one number.
        if moved * _STEPS > extent if extent else len({Decimal(word) for word in words}) > 1:
            raise HvaeError(
                f"{where}, {name}: expected numbers that single precision tells apart, got {short(words[0])} and "
                "others as near to it; take away what they share"
            )


def described(raw: Raw, path: Path) -> Raw:
    """Pictures with the numbers that a CSV file has for them; those that it does not name are of unknown ones.

    A row names a picture by its path below the folder, or by its bare name where no other picture has it.  Raises
    HvaeError where no row names any picture.
    """
    sheet = read_attributes(path)
    unknown = [math.nan] * len(sheet.names)
    files = [part.files for part in raw.parts.values()]
    parts = {
        split: part._replace(attributes=_numbered(of_files(sheet.rows, part.files, files, unknown), len(sheet.names)))
        for split, part in raw.parts.items()
    }
    count = sum(
        int((~np.isnan(part.attributes)).any(1).sum()) for part in parts.values() if part.attributes is not None
    )
    if not count:
        check_filled(sheet.rows, files, f"data.attributes: {path}")
        some = next(iter(sheet.rows), "no row at all")
        picture = next(name for part in parts.values() for name in part.files)
        raise HvaeError(
            f"data.attributes: no row of {path} names a picture; expected names such as {short(picture)}, got "
            f"{short(some)}"
        )
    total = sum(len(part.levels) for part in parts.values())
    note = f"{', '.join(sheet.names)} of {count:,} of {total:,} images from {path.name} ({sheet.digest[:12]})"
    return replace(raw, parts=parts, attributes=sheet.names, transforms=(*raw.transforms, note))


def named(file: str) -> str:
    """The name of a file as a row has it: slashes, no `./`, and composed letters, which some systems take apart.

    >>> named(r" .\\a\\b.png")
    'a/b.png'
    """
    return unicodedata.normalize("NFC", PurePosixPath(file.strip().replace("\\", "/")).as_posix())


def check_filled(rows: Mapping[str, object], files: Sequence[Sequence[str]], where: str) -> None:
    """Raises HvaeError where rows name files, so that nothing is said of any of them by empty cells alone."""
    if any(row is not None for some in files for row in of_files(rows, some, files, None)):
        raise HvaeError(f"{where}: the rows that name files have empty cells alone; fill some in")


def of_files(
    rows: Mapping[str, Said], files: Sequence[str], every: Sequence[Sequence[str]], unknown: Said
) -> tuple[Said, ...]:
    """What rows say of each file of a part, `unknown` where none does: by its path, or by a bare name that no
    other file of any part has."""
    bare = Counter(PurePosixPath(named(name)).name for some in every for name in set(some))
    values = []
    for name in files:
        own = PurePosixPath(named(name))
        alone = rows.get(own.name, unknown) if bare[own.name] == 1 else unknown
        values.append(rows.get(own.as_posix(), alone))
    return tuple(values)


def _numbered(rows: Sequence[Sequence[float]], count: int) -> Array:
    """Numbers of each image, (N, A)."""
    return np.array(rows, dtype=np.float32).reshape(len(rows), count)
