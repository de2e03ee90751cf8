"""hvae compare: several runs in one table, ranked only where that means something."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.evaluate import NAME as EVALUATION
from hvae.cli.parser import Parser
from hvae.cli.voice import Voice, table
from hvae.errors import HvaeError
from hvae.runs.provenance import read_provenance
from hvae.runs.source import stored
from hvae.study.places import check_place

if TYPE_CHECKING:
    from hvae.reporting.comparison import Group, Measure, Row
    from hvae.study import Evaluation
    from hvae.study.measure import Ranked

ABOUT = (
    "Put the evaluations of several runs side by side: a table for each task, and one HTML page. Numbers of different "
    "data, versions, bit depths, splits or counts stand in tables of their own, and numbers of different bounds in "
    "columns of their own: what is not comparable is not ranked."
)
EXAMPLES = ("hvae compare runs/vae runs/lvae runs/ladder", "hvae compare runs/* --out digits.html")


def parser() -> Parser:
    made = Parser("compare", ABOUT, EXAMPLES, "RUN RUN ... [--out FILE]")
    made.add_argument("runs", nargs="+", metavar="RUN", help="run folders that hvae evaluate has measured")
    made.add_argument("-o", "--out", default="comparison.html", metavar="FILE", help="the page to write")
    return made


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    voice = Voice(args.json)
    if Path(args.out).suffix != ".html":
        raise HvaeError(f"--out: expected a file name that ends in .html, got {args.out}")
    check_place(Path(args.out))
    if len(args.runs) < 2:
        raise HvaeError("expected two runs or more to compare, got 1; hvae evaluate shows the numbers of one")
    from hvae.reporting.comparison import write_comparison

    groups = grouped([Path(run) for run in args.runs])
    path = write_comparison(args.out, groups)
    voice.answer({"page": str(path), "groups": [told(group) for group in groups]})
    if not args.json:
        for group in groups:
            voice.show(_table(group))
        if len(groups) > 1:
            voice.show(f"{len(groups)} different tasks: ranked within each, not across")
        voice.show(f"page: {path}")


def grouped(folders: Sequence[Path]) -> list[Group]:
    """The runs by task, tasks in the order of their first run."""
    from hvae.reporting.comparison import Group

    groups: dict[str, list[Row]] = {}
    tasks: dict[str, dict[str, str]] = {}
    for folder, name in zip(folders, _names(folders), strict=True):
        evaluation = evaluated(folder)
        task = task_of(evaluation)
        key = json.dumps(task)
        tasks[key] = task
        groups.setdefault(key, []).append(row(folder, name, evaluation))
    return [Group(task=_headline(tasks[key]), apart=_apart(tasks, key), rows=rows) for key, rows in groups.items()]


def _names(folders: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as tell them apart."""
    whole = [folder.resolve().parts for folder in folders]
    if len(set(whole)) < len(whole):
        raise HvaeError("expected different runs to compare, got one twice")
    count = next(n for n in range(1, 1 + max(map(len, whole))) if len({parts[-n:] for parts in whole}) == len(whole))
    return ["/".join(parts[-count:]) for parts in whole]


def evaluated(folder: Path) -> Evaluation:
    """The evaluation of a run.  Raises HvaeError when there is none, when it is none, or when it has no bound."""
    from hvae.study import read_evaluation
    from hvae.study.measures.likelihood import Likelihood

    path = folder / EVALUATION
    if not folder.is_dir():
        raise HvaeError(f"no run at {folder}; expected a folder that 'hvae train' has written")
    if not path.is_file():
        raise HvaeError(f"{folder} has no {EVALUATION}; measure it first: hvae evaluate {folder}")
    evaluation = read_evaluation(path)
    if evaluation.of(Likelihood) is None:
        why = evaluation.unreadable.get(Likelihood.name, "")
        reason = f" that can be read ({why})" if why else ""
        raise HvaeError(f"{path} has no likelihood{reason}; measure the run again: hvae evaluate {folder}")
    return evaluation


