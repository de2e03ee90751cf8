"""A measure of one's own: its class is all that an evaluation needs to write, read, show and rank it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hvae.cli.evaluation.shown import summary
from hvae.metrics.results import Estimate, plain
from hvae.reporting.data import Sheet
from hvae.study import Evaluation, Measure, read_evaluation
from hvae.study.measure import Column, Headline, Ranked, spread
from hvae.study.measures import MEASURES
from hvae.study.work import Work

FILE = Path(__file__).parents[1] / "fixtures" / "run-before-evidence" / "evaluation.json"


@dataclass(frozen=True, kw_only=True)
class Sharpness:
    """How sharp pictures are, and by which levels."""

    whole: Estimate
    levels: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = plain(self)
        return values


class Sharp(Measure[Sharpness]):
    """A measure that someone adds."""

    name = "sharp-edges"
    about = "sharpness"
    cost = "costly"
    result = Sharpness

    def take(self, work: Work) -> Sharpness:
        return Sharpness(whole=Estimate(3.0, 0.5, 2.0, 4.0), levels={"z3": 1.0})

    def headlines(self, result: Sharpness, evaluation: Evaluation) -> Iterator[Headline]:
        yield Headline("sharpness", spread(result.whole), f"of {evaluation.data.name}")

    def columns(self, result: Sharpness, evaluation: Evaluation) -> Iterator[Column]:
        yield Column("sharp", {name: f"{value:.2f}" for name, value in result.levels.items()})

    def sheets(self, result: Sharpness) -> Iterator[Sheet]:
        yield Sheet(title="Edges", heads=("edge", "share"), rows=[("upper", "30%")], note="of all edges")

    def ranked(self, result: Sharpness, evaluation: Evaluation) -> Iterator[Ranked]:
        yield Ranked("sharpness", result.whole.mean, result.whole.standard_error)


class Silent(Measure[Sharpness]):
    """A measure that only measures."""

    name, about, cost, result = "silent", "", "costly", Sharpness

    def take(self, work: Work) -> Sharpness:
        raise NotImplementedError


@pytest.fixture
def evaluation(monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    sharpness = Sharpness(whole=Estimate(3.0, 0.5, 2.0, 4.0), levels={"z3": 1.0})
    for measure in (Sharp(), Silent()):
        monkeypatch.setitem(MEASURES, measure.name, measure)  # type: ignore[arg-type]
    last = read_evaluation(FILE)
    return replace(last, results={**last.results, "sharp-edges": sharpness, "silent": sharpness})


def test_it_is_written_and_read(evaluation: Evaluation) -> None:
    record = json.loads(json.dumps(evaluation.to_dict()))
    back = Evaluation.from_dict(record)
    assert record["sharp_edges"]["levels"] == {"z3": 1.0} and back.of(Sharp) == evaluation.of(Sharp)
    assert "sharp-edges" in Evaluation.from_dict({**record, "sharp_edges": {"whole": 3}}).unreadable


def test_it_is_shown_and_ranked(evaluation: Evaluation) -> None:
    console = Console(width=200, record=True)
    console.print(summary(evaluation))
    text = console.export_text()
    assert "3.000 [2.000, 4.000]" in text and "sharp" in text and "of all edges" in text
    assert evaluation.levels()["z3"]["sharp"] == "1.00" and "sharp" not in evaluation.levels()["z1"]
    assert evaluation.ranked()[-1].title == "sharpness"


def test_columns_of_one_title_are_those_of_the_first_measure(evaluation: Evaluation) -> None:
    titles = [column.title for column in evaluation.columns()]
    assert len(set(titles)) == len(titles) and titles[:2] == ["nats", "nats/dim"]


def test_a_measure_must_be_taken() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Measure()  # type: ignore[abstract]
