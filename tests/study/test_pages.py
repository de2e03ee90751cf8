"""hvae.report and hvae.compare: what the commands do, from Python; what a page says of a measure, the measure says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch

import hvae
from hvae.checkpoints import describe
from hvae.cli.main import main
from hvae.config.data import DataConfig
from hvae.config.model import LVAEConfig
from hvae.data import load
from hvae.errors import HvaeError
from hvae.reporting.data import Agreement, Sheet
from hvae.study.evaluation import Evaluation
from hvae.study.measure import Column, Headline, Measure, Ranked
from hvae.study.measures import MEASURES
from hvae.study.work import Work
from hvae.weights import save_weights

QUICK = {"evaluate.limit": 40, "evaluate.samples": 2, "evaluate.measures": "likelihood,activity"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two run folders, `one` and `two`, of untrained models, with their numbers."""
    place = tmp_path_factory.mktemp("runs")
    model = LVAEConfig(latents=(3, 2), widths=(6, 6), likelihood="dmol")
    config = hvae.RunConfig(data=DataConfig(name="digits", bits=4), model=model).override(QUICK)
    data = load(config.data)
    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)
        built = hvae.build(config.model, shape=data.shape, bits=data.bits)
        description = {**describe(config, data.shape, data.bits, data.provenance.to_dict()), "step": 0}
        (place / name).mkdir()
        save_weights(place / name / "model.safetensors", built.state_dict(), description)
        hvae.evaluate(place / name)
    return place


@pytest.fixture
def runs(measured: Path, tmp_path: Path) -> Path:
    return shutil.copytree(measured, tmp_path / "runs")


def printed(*words: str | Path) -> Any:
    with redirect_stdout(StringIO()) as out:
        assert not main([*map(str, words), "--json"])
    return json.loads(out.getvalue())


def test_the_page_is_that_of_the_command(runs: Path) -> None:
    page = hvae.report(runs / "one")
    content = page.read_bytes()
    assert page == runs / "one" / "report.html"
    page.unlink()
    assert printed("report", runs / "one") == {"report": str(page)} and page.read_bytes() == content
    assert hvae.report(hvae.load(runs / "one")).read_bytes() == content
    assert hvae.report(runs / "one" / "model.safetensors").read_bytes() == content


def test_only_numbers_that_are_not_there_are_measured(runs: Path) -> None:
    path = runs / "one" / "evaluation.json"
    before, pieces = path.read_text(), []

    def progress(done: int, total: int, name: str) -> None:
        pieces.append(name)

    hvae.report(runs / "one", progress=progress)
    assert pieces and all(name.startswith("pictures") for name in pieces) and path.read_text() == before
    for change in ({"fresh": True}, {"overrides": {"evaluate.limit": 30}}):
        pieces.clear()
        hvae.report(runs / "one", progress=progress, **change)
        assert any(name.startswith("likelihood") for name in pieces)
    assert json.loads(path.read_text())["likelihood"]["data"] == 30


@pytest.mark.parametrize(
    "change", [{"step": 7}, {"activity": None}, {"likelihood": {"data": 3}}], ids=lambda change: next(iter(change))
)
def test_numbers_of_other_weights_or_without_what_a_page_needs_are_measured_again(
    change: dict[str, Any], runs: Path
) -> None:
    path = runs / "one" / "evaluation.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, **change, "settings": ""}))
    hvae.report(runs / "one")
    again = json.loads(path.read_text())
    assert again["step"] == 0 and again["likelihood"] == record["likelihood"] and again["activity"]


def test_a_report_refuses_in_one_line(runs: Path) -> None:
    for run, change, line in (
        (runs / "none", {}, "no run at"),
        (runs / "one", {"overrides": {"model.latents": "1"}}, "belongs to the training"),
        (runs / "one", {"overrides": {"evaluate.measures": "mutal"}}, "mutual"),
    ):
        with pytest.raises(HvaeError, match=line) as fault:
            hvae.report(run, **change)
        assert "\n" not in str(fault.value)
    assert not (runs / "one" / "report.html").exists()


