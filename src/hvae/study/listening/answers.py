"""What listeners wrote: the tables that the page of a listening test gives, read as those of strangers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hvae.data.formats import check_commas
from hvae.errors import HvaeError, short
from hvae.files import read_regular
from hvae.study.listening.trials import REFERENCE, check_name

COLUMNS = ("test", "listener", "trial", "item", "place", "condition", "score", "seconds")
"""Of a row: the fingerprint of the test, the listener, the number of the trial in their order, its item, the place of
the sound in the trial, its condition and score, and the seconds spent on the trial."""
MOST_BYTES, MOST_FILES = 1 << 24, 10_000
_TEST, _SCORE = re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")
Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
"""{listener: {item: {condition: 0 to 100}}}."""


@dataclass(frozen=True, eq=False)
class Answers:
    """All scores of one test, each listener's of every item and condition."""

    test: str
    scores: Scores

    @property
    def items(self) -> tuple[str, ...]:
        """In the order of their names."""
        return tuple(sorted(next(iter(self.scores.values()))))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The reference first, then by name."""
        some = next(iter(next(iter(self.scores.values())).values()))
        return tuple(sorted(some, key=lambda name: (name != REFERENCE, name)))


@dataclass(frozen=True)
class _Answer:
    """One row of a table, and where it stands."""

    test: str
    listener: str
    item: str
    condition: str
    score: float
    where: str


def read_answers(files: Sequence[Path]) -> Answers:
    """The scores in the tables of one test, of one listener or of several each.

    Raises HvaeError for a table that is damaged or none, a score outside of 0 to 100, tables of different tests, a
    sound that a listener scored twice, and one that was not scored.
    """
    if not 0 < len(files) <= MOST_FILES:
        raise HvaeError(f"expected 1 to {MOST_FILES:,} tables of results, got {len(files):,}")
    scores: dict[str, dict[str, dict[str, float]]] = {}
    first: _Answer | None = None
    for answer in (answer for file in files for answer in _answers(file)):
        first = first or answer
        if answer.test != first.test:
            raise HvaeError(
                f"{answer.where}: expected answers to the test {first.test}, as in {first.where}, got those to "
                f"{answer.test}; evaluate one test at a time"
            )
        own = scores.setdefault(answer.listener, {}).setdefault(answer.item, {})
        if answer.condition in own:
            raise HvaeError(
                f"{answer.where}: {answer.listener} has scored {answer.condition} of {answer.item} before; give each "
                "table once, and each listener a name of their own"
            )
        own[answer.condition] = answer.score
    assert first is not None, "no table is without a row"
    _check_whole(scores)
    return Answers(first.test, scores)


def _answers(file: Path) -> Iterator[_Answer]:
    try:
        text = read_regular(file, MOST_BYTES).decode("utf-8-sig")
        check_commas(text, file)
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise HvaeError(f"{file}: expected a table of a listening test ({str(fault)[:100]}); save it again") from fault
    if not rows or tuple(rows[0]) != COLUMNS:
        heads = ",".join(rows[0]) if rows else "nothing"
        raise HvaeError(f"{file}: expected a table with the columns {','.join(COLUMNS)}, got {short(heads)}")
    if len(rows) < 2:
        raise HvaeError(f"{file}: expected a row for each sound, got none; the listener has to finish the test")
    yield from (_answer(cells, f"{file}, row {n:,}") for n, cells in enumerate(rows[1:], 2) if cells)


def _answer(cells: Sequence[str], where: str) -> _Answer:
    if len(cells) != len(COLUMNS):
        raise HvaeError(f"{where}: expected {len(COLUMNS)} cells, got {len(cells)}; it is damaged: save it again")
    row = dict(zip(COLUMNS, cells, strict=True))
    if not _TEST.fullmatch(row["test"]):
        raise HvaeError(f"{where}: expected a test of 16 hexadecimal digits, got {short(row['test'])}")
    if not _SCORE.fullmatch(row["score"]) or float(row["score"]) > 100:
        raise HvaeError(f"{where}: expected a score from 0 to 100, got {short(row['score'])}")
    for column in ("listener", "item", "condition"):
        try:
            check_name(row[column], f"the column {column}")
        except HvaeError as fault:
            raise HvaeError(f"{where}: {fault}") from fault
    return _Answer(row["test"], row["listener"], row["item"], row["condition"], float(row["score"]), where)


def _check_whole(scores: Scores) -> None:
    """Raises HvaeError unless every listener scored every condition of every item, the hidden reference among them."""
    every = {item for own in scores.values() for item in own}
    sounds = {name for own in scores.values() for some in own.values() for name in some} | {REFERENCE}
    for listener, own in scores.items():
        for item in sorted(every):
            if missing := sorted(sounds - own.get(item, {}).keys()):
                raise HvaeError(
                    f"{listener}: expected a score of {missing[0]} of {item}, as of the others, got none; give whole "
                    "tables, or leave this listener out"
                )
