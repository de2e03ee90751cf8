"""JSON and tables of others: read within bounds, and checked before anything believes a word of them.

A form says what a value has to be:

    str, bool, int, float         such a value; a whole number is a float too, and no number is beyond 1e300
    None                          null
    (A, B)                        A or B
    [A]                           a list of As
    {"a": A, "b?": B}             an object with a, and with b or without; what else it holds is not looked at
    Each(A)                       an object of any keys, each an A
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hvae.errors import HvaeError, short
from hvae.screen.text import for_cell

MOST_BYTES = 16 * 2**20
"""The largest record: a thousand times what one of hundreds of levels takes."""
MOST_TABLE = 2**28
"""The largest table: a million rows of 30 columns."""
LARGEST, _DEEPEST = 1e300, 50

Form = Any
JSON = dict[str, Any]
"""An object of JSON whose keys nobody relies on."""


@dataclass(frozen=True)
class Each:
    """An object whose values all have one form."""

    form: Form


def read_json(path: Path, form: Form = Each(object)) -> JSON:
    """A JSON object of this form.  Raises HvaeError when the file is damaged, too large, or holds something else."""
    try:
        record: JSON = parsed(_text(path, MOST_BYTES), no_number)
        check(record, form)
        return record
    except (OSError, ValueError) as fault:
        why = " ".join(str(fault).split())[:300]
        raise HvaeError(f"{path} is damaged or cannot be read ({why}); delete it and run the command again") from None


def _text(path: Path, most: int) -> str:
    # A pipe would be waited for, and a device has no end.
    if not path.is_file():
        raise ValueError("expected a regular file")
    if path.stat().st_size > most:
        raise ValueError(f"expected at most {most:,} bytes, got {path.stat().st_size:,}")
    return path.read_bytes().decode()


def parsed(text: str, constant: Callable[[str], float] = float) -> JSON:
    """A JSON object from its text; `constant` reads NaN and Infinity, which JSON does not have.

    Raises ValueError when it is none, is nested too deeply, or holds half of a surrogate pair that stands
    for no byte of a file's name, which nothing can write.

    >>> parsed('{"step": 3}')
    {'step': 3}
    """
    try:
        record = json.loads(text, parse_constant=constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(record)
    # Names of files may hold bytes that are no UTF-8, which Python keeps as the surrogates that this lets through.
    json.dumps(record, ensure_ascii=False).encode(errors="surrogateescape")
    if not isinstance(record, dict):
        raise ValueError("no object")
    return record


def _check_depth(record: object) -> None:
    level = [record]
    for _ in range(_DEEPEST):
        level = [item for value in level for item in _inside(value)]
    if level:
        raise ValueError("nested too deeply")


def _inside(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def no_number(name: str) -> float:
    """Raises ValueError: what `parsed` reads NaN and Infinity with, where they are no numbers."""
    raise ValueError(f"{name} is no number in JSON")


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a table of numbers (CSV) with a column step; cells may be empty.

    A last line without an end is none: whoever wrote it was stopped.  Raises HvaeError, naming the line, for anything
    else.
    """
    return new_rows(path).rows


class NewRows(NamedTuple):
    """Some rows of a table, the byte `at` which they end, and the line of columns, `head`, of the table."""

    rows: list[dict[str, float]]
    at: int
    head: str


def new_rows(path: Path, at: int = 0, head: str = "") -> NewRows:
    """The rows behind byte `at` of a table that grows, as `read_rows` reads all of them.

    All of them where it is another table by now: shorter, or of other columns than `head`.
    """
    try:
        content = _text(path, MOST_TABLE).encode()
        whole = content[: content.rfind(b"\n") + 1]
        first = whole[: whole.find(b"\n") + 1]
        now = first.decode()
        start = at if now == head and len(first) <= at <= len(whole) else len(first)
        # A byte in the middle of a row is none at which rows end.
        start = start if whole[start - 1 : start] in (b"\n", b"") else len(first)
        reader = csv.DictReader([now, *whole[start:].decode().splitlines(keepends=True)])
        odd = next((name for name in reader.fieldnames or () if "," in name or for_cell(name) != name), None)
        if odd is not None:  # what is read is written again when a training goes on
            raise ValueError(f"{short(odd)} is no name of a column")
        return NewRows([_row(row, reader.line_num) for row in reader], len(whole), now)
    except (OSError, ValueError, csv.Error) as fault:
        why = " ".join(str(fault).split())[:200]
        raise HvaeError(f"{path} is damaged or cannot be read ({why}); restore it, or delete it to go on") from None


