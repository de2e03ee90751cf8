"""A measure of one's own: its class is all that an evaluation needs to write, read, show and rank it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
from processes import finished
from rich.console import Console

import hvae
from hvae.cli.evaluation.shown import summary
from hvae.config import measures as config_measures
from hvae.config.evaluate import EvaluateConfig
from hvae.errors import HvaeError
from hvae.metrics.results import Estimate, plain
from hvae.reporting.data import Sheet
from hvae.runs.subject import open_run
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


BRIGHTNESS = """
from __future__ import annotations
from dataclasses import dataclass
from hvae.metrics.results import Estimate, plain
from hvae.records import JSON
from hvae.study.measure import Headline, Measure, spread

@dataclass(frozen=True, kw_only=True)
class BrightnessResult:
    mean: float
    data: int

    def to_dict(self) -> JSON:
        return plain(self)

class Brightness(Measure[BrightnessResult]):
    name = "brightness"
    about = "how bright the pictures are on average"
    cost = "costly"
    result = BrightnessResult

    def take(self, work):
        x = work.split.batch(range(len(work.split))).x
        return BrightnessResult(mean=x.mean().item(), data=len(x))

    def headlines(self, result, evaluation):
        yield Headline("brightness", f"{result.mean:.4f} of white", f"{result.data:,} data")
"""


def test_a_file_in_the_folder_is_a_measure(tmp_path: Path) -> None:
    """In a copy of the package with one file more, and nothing else changed."""
    shutil.copytree(Path(hvae.__file__).parent, tmp_path / "hvae", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "hvae" / "study" / "measures" / "brightness.py").write_text(BRIGHTNESS)
    run = Path(shutil.copytree(FILE.parent, tmp_path / "run"))
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}

    def command(*words: object) -> str:
        program = finished("-m", "hvae", *words, environment=environment)
        assert program.returncode == 0, program.stderr
        return program.stdout

    assert "brightness        how bright the pictures are on average" in command("evaluate", "--help")
    few = ("--evaluate.limit", 50, "--evaluate.samples", 1, "--train.accelerator", "cpu")
    text = command("evaluate", run, "--evaluate.measures", "likelihood,brightness", *few)
    value = json.loads((run / "evaluation.json").read_text())["brightness"]
    pictures = open_run(run, {"evaluate.limit": 50}, print).split.batch(range(50)).x
    assert value == {"mean": pytest.approx(pictures.mean().item(), abs=1e-6), "data": 50}
    assert f"{value['mean']:.4f} of white" in text and "-ELBO" in text
    wrong = finished("-m", "hvae", "evaluate", run, "--evaluate.measures", "brightnes", environment=environment)
    assert wrong.returncode == 2 and "did you mean 'brightness'" in wrong.stderr


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('    about = "how bright the pictures are on average"\n', "", "class Brightness: expected a constant about"),
        ('"costly"', '"cheap"', "expected cost to be quick or costly, got 'cheap'"),
        ('"brightness"', '"activity"', "two measures are named activity: activity.py and brightness.py"),
        ('"costly"', '"costly"; place = "first"', "expected place to be a whole number, got 'first'"),
        ("class Brightness(", "class Brightness((", "no measure can be read from .*brightness.py"),
    ],
)
def test_a_file_that_does_not_say_what_it_must_is_named(
    old: str, new: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(config_measures.FOLDER, tmp_path / "measures")
    (tmp_path / "measures" / "brightness.py").write_text(BRIGHTNESS.replace(old, new))
    monkeypatch.setattr(config_measures, "FOLDER", tmp_path / "measures")
    with pytest.raises(HvaeError, match=line):
        config_measures.measures.__wrapped__()


def test_the_constants_that_are_read_are_those_of_the_classes() -> None:
    assert len(MEASURES) >= 18
    for name, one in config_measures.measures().items():
        measure = MEASURES[name]
        assert (measure.name, measure.about, measure.cost, measure.place) == (name, one.about, one.cost, one.place)
        assert one.module.replace("_", "-") == name, "a file bears the name of its measure"
        assert set(measure.settings) <= {field.name for field in fields(EvaluateConfig)}
