"""Runs side by side: a table for each task, ranked only where that means something."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.checkpoints import LoadedRun
from hvae.errors import HvaeError
from hvae.files import resolved
from hvae.records import JSON
from hvae.reporting.comparison import Group, Number, Row, write_comparison
from hvae.runs.provenance import read_provenance
from hvae.runs.source import stored
from hvae.runs.subject import check_own
from hvae.screen.numbers import counted
from hvae.study.evaluation import FILE, Evaluation, read_evaluation
from hvae.study.measure import Ranked
from hvae.study.measures.likelihood import Likelihood, version_of
from hvae.study.places import check_place
from hvae.study.progress import Tell, silent

if TYPE_CHECKING:
    from hvae.data import Provenance
    from hvae.data.sequences.form import SequenceForm


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs by task, tasks in the order of their first run; `group.standing(row, title)` says where a run stands."""

    groups: tuple[Group, ...]
    page: Path | None = None
    """The page, where one was asked for."""

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        page = {"page": str(self.page)} if self.page else {}
        return {**page, "groups": [group.to_dict() for group in self.groups]}


def compare(
    runs: Sequence[str | Path | LoadedRun], *, out: str | Path | None = None, tell: Tell | None = None
) -> Comparison:
    """Put the evaluations of runs side by side: what is not comparable is not ranked.

    Numbers of different data, versions, bit depths, splits or counts stand in tables of their own, and numbers of
    different bounds in columns of their own.

    Arguments: `runs`, folders of two or more runs that were evaluated, or what `hvae.load` gave; `out`, an .html file
    to write the tables to (none: no page); `tell`, called with a line for each measure whose record is damaged, which
    is left out.  Raises HvaeError for runs that cannot be compared.
    """
    folders = _folders(runs)
    page = None if out is None else _page(Path(out))
    if len(folders) < 2:
        raise HvaeError(
            f"expected two runs or more to compare, got {len(folders)}; hvae evaluate shows the numbers of one"
        )
    groups = grouped(folders, tell or silent)
    return Comparison(groups=groups, page=write_comparison(page, groups) if page else None)


def _folders(runs: Sequence[str | Path | LoadedRun]) -> list[Path]:
    several = runs if isinstance(runs, Iterable) and not isinstance(runs, str) else [runs]
    return [_folder(run) for run in several]


def _folder(run: str | Path | LoadedRun) -> Path:
    """The folder of a run, which its weight file can stand for."""
    if not isinstance(run, str | Path | LoadedRun):
        raise HvaeError(f"expected folders of runs, or what hvae.load gives, got {type(run).__name__}")
    check_own(run, "compare")
    if isinstance(run, LoadedRun):
        return run.folder
    path = Path(run)
    return path.parent if path.suffix == ".safetensors" and path.is_file() else path


def _page(path: Path) -> Path:
    if path.suffix != ".html":
        raise HvaeError(f"expected the name of a page that ends in .html, got {path}")
    check_place(path)
    return path


def grouped(folders: Sequence[Path], tell: Tell) -> tuple[Group, ...]:
    """The runs by task, tasks in the order of their first run."""
    rows: dict[str, list[Row]] = {}
    tasks: dict[str, dict[str, str]] = {}
    for folder, name in zip(folders, _names(folders), strict=True):
        evaluation = evaluated(folder)
        for measure, reason in evaluation.unreadable.items():
            tell(f"{folder / FILE}: {measure} is left out: {reason[:300]}")
        task = task_of(evaluation)
        key = json.dumps(task)
        tasks[key] = task
        rows.setdefault(key, []).append(row_of(folder, name, evaluation))
    return tuple(Group(task=_headline(tasks[key]), apart=_apart(tasks, key), rows=rows[key]) for key in rows)


