"""An evaluation in memory and in evaluation.json: the same numbers, of old records too, and no damage taken for one."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

import hvae
from hvae.errors import HvaeError
from hvae.metrics import Estimate
from hvae.metrics.results import plain, read_result
from hvae.runs.subject import open_run
from hvae.study import Evaluation, read_evaluation
from hvae.study.measures import MEASURES
from hvae.study.measures.coarse_to_fine import CoarseToFine
from hvae.study.measures.likelihood import Likelihood
from hvae.study.measures.mutual import Mutual
from hvae.study.measures.quality import Quality
from hvae.study.measures.reconstruction import Reconstruction
from hvae.study.progress import bars
from hvae.study.work import Work

FOLDER = Path(__file__).parents[1] / "fixtures" / "run-before-evidence"
SETTINGS = {
    **{"evaluate.samples": 4, "evaluate.pairs": 16, "evaluate.generated": 150, "evaluate.limit": 0},
    "train.accelerator": "cpu",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which all that can be is measured."""
    copy = Path(shutil.copytree(FOLDER, tmp_path_factory.mktemp("study") / "run"))
    (copy / "evaluation.json").unlink()
    hvae.evaluate(copy, measures="all", overrides=SETTINGS)
    return copy


@pytest.fixture
def record(folder: Path) -> dict[str, Any]:
    """What its evaluation.json holds."""
    values: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return values


def close(measured: Any) -> Any:
    """Values to compare, numbers to rounding: other processors add in another order, which may tip a count."""
    if isinstance(measured, dict):
        return {key: close(value) for key, value in measured.items()}
    if isinstance(measured, list):
        return [close(value) for value in measured]
    if isinstance(measured, str):
        return re.sub(r"\d[\d.,]*", "#", measured)
    is_number = isinstance(measured, (int, float)) and not isinstance(measured, bool)
    return pytest.approx(measured, rel=1e-3, abs=2 if isinstance(measured, int) else 1e-3) if is_number else measured


def wordy(measured: Any) -> Any:
    """The same values, texts without their numbers."""
    if isinstance(measured, dict):
        return {key: wordy(value) for key, value in measured.items()}
    if isinstance(measured, list):
        return [wordy(value) for value in measured]
    return re.sub(r"\d[\d.,]*", "#", measured) if isinstance(measured, str) else measured


def there_before(measured: Any, before: Any) -> Any:
    """The measured values without the keys that have come since."""
    if isinstance(measured, dict) and isinstance(before, dict):
        return {key: there_before(value, before[key]) for key, value in measured.items() if key in before}
    return measured


def test_the_numbers_are_those_of_before_there_was_a_study(record: dict[str, Any]) -> None:
    """`evaluated.json` was written by the command when the measures were parts of it."""
    before = json.loads((FOLDER / "evaluated.json").read_text())
    assert list(record) == list(before)
    own = ("seconds", "settings", "verdict", "quality", "classes", "coarse_to_fine")
    assert before["units"].keys() <= record["units"].keys()
    for key in (key for key in before if key not in (*own, "units")):
        assert wordy(there_before(record[key], before[key])) == close(before[key]), key
    assert "there is no verdict yet" in record["verdict"]["text"], "so few steps were judged then"
    for key in own[3:]:  # trained judges: the same keys, and numbers of the same size
        assert list(record[key]) == list(before[key]), key
    assert record["quality"]["fid"] == pytest.approx(before["quality"]["fid"], rel=0.5)


def test_every_number_comes_back(record: dict[str, Any]) -> None:
    evaluation = Evaluation.from_dict(record)
    assert evaluation.to_dict() == record and not evaluation.unreadable
    assert set(evaluation.skipped) == {"disentanglement"} and {"likelihood", "maps", "quality"} <= set(
        evaluation.results
    )


def test_all_that_speaks_of_such_models_is_measured_or_skipped_with_a_reason(
    folder: Path, record: dict[str, Any]
) -> None:
    evaluation = Evaluation.from_dict(record)
    work = Work(open_run(folder, SETTINGS, print), bars(None))
    concerned = {name for name, measure in MEASURES.items() if measure.concerns(work)}
    assert {*evaluation.results, *evaluation.skipped} == concerned


def test_data_that_make_the_mean_are_named_beside_it(record: dict[str, Any]) -> None:
    rest = {"mean": 84.7, "standard_error": 0.1, "low95": 84.5, "high95": 84.9}
    record["likelihood"]["extremes"] = {"count": 3, "median_nats": 85.5, "rest_nats": rest}
    evaluation = Evaluation.from_dict(record)
    headlines = {headline.name: headline for headline in evaluation.headlines()}
    assert headlines["extremes"].value.startswith("3 of ")
    assert "85.50 nats" in headlines["extremes"].note and "84.70" in headlines["extremes"].note
    assert evaluation.to_dict()["likelihood"]["extremes"]["count"] == 3
    del record["likelihood"]["extremes"]
    assert "extremes" not in {headline.name for headline in Evaluation.from_dict(record).headlines()}