def _row(cells: Mapping[str | None, Any], line: int) -> dict[str, float]:
    try:
        row = {name: float(cell) for name, cell in cells.items() if name and cell}
    except (TypeError, ValueError):
        row = {}
    # Cells beyond the last column stand under no name, and missing ones are None.
    if None in cells or None in cells.values() or not 0 <= row.get("step", -1) <= LARGEST:
        raise ValueError(f"line {line} is no row of numbers with a step")
    return row


def check(value: object, form: Form, at: str = "") -> None:
    """Raises HvaeError, naming the place, unless a value has a form.

    >>> check({"step": 3, "levels": {"z1": {"dims": 4}}}, {"step": int, "levels": Each({"dims": int}), "data?": str})
    >>> check({"levels": {"z1": {"dims": None}}}, {"levels": Each({"dims": int})})
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: levels.z1.dims: expected a whole number, got null
    """
    if isinstance(form, Mapping):
        _check_object(value, form, at)
    elif isinstance(form, Each):
        for key, item in _typed(value, dict, at).items():
            check(item, form.form, f"{at}.{_printed(key)}".lstrip("."))
    elif isinstance(form, list):
        for i, item in enumerate(_typed(value, list, at)):
            check(item, form[0], f"{at}[{i}]")
    elif isinstance(form, tuple):
        _check_any(value, form, at)
    else:
        _check_scalar(value, form, at)


def _check_object(value: object, form: Mapping[str, Form], at: str) -> None:
    record = _typed(value, dict, at)
    for name, inner in form.items():
        key = name.removesuffix("?")
        if key in record:
            check(record[key], inner, f"{at}.{key}".lstrip("."))
        elif key == name:
            raise HvaeError(f"{f'{at}.{key}'.lstrip('.')} is missing")


def _check_any(value: object, forms: tuple[Form, ...], at: str) -> None:
    faults = []
    for form in forms:
        try:
            return check(value, form, at)
        except HvaeError as fault:
            faults.append(fault)
    # That of the last form, which by habit is the one that is not null, names the place most closely.
    raise faults[-1]


def _check_scalar(value: object, form: Form, at: str) -> None:
    if form is None:
        if value is not None:
            raise _wrong(value, "null", at)
    elif form in (int, float):
        kinds = int if form is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not -LARGEST <= value <= LARGEST:
            raise _wrong(value, "a whole number" if form is int else "a number", at)
    else:
        _typed(value, form, at)


def _typed(value: object, kind: type, at: str) -> Any:
    if not isinstance(value, kind):
        raise _wrong(value, _NAMES.get(kind, kind.__name__), at)
    return value


_NAMES = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}


def _wrong(value: object, expected: str, at: str) -> HvaeError:
    return HvaeError(f"{at or 'the record'}: expected {expected}, got {_shown(value)}")


def _shown(value: object) -> str:
    """A value that may be anything, in a few words."""
    if isinstance(value, (dict, list, str)):
        return f"{_NAMES[type(value)]} of {len(value)}"
    if isinstance(value, int) and not -(10**9) < value < 10**9:
        return "a very large number"
    return json.dumps(value) if value is None or isinstance(value, (bool, int, float)) else f"a {type(value).__name__}"


def _printed(key: object) -> str:
    return str(key).encode("unicode_escape").decode()[:40]
