"""Several runs on one page: a table for each task, and within it a rank for each measure.

A task is everything that two numbers must share to be compared: the data and their version, the bit depth, the split,
the number of data scored, what the model is told of each, and whether the likelihood is a mass.  The title of a
measure holds
the rest (which bound, K), so that numbers of two kinds never share a column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from hvae.files import write_text
from hvae.records import JSON
from hvae.reporting.write import fill
from hvae.screen.numbers import estimate

Standing = Literal["best", "tied", "behind", "unranked"]
TIED = 2.0
"""Standard errors of a difference within which the first place is not decided."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number with its standard error; `low` says that lower is better.  None: not finite."""

    value: float | None
    error: float | None = None
    low: bool = True


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run: its name, what it is (by title), and what was measured (by title)."""

    run: str
    facts: Mapping[str, str]
    measures: Mapping[str, Number]


@dataclass(frozen=True, kw_only=True)
class Group:
    """The runs of one task: `task` in a line, what sets it apart from the other groups, and its rows."""

    task: str
    apart: Mapping[str, str]
    rows: Sequence[Row]

    @property
    def facts(self) -> list[str]:
        """Titles of the facts, in the order in which they first come."""
        return list(dict.fromkeys(title for row in self.rows for title in row.facts))

    @property
    def measures(self) -> list[str]:
        """Titles of the measures, in the order in which they first come."""
        return list(dict.fromkeys(title for row in self.rows for title in row.measures))

    def standing(self, row: Row, title: str) -> Standing:
        """Where a run stands by one measure among the runs of its task.

        "tied": behind the best by less than two standard errors of the difference (as of independent test sets, which
        is cautious: runs scored on the same data differ by less chance).  A measure that one run alone has is unranked.

        >>> rows = [Row(run=r, facts={}, measures={"-ELBO": Number(value=v, error=0.5)}) for r, v in
        ...         (("a", 90.0), ("b", 91.0), ("c", 95.0))]
        >>> [Group(task="", apart={}, rows=rows).standing(row, "-ELBO") for row in rows]
        ['best', 'tied', 'behind']
        """
        rivals = [r.measures[title] for r in self.rows if title in r.measures and r.measures[title].value is not None]
        own = row.measures.get(title)
        if own is None or own.value is None or len(rivals) < 2:
            return "unranked"
        best = min(rivals, key=_key)
        if own.value == best.value:
            return "best"
        gap = _key(own) - _key(best)
        return "tied" if gap <= TIED * math.hypot(own.error or 0.0, best.error or 0.0) else "behind"

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        rows = [
            {
                "run": row.run,
                "facts": dict(row.facts),
                "measures": {t: {**asdict(n), "standing": self.standing(row, t)} for t, n in row.measures.items()},
            }
            for row in self.rows
        ]
        return {"task": self.task, "apart": dict(self.apart), "rows": rows}


def _key(measure: Number) -> float:
    assert measure.value is not None
    return measure.value if measure.low else -measure.value


def cell(measure: Number | None) -> str:
    """A number as text, with as many digits as its size asks for.

    >>> cell(Number(value=83.666, error=0.634)), cell(Number(value=0.15396)), cell(Number(value=None)), cell(None)
    ('83.67 ± 0.63', '0.154', 'not finite', '')
    """
    if measure is None:
        return ""
    return estimate(measure.value, measure.error)


def write_comparison(path: str | Path, groups: Sequence[Group]) -> Path:
    """Write the page; whole or not at all.

    >>> import tempfile
    >>> write_comparison(Path(tempfile.mkdtemp()) / "c.html", []).name
    'c.html'
    """
    write_text(path, fill("comparison.html.j2", groups=groups, cell=cell))
    return Path(path)