def test_the_comparison_is_that_of_the_command(runs: Path, tmp_path: Path) -> None:
    folders = [runs / "one", runs / "two"]
    comparison = hvae.compare(folders, out=tmp_path / "page.html")
    content = (tmp_path / "page.html").read_bytes()
    assert comparison.to_dict() == printed("compare", *folders, "-o", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == content
    (group,) = comparison.groups
    assert [row.run for row in group.rows] == ["one", "two"] and group.measures[0] == "-ELBO, nats"
    assert {group.standing(row, "-ELBO, nats") for row in group.rows} <= {"best", "tied", "behind"}


def test_a_comparison_without_a_page_writes_none_and_takes_runs_in_any_form(runs: Path) -> None:
    files = {*runs.rglob("*")}
    comparison = hvae.compare([hvae.load(runs / "one"), str(runs / "two" / "model.safetensors")])
    assert comparison == hvae.compare((runs / "one", runs / "two")) and comparison.page is None
    assert "page" not in comparison.to_dict() and {*runs.rglob("*")} == files


def test_a_damaged_measure_is_left_out_and_named(runs: Path) -> None:
    path = runs / "one" / "evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "reconstruction": {"data": "many"}}))
    lines: list[str] = []
    hvae.compare([runs / "one", runs / "two"], tell=lines.append)
    assert len(lines) == 1 and "one/evaluation.json: reconstruction is left out" in lines[0]


@pytest.mark.parametrize(
    ("names", "out", "line"),
    [
        (["one"], None, "two runs or more to compare, got 1"),
        ([], None, "two runs or more to compare, got 0"),
        (["one", "one"], None, "got one twice"),
        (["one", "none"], None, "no run at"),
        (["one", 5], None, "got int"),
        (["one", "two"], "page.txt", "ends in .html"),
    ],
)
def test_a_comparison_refuses_in_one_line(names: list[Any], out: str | None, line: str, runs: Path) -> None:
    with pytest.raises(HvaeError, match=line) as fault:
        hvae.compare(
            [runs / name if isinstance(name, str) else name for name in names], out=runs / out if out else None
        )
    assert "\n" not in str(fault.value) and not list(runs.glob("page*"))


@pytest.mark.parametrize("one", ["runs/one", Path("runs/one"), 5])
def test_one_run_that_stands_in_no_list_is_no_list_of_its_letters(one: Any) -> None:
    with pytest.raises(HvaeError, match="two runs or more|got int"):
        hvae.compare(one)


@dataclass(frozen=True)
class Weight:
    grams: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Weighing(Measure[Weight]):
    """A measure of somebody's own: all that is shown of it stands here."""

    name = "weighing"
    about = "what a model weighs"
    cost = "quick"
    result = Weight

    def take(self, work: Work) -> Weight:
        return Weight(7.5)

    def headlines(self, result: Weight, evaluation: Evaluation) -> Iterator[Headline]:
        yield Headline("weight of the whole", f"{result.grams} g", "on a letter scale")

    def columns(self, result: Weight, evaluation: Evaluation) -> Iterator[Column]:
        yield Column("grams", dict.fromkeys(("z2", "z1"), "3.75 g"))

    def notes(self, result: Weight) -> Iterator[str]:
        yield "grams are rounded"

    def sheets(self, result: Weight) -> Iterator[Sheet]:
        yield Sheet(title="The scale", heads=("maker", "year"), rows=[("Maul", "1950")], note="kitchen")

    def facts(self, result: Weight, evaluation: Evaluation) -> dict[str, str]:
        return {"heavy": "no"}

    def agreement(self, result: Weight) -> Agreement:
        return Agreement(shares={"scales that agree": 0.25}, note="of four scales")

    def ranked(self, result: Weight, evaluation: Evaluation) -> Iterator[Ranked]:
        yield Ranked("weight, g", result.grams, is_low_better=True)


def test_what_is_shown_of_a_measure_the_measure_alone_says(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "weighing", Weighing())  # type: ignore[arg-type]
    for name, grams in (("one", 7.5), ("two", 9.0)):
        path = runs / name / "evaluation.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "weighing": {"grams": grams}}))
    page = hvae.report(runs / "one").read_text()
    for text in ("weight of the whole", "on a letter scale", ">3.75 g<", "grams are rounded", "The scale", "kitchen"):
        assert text in page
    assert "scales that agree" in page and "of four scales" in page
    (group,) = hvae.compare([runs / "one", runs / "two"]).groups
    assert [row.facts["heavy"] for row in group.rows] == ["no", "no"]
    assert [group.standing(row, "weight, g") for row in group.rows] == ["best", "behind"]