def task_of(evaluation: Evaluation) -> dict[str, str]:
    """What numbers must share to be compared, by title."""
    from hvae.study.measures.likelihood import Likelihood

    data, result, split = evaluation.data, evaluation.of(Likelihood), evaluation.split
    assert result
    return {
        "data": data.name,
        "version": data.version or "as published",
        "shape": "x".join(map(str, data.shape)),
        "bits": str(data.bits),
        "binarisation": data.binarisation,
        "split": split,
        "data scored": f"{result.data:,}",
        "likelihood": result.likelihood,
        # Records of before protocols had names hold likelihoods that were read in one way alone.
        "reading": evaluation.protocol.reading if evaluation.protocol else "exact",
        "checksum": data.checksums.get(split, "")[:12],
        "data of the training": ", ".join(evaluation.unlike_training) or "the same",
    }


def _headline(task: Mapping[str, str]) -> str:
    return f"{task['data']}, {task['data scored']} {task['split']} data, {task['shape']}, {task['bits']} bit"


def _apart(tasks: Mapping[str, Mapping[str, str]], key: str) -> dict[str, str]:
    """Of a task, what is not the same in all of them and its headline does not say."""
    said = ("data", "data scored", "split", "shape", "bits")
    return {
        title: value
        for title, value in tasks[key].items()
        if title not in said and len({other[title] for other in tasks.values()}) > 1
    }


def row(folder: Path, name: str, evaluation: Evaluation) -> Row:
    """One run as a row of its table."""
    from hvae.reporting.comparison import Row

    measures = {number.title: _measure(number) for number in evaluation.ranked()}
    return Row(run=name, facts=_facts(folder, evaluation), measures=measures)


def _measure(number: Ranked) -> Measure:
    from hvae.reporting.comparison import Measure

    value, error = (one if one is not None and isfinite(one) else None for one in (number.value, number.error))
    return Measure(value=value, error=error, low=number.is_low_better)


def _facts(folder: Path, evaluation: Evaluation) -> dict[str, str]:
    from hvae.study.measures.activity import Activity

    activity, provenance = evaluation.of(Activity), read_provenance(folder)
    states = [level.state for level in activity.levels.values()] if activity else []
    used = sum(state != "collapsed" for state in states)
    facts = {
        "family": _family(folder),
        "parameters": f"{provenance['parameters'] / 1e6:.2f} M" if provenance.get("parameters") else "",
        "steps": f"{evaluation.step:,}" if evaluation.step else "",
        "levels": f"{used} of {len(states)} used" if states else "",
    }
    return {title: text for title, text in facts.items() if text}


def _family(folder: Path) -> str:
    try:
        return stored(folder).model.family
    except (HvaeError, OSError):
        return ""


def told(group: Group) -> dict[str, Any]:
    """A group in values that JSON can hold."""
    rows = [
        {
            "run": row.run,
            "facts": dict(row.facts),
            "measures": {t: {**asdict(m), "standing": group.standing(row, t)} for t, m in row.measures.items()},
        }
        for row in group.rows
    ]
    return {"task": group.task, "apart": dict(group.apart), "rows": rows}


_SIGNS = {"best": " best", "tied": " tied", "behind": "", "unranked": ""}


def _table(group: Group) -> Any:
    from hvae.reporting.comparison import cell

    apart = "; ".join(f"{key}: {value}" for key, value in group.apart.items())
    made = table(
        *("run", *group.facts, *group.measures, ""),
        title=f"{group.task}{f' ({apart})' if apart else ''}",
        # What a run is can be seen elsewhere; what it measures is what the table is for.
        first_to_go=group.facts[::-1],
        elsewhere="the page, a wider window, or --json",
    )
    for row in group.rows:
        numbers = (f"{cell(row.measures.get(t))}{_SIGNS[group.standing(row, t)]}" for t in group.measures)
        made.add_row(row.run, *(row.facts.get(title, "") for title in group.facts), *numbers, "")
    return made
