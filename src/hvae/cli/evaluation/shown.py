"""An evaluation for people: its headlines, one table of the levels, and what comes back from the top of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Group

from hvae.cli.voice import table

if TYPE_CHECKING:
    from hvae.study import Evaluation

ELSEWHERE = "a wider window, the report, or --json"


def summary(evaluation: Evaluation) -> Group:
    """The numbers for people."""
    first = table("", "", "")
    for name, value, note in evaluation.headlines():
        first.add_row(name, value, note)
    if evaluation.conclusion:
        first.add_row("verdict", "", evaluation.conclusion)
    for name, reason in evaluation.skipped.items():
        first.add_row("not measured", name, reason)
    return Group(first, *_levels(evaluation), *_sheets(evaluation))


def _levels(evaluation: Evaluation) -> Iterator[Any]:
    """One table of the levels, top first; what was not measured has no column."""
    columns = evaluation.columns()
    if not columns:
        return
    leaving = sorted((column for column in columns if column.leaves), key=lambda column: -column.leaves)
    titles = [column.title for column in columns]
    levels = table("level", *titles, "", first_to_go=[column.title for column in leaving], elsewhere=ELSEWHERE)
    for name, cells in evaluation.levels().items():
        levels.add_row(name, *(cells.get(title, "") for title in titles), "")
    yield from ("", levels, *evaluation.notes())


def _sheets(evaluation: Evaluation) -> Iterator[Any]:
    for sheet in evaluation.sheets():
        rows = table(*sheet.heads, "", elsewhere=ELSEWHERE)
        for row in sheet.rows:
            rows.add_row(*row, "")
        yield from ("", rows, sheet.note)
