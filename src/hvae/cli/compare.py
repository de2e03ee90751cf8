"""hvae compare: several runs in one table, ranked only where that means something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hvae.cli.parser import Parser
from hvae.cli.voice import Voice, table
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.reporting.comparison import Group

ABOUT = (
    "Put the evaluations of several runs side by side: a table for each task, and one HTML page. Numbers of different "
    "data, versions, bit depths, splits or counts stand in tables of their own, and numbers of different bounds in "
    "columns of their own: what is not comparable is not ranked."
)
EXAMPLES = ("hvae compare runs/vae runs/lvae runs/ladder", "hvae compare runs/* --out digits.html")


def parser() -> Parser:
    result = Parser("compare", ABOUT, EXAMPLES, "RUN RUN ... [--out FILE]")
    result.add_argument("runs", nargs="+", metavar="RUN", help="run folders that hvae evaluate has measured")
    result.add_argument("-o", "--out", default="comparison.html", metavar="FILE", help="the page to write")
    return result


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    voice = Voice(args.json)
    from hvae.study.compare import compare

    comparison = compare(args.runs, out=args.out, tell=voice.tell)
    voice.answer(comparison.to_dict())
    if args.json:
        return
    for group in comparison.groups:
        voice.show(shown(group))
    voice.show("±: one standard error; tied: behind the best by less than two of the difference")
    if len(comparison.groups) > 1:
        voice.show(f"{len(comparison.groups)} different tasks: ranked within each, not across")
    voice.show(f"page: {for_screen(comparison.page)}")


_SIGNS = {"best": " best", "tied": " tied", "behind": "", "unranked": ""}


def shown(group: Group) -> Any:
    """The table of one task."""
    from hvae.reporting.comparison import cell

    apart = "; ".join(f"{key}: {value}" for key, value in group.apart.items())
    lines = table(
        *("run", *group.facts, *group.measures, ""),
        title=f"{group.task}{f' ({apart})' if apart else ''}",
        # What a run is can be seen elsewhere; what it measures is what the table is for.
        first_to_go=group.facts[::-1],
        elsewhere="the page, a wider window, or --json",
    )
    for row in group.rows:
        numbers = (f"{cell(row.measures.get(t))}{_SIGNS[group.standing(row, t)]}" for t in group.measures)
        lines.add_row(row.run, *(row.facts.get(title, "") for title in group.facts), *numbers, "")
    return lines