def test_what_is_no_number_is_null_and_comes_back_as_nan(record: dict[str, Any]) -> None:
    record["likelihood"]["negative_elbo_nats"] = {"mean": None, "standard_error": None, "low95": None, "high95": None}
    evaluation = Evaluation.from_dict(record)
    result = evaluation.of(Likelihood)
    assert result and math.isnan(result.negative_elbo_nats.mean) and evaluation.to_dict() == record
    assert next(iter(evaluation.headlines())).value == "not finite nats"


def test_a_record_of_an_earlier_version_is_read() -> None:
    evaluation = read_evaluation(FOLDER / "evaluation.json")
    assert not evaluation.unreadable and {"likelihood", "activity", "mutual"} <= set(evaluation.results)
    assert evaluation.verdict is None and evaluation.conclusion == "All levels (z3, z2, z1) are used."


def test_what_earlier_versions_did_not_know_is_no_damage(record: dict[str, Any]) -> None:
    for level in (*record["mutual"]["levels"].values(), record["mutual"]["total"]):
        del level["saturated"]
    record["mutual"]["saturated"] = True
    for key in ("top_swapped", "top_swapped_pairwise", "classifier"):
        record["coarse_to_fine"].pop(key, None)
    for key in ("kid_subset", "inception_score", "no_inception_score", "sha256"):
        record["quality"].pop(key)
    for row in record["contribution"]["top"]:
        del row["gain_nats"]
    del record["reconstruction"]["exact_mean"], record["verified"], record["protocol"], record["verdict"]
    evaluation = Evaluation.from_dict(record)
    assert not evaluation.unreadable
    mutual, coarse = evaluation.of(Mutual), evaluation.of(CoarseToFine)
    back, quality = evaluation.of(Reconstruction), evaluation.of(Quality)
    assert mutual and all(level.saturated for level in mutual.levels.values())
    assert coarse and coarse.top_swapped is None and back and back.exact_mean
    assert quality and quality.inception_score is None
    assert list(evaluation.headlines()) and evaluation.columns() and evaluation.ranked()


def inside(result: Any) -> list[Any]:
    """A result and all that is in it."""
    if is_dataclass(result):
        return [result, *(one for f in fields(result) for one in inside(getattr(result, f.name)))]
    parts = result.values() if isinstance(result, dict) else result if isinstance(result, tuple) else ()
    return [result, *(one for part in parts for one in inside(part))]


def test_a_result_is_typed_all_through(record: dict[str, Any]) -> None:
    results = Evaluation.from_dict(record).results
    assert all(isinstance(result, MEASURES[name].result) for name, result in results.items())
    plain_objects = {
        name
        for name, result in results.items()
        for one in inside(result)
        if isinstance(one, dict) and not all(map(is_dataclass, one.values()))
    }
    assert not plain_objects, "a mapping whose values are no results"


DAMAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a number": lambda part: 7,
    "a list": lambda part: [part],
    "without its first key": lambda part: dict([*part.items()][1:]),
    "its first key is another thing": lambda part: {**part, next(iter(part)): {"x": [True]}},
    "its last key is another thing": lambda part: {**part, [*part][-1]: {"x": [True]}},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_measure_is_left_out_with_its_reason(damage: str, record: dict[str, Any]) -> None:
    names = set(Evaluation.from_dict(record).results)
    for name in names:
        key = MEASURES[name].key()
        evaluation = Evaluation.from_dict({**record, key: DAMAGES[damage](record[key])})
        reason = evaluation.unreadable[name]
        assert reason.startswith(name) and "\n" not in reason and len(reason) < 200
        assert set(evaluation.results) == names - {name}, "the others are whole"
        assert [*evaluation.headlines(), *evaluation.columns(), *evaluation.ranked()], name


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"step": "many"}, "expected a whole number"),
        ({"data": {}}, "data.name is missing"),
        ({"split": 3}, "split"),
    ],
)
def test_numbers_of_nobody_knows_what_are_refused(
    change: dict[str, Any], line: str, record: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(HvaeError, match=line):
        Evaluation.from_dict({**record, **change})
    (tmp_path / "evaluation.json").write_text(json.dumps({**record, **change}))
    with pytest.raises(HvaeError, match=r"evaluation.json is damaged.*delete it"):
        read_evaluation(tmp_path / "evaluation.json")


@pytest.mark.parametrize("name", ["likelihood", "activity", "classes", "mutual", "maps"])
def test_a_record_of_no_levels_is_shown(name: str, record: dict[str, Any]) -> None:
    """Models without latents have none."""
    key = MEASURES[name].key()
    evaluation = Evaluation.from_dict({**record, key: {**record[key], "levels": {}}})
    assert name in evaluation.results
    assert [*evaluation.headlines(), *evaluation.columns(), *evaluation.ranked()] and evaluation.notes()


def test_a_result_knows_its_types() -> None:
    assert read_result(Estimate, plain(Estimate(2.0))).mean == 2.0
    for values in ({}, {"mean": "2"}, {"mean": 10**400}, [2.0], {"mean": 2.0, "low95": {}}):
        with pytest.raises(HvaeError, match=r"^loss"):
            read_result(Estimate, values, "loss")
