"""An evaluation: every number of a run with what it is of, in memory and in evaluation.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast
from warnings import warn

from hvae.checkpoints.description import PROVENANCE
from hvae.data.provenance import Provenance
from hvae.errors import HvaeError, HvaeWarning
from hvae.metrics.results import plain, read_result
from hvae.records import JSON, Each, check, read_json
from hvae.reporting.data import Agreement, Sheet
from hvae.runs.protocol import Convention
from hvae.study.judgement import Judgement
from hvae.study.measure import Column, Figure, Headline, Measure, Ranked, Result, Use
from hvae.study.measures import MEASURES

R = TypeVar("R", bound=Result)
FILE = "evaluation.json"

UNITS: Mapping[str, str] = {key: text for measure in MEASURES.values() for key, text in measure.units.items()}
"""What the keys of a record mean."""
_HEAD = {
    **{"step": int, "split": str, "data": PROVENANCE, "weights?": str, "verified?": bool, "settings?": str},
    **{"protocol?": (None, Each(object)), "verdict?": (None, Each(object)), "skipped?": Each(str)},
    **{"data_changes?": [str], "unlike_training?": [str], "seconds?": float, "device?": str},
    **{"backend?": Each((str, float))},
}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The numbers of a run, and what they are of.

    A result is asked for by its measure: `evaluation.of(Likelihood).negative_elbo_nats.mean`.
    """

    step: int
    """Steps of training behind the weights."""
    weights: str = ""
    """Which weights: "running average", "as trained", or the file that they were imported from."""
    verified: bool = True
    """Whether a digest vouches for every bit of them."""
    protocol: Convention | None = None
    """By whose convention; None in records of before protocols had names."""
    split: str
    results: Mapping[str, Result]
    """By the name of the measure, in the order of the measures."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Measures that could not be taken, and why."""
    data: Provenance
    data_changes: tuple[str, ...] = ()
    """How the images changed while the model was trained."""
    unlike_training: tuple[str, ...] = ()
    """What of the data is not as it was in training."""
    settings: str = ""
    """A digest of all that the numbers depend on."""
    seconds: float = 0.0
    device: str = ""
    backend: Mapping[str, str | float] | None = None
    """Who has computed the bounds in place of torch, how far it was from torch, or why it was not used."""
    verdict: Judgement | None = None
    """What to make of the levels; None where their activity was not measured."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Measures whose record is damaged, and why; never written."""

    def of(self, measure: type[Measure[R]]) -> R | None:
        """The result of a measure; None where it was not taken."""
        return cast("R | None", self.results.get(measure.name))

    @property
    def conclusion(self) -> str:
        """What is made of all levels together; empty where nothing is."""
        alone = (line for measure, result in self._pairs() if (line := measure.conclusion(result)))
        return self.verdict.text if self.verdict else next(alone, "")

    def headlines(self) -> Iterator[Headline]:
        """Each number that stands for the whole."""
        for change in self.data_changes:
            note = f"{change}; some of what is scored may have been trained on"
            yield Headline("data changed", "during training", note)
        if self.backend:
            yield Headline("bounds computed by", f"{self.backend['name']} {self.backend['version']}", self._distance)
        for measure, result in self._pairs():
            yield from measure.headlines(result, self)

    @property
    def _distance(self) -> str:
        """How far another runtime is from torch, or why it was not used."""
        record = self.backend or {}
        if "reason" in record:
            return f"instead of {record['instead_of']}: {record['reason']}"
        return f"first batch within {record['difference']:.1e} of torch's largest value"

    def columns(self) -> list[Column]:
        """The table of the levels; where two measures have a column of one title, the first one's."""
        columns: dict[str, Column] = {}
        for measure, result in self._pairs():
            for column in measure.columns(result, self):
                columns.setdefault(column.title, column)
        return list(columns.values())

    def levels(self) -> dict[str, dict[str, str]]:
        """The same by level, top first: {level: {title: text}}."""
        rows: dict[str, dict[str, str]] = {}
        for column in self.columns():
            for level, cell in column.cells.items():
                rows.setdefault(level, {})[column.title] = cell
        return rows

    def notes(self) -> list[str]:
        """What the columns of the levels must be read with."""
        return [note for measure, result in self._pairs() for note in measure.notes(result)]

    def sheets(self) -> list[Sheet]:
        """Further tables."""
        return [sheet for measure, result in self._pairs() for sheet in measure.sheets(result)]

    def uses(self) -> dict[str, Use]:
        """How each level is used, top first; empty where no measure says it."""
        return {level: use for measure, result in self._pairs() for level, use in measure.uses(result).items()}

    def facts(self) -> dict[str, str]:
        """What is said of the run beside others, by title, that is no better or worse."""
        return {title: text for measure, result in self._pairs() for title, text in measure.facts(result, self).items()}

    def agreement(self) -> Agreement | None:
        """The chart of how often redraws of an image agree; None where no measure has one."""
        charts = (chart for measure, result in self._pairs() if (chart := measure.agreement(result)))
        return next(charts, None)

    def figures(self) -> dict[str, list[Figure]]:
        """The pictures that each measure has drawn into the folder `pictures` of the run."""
        return {measure.name: list(measure.figures(result)) for measure, result in self._pairs()}

    def ranked(self) -> list[Ranked]:
        """Every number that has a better and a worse; rates and informations have none."""
        return [number for measure, result in self._pairs() for number in measure.ranked(result, self)]

    def to_dict(self) -> JSON:
        """Plain values for JSON, as evaluation.json holds them."""
        return {
            "step": self.step,
            "weights": self.weights,
            "verified": self.verified,
            **({"protocol": plain(self.protocol)} if self.protocol else {}),
            "split": self.split,
            **{measure.key(): result.to_dict() for measure, result in self._pairs()},
            "skipped": dict(self.skipped),
            "units": dict(UNITS),
            "data": self.data.to_dict(),
            "data_changes": list(self.data_changes),
            "unlike_training": list(self.unlike_training),
            "settings": self.settings,
            "seconds": self.seconds,
            "device": self.device,
            **({"backend": dict(self.backend)} if self.backend else {}),
            **({"verdict": plain(self.verdict)} if self.verdict else {}),
        }

    @classmethod
    def from_dict(cls, record: JSON) -> Evaluation:
        """The inverse of `to_dict`, of older records too; a measure whose record is damaged is left out, with why.

        Raises HvaeError, naming the place, where what the numbers are of cannot be read.
        """
        check(record, _HEAD)
        results, unreadable = _results(record)
        return cls(
            step=record["step"],
            weights=record.get("weights", ""),
            verified=record.get("verified", True),
            protocol=_part(Convention, record, "protocol"),
            split=record["split"],
            results=results,
            skipped=record.get("skipped", {}),
            data=Provenance.from_dict(record["data"]),
            data_changes=tuple(record.get("data_changes", ())),
            unlike_training=tuple(record.get("unlike_training", ())),
            settings=record.get("settings", ""),
            seconds=record.get("seconds", 0.0),
            device=record.get("device", ""),
            backend=record.get("backend"),
            verdict=_part(Judgement, record, "verdict"),
            unreadable=unreadable,
        )

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """The evaluation of a file, damaged measures under `unreadable`.  Raises HvaeError as `from_dict` does."""
        record = read_json(path, _HEAD)
        try:
            return cls.from_dict(record)
        except HvaeError as reason:
            raise HvaeError(f"{path} is damaged ({str(reason)[:300]}); delete it and run the command again") from None

    def _pairs(self) -> Iterator[tuple[Measure[Any], Result]]:
        """The measures that were taken, with what they gave."""
        return ((measure, self.results[name]) for name, measure in MEASURES.items() if name in self.results)


T = TypeVar("T")


def _part(kind: type[T], record: JSON, name: str) -> T | None:
    return read_result(kind, record[name], name) if record.get(name) is not None else None


def _results(record: JSON) -> tuple[dict[str, Result], dict[str, str]]:
    """What can be read of each measure, and why not where it cannot."""
    results: dict[str, Result] = {}
    unreadable: dict[str, str] = {}
    for name, measure in MEASURES.items():
        values = record.get(measure.key())
        try:
            if values is not None:
                results[name] = measure.read(values)
        except HvaeError as reason:
            unreadable[name] = str(reason)
    return results, unreadable


def read_evaluation(path: str | Path) -> Evaluation:
    """The evaluation of a file; warns (HvaeWarning) of measures that are left out since their record is damaged.

    Raises HvaeError when what the numbers are of cannot be read, or when it is no evaluation.
    """
    evaluation = Evaluation.read(Path(path))
    for name, why in evaluation.unreadable.items():
        warn(f"{path} is damaged: {name} is left out ({why[:300]})", HvaeWarning, stacklevel=2)
    return evaluation