def _names(folders: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as tell them apart."""
    whole = [resolved(folder).parts for folder in folders]
    if len(set(whole)) < len(whole):
        raise HvaeError("expected different runs to compare, got one twice")
    count = next(n for n in range(1, 1 + max(map(len, whole))) if len({parts[-n:] for parts in whole}) == len(whole))
    return ["/".join(parts[-count:]) for parts in whole]


def evaluated(folder: Path) -> Evaluation:
    """The evaluation of a run.  Raises HvaeError when there is none, when it is none, or when it has no bound."""
    path = folder / FILE
    if not folder.is_dir():
        raise HvaeError(f"no run at {folder}; expected a folder that 'hvae train' has written")
    if not path.is_file():
        raise HvaeError(f"{folder} has no {FILE}; measure it first: hvae evaluate {folder}")
    evaluation = read_evaluation(path)
    if evaluation.of(Likelihood) is None:
        why = evaluation.unreadable.get(Likelihood.name, "")
        reason = f" that can be read ({why})" if why else ""
        raise HvaeError(f"{path} has no likelihood{reason}; measure the run again: hvae evaluate {folder}")
    return evaluation


def task_of(evaluation: Evaluation) -> dict[str, str]:
    """What numbers must share to be compared, by title."""
    data, result, split = evaluation.data, evaluation.of(Likelihood), evaluation.split
    assert result
    return {
        "data": data.name,
        "version": version_of(data),
        "shape": _shape(data),
        "bits": _depth(data),
        "form": _form(data),
        "binarisation": data.binarisation,
        "split": split,
        "data scored": f"{result.data:,}",
        "likelihood": result.likelihood,
        # Records of before protocols had names hold likelihoods that were read in one way alone.
        "reading": evaluation.protocol.reading if evaluation.protocol else "exact",
        "checksum": data.checksums.get(split, "")[:12],
        "bound on": f"log {result.of}",
        "data of the training": ", ".join(evaluation.unlike_training) or "the same",
    }


def _headline(task: Mapping[str, str]) -> str:
    noun = "sequences" if task["form"] else "data"
    parts = (task["data"], f"{task['data scored']} {task['split']} {noun}", task["shape"], task["bits"])
    return ", ".join(part for part in parts if part)


def _shape(data: Provenance) -> str:
    """The shape of images, how many columns a table has, or what a step of sequences is, in words; how many steps they
    have differs between them."""
    form = data.sequences
    if data.columns:
        return counted(len(data.columns), "column")
    if form is None:
        return "x".join(map(str, data.shape))
    if form.symbols:
        return f"{form.step}s of {len(form.symbols):,} symbols"
    values = "x".join(map(str, data.shape[1:]))
    return f"{form.step}s of {values} value{'s' * (values != '1')}"


def _depth(data: Provenance) -> str:
    """The bits of a value; nothing of symbols, whose number stands with them, and of columns, which differ."""
    if data.columns or (data.sequences and data.sequences.symbols):
        return ""
    return f"{data.bits} bit{'s' * (bool(data.sequences) and data.bits != 1)}" if data.bits else "real numbers"


def _form(data: Provenance) -> str:
    """What else sequences are: numbers on another law, or another scale, do not compare."""
    form = data.sequences
    return "" if form is None else " ".join(filter(None, [form.kind, form.law, _scale(form)]))


def _scale(form: SequenceForm) -> str:
    numbers = json.dumps([form.mean, form.scale])
    return f"scale {zlib.crc32(numbers.encode()):08x}" if form.scale else ""


def _apart(tasks: Mapping[str, Mapping[str, str]], key: str) -> dict[str, str]:
    """Of a task, what is not the same in all of them and its headline does not say."""
    in_headline = ("data", "data scored", "split", "shape", "bits")
    return {
        title: value
        for title, value in tasks[key].items()
        if value and title not in in_headline and len({other[title] for other in tasks.values()}) > 1
    }


def row_of(folder: Path, name: str, evaluation: Evaluation) -> Row:
    """One run as a row of its table."""
    numbers = {ranked.title: _number(ranked) for ranked in evaluation.ranked()}
    return Row(run=name, facts=_facts(folder, evaluation), measures=numbers)


def _number(ranked: Ranked) -> Number:
    value, error = (one if one is not None and isfinite(one) else None for one in (ranked.value, ranked.error))
    return Number(value=value, error=error, low=ranked.is_low_better)


def _facts(folder: Path, evaluation: Evaluation) -> dict[str, str]:
    provenance = read_provenance(folder)
    facts = {
        "family": _family(folder),
        "parameters": f"{count / 1e6:.2f} M" if (count := provenance.get("parameters")) else "",
        "steps": f"{evaluation.step:,}" if evaluation.step else "",
        **evaluation.facts(),
    }
    return {title: text for title, text in facts.items() if text}


def _family(folder: Path) -> str:
    try:
        return stored(folder).model.family
    except (HvaeError, OSError):
        return ""
