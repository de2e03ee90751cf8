"""How a run's training goes: the rows that the page has not seen, and what they warn of."""

from __future__ import annotations

import math
from pathlib import Path

from hvae.errors import HvaeError
from hvae.records import JSON, new_rows
from hvae.screen.numbers import counted
from hvae.studio.answer import Answer
from hvae.studio.asked import TrainingAsked
from hvae.studio.lines import command, equivalents
from hvae.studio.shown import METRICS, Shown

MOST = 4000
"""Rows of an answer; a page that has fewer than there are asks again."""
UNUSED = 0.01
"""Below this share of used dimensions a level counts as collapsed."""


def training(subject: Shown, query: TrainingAsked) -> Answer:
    """New rows as columns of numbers, null where there is none; and whether the weights are new."""
    path = subject.folder / METRICS
    if not path.is_file():
        raise HvaeError(_nothing(subject, path))
    subject.refresh()
    table = new_rows(path, query.at, query.head)
    begins = not query.at or table.head != query.head
    rows = _thinned(table.rows) if begins else table.rows
    names = list(dict.fromkeys(name for row in rows for name in row))
    info = {
        "begins": begins,
        "columns": {name: [_number(row.get(name)) for row in rows] for name in names},
        "at": table.at,
        "head": table.head,
        "notices": _notices(table.rows),
        "trained": subject.about()["trained"],
        "step": subject.opened.run.step if subject.about()["trained"] else None,
        **_equivalents(subject),
    }
    return Answer(info)


def _nothing(subject: Shown, path: Path) -> str:
    if subject.about()["trained"] and subject.opened.run.is_packaged:
        return (
            f"{subject.folder} comes with the library, without the course of its training; its card has the command, "
            f"the seed and the time: hvae pull {subject.folder} --out FOLDER"
        )
    return f"nothing at {path}: the run has gone, or was not trained here"


def _thinned(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """At most so many rows, evenly; those of a validation are all kept."""
    stride = math.ceil(len(rows) / MOST)
    return [row for i, row in enumerate(rows) if i % stride == 0 or any(name.startswith("valid/") for name in row)]


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _notices(rows: list[dict[str, float]]) -> list[str]:
    """What new rows warn of: numbers that are none, skipped steps, levels that nothing uses."""
    lines = []
    broken = {name: row["step"] for row in rows for name, value in row.items() if not math.isfinite(value)}
    lines += [f"{name} is not finite at step {step:,.0f}" for name, step in list(broken.items())[:3]]
    skipped = sum(row.get("skipped", 0) for row in rows)
    lines += [f"{counted(int(skipped), 'skipped step')}: gradients too large, or not finite"] * (skipped > 0)
    used = {name: value for row in rows for name, value in row.items() if name.startswith("valid/used/")}
    dead = [name.removeprefix("valid/used/") for name, share in used.items() if share < UNUSED]
    lines += [f"collapsed so far: {', '.join(dead)}, of which hardly any dimension is used"] * bool(dead)
    return lines


def _equivalents(subject: Shown) -> JSON:
    lines = ["import csv", f"rows = list(csv.DictReader(open({str(subject.folder / METRICS)!r})))"]
    return equivalents(command("hvae", "report", str(subject.folder)), "\n".join(lines))
