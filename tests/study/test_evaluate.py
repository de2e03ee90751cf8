"""hvae.evaluate: what the command does, from Python."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import hvae
from hvae.cli.main import main
from hvae.cli.voice import Voice
from hvae.errors import HvaeError
from hvae.study.measures.activity import Activity
from hvae.study.progress import Bars, bars

FOLDER = Path(__file__).parents[1] / "fixtures" / "run-before-evidence"
FEW = {"evaluate.limit": 30, "evaluate.samples": 2, "evaluate.pairs": 8, "train.accelerator": "cpu"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(FOLDER, tmp_path / "run"))
    (copy / "evaluation.json").unlink()
    return copy


def numbers(evaluation: hvae.Evaluation) -> dict[str, Any]:
    return {**evaluation.to_dict(), "seconds": 0}


def test_python_gives_what_the_command_gives(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for key, value in FEW.items() for word in (f"--{key}", str(value))]
    assert main(["evaluate", str(folder), *words, "--evaluate.measures", "likelihood,activity,maps", "--json"]) == 0
    answer = {**json.loads(capsys.readouterr().out), "seconds": 0}
    (folder / "evaluation.json").unlink()
    measures = ["likelihood", "activity", "maps"]
    assert numbers(hvae.evaluate(folder, measures=measures, overrides=FEW)) == answer
    assert {**json.loads((folder / "evaluation.json").read_text()), "seconds": 0} == answer


def test_a_loaded_run_is_measured_and_left_as_it_is(folder: Path) -> None:
    run = hvae.load(folder)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    evaluation = hvae.evaluate(run, measures="activity", overrides=FEW)
    assert numbers(evaluation) == numbers(hvae.evaluate(folder, measures="activity", overrides=FEW))
    assert all(torch.equal(before[name], value) for name, value in run.model.state_dict().items())
    assert not run.model.training and not any(p.grad is not None for p in run.model.parameters())
    result = evaluation.of(Activity)
    assert result and list(result.levels) == ["z3", "z2", "z1"] and evaluation.conclusion


def test_progress_is_heard_by_name_and_remarks_are_told(folder: Path) -> None:
    pieces, lines = [], []
    overrides = {**FEW, "evaluate.seed": 1}
    hvae.evaluate(folder, measures="likelihood", overrides=FEW)
    hvae.evaluate(
        folder,
        measures=("likelihood", "reconstruction"),
        overrides=overrides,
        progress=lambda done, total, name: pieces.append((done, total, name)),
        tell=lines.append,
    )
    assert {name for _, _, name in pieces} == {"likelihood, K = 2 (evaluate.samples)", "reconstruction"}
    assert all(0 < done <= total for done, total, _ in pieces)
    assert any("kept in evaluation-" in line for line in lines)


def test_the_bars_of_a_command_are_bars() -> None:
    voice = Voice()
    assert isinstance(voice, Bars) and bars(voice) is voice
    with bars(None).bar("nothing") as tick:
        tick(1, 2)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"measures": "likelyhood"}, "did you mean 'likelihood'"),
        ({"measures": []}, "expected one or more of"),
        ({"overrides": {"model.width": 3}}, "belongs to the training"),
        ({"overrides": {"samples": 3}}, "no key named 'samples'; did you mean .*'evaluate.samples'"),
        ({"measures": "disentanglement"}, "factors are needed, and digits has none"),
        ({"measures": "quality", "overrides": {"evaluate.features": "nowhere.pt"}}, "no network at nowhere.pt"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], line: str, folder: Path) -> None:
    with pytest.raises(HvaeError, match=line):
        hvae.evaluate(folder, **arguments)
    assert not (folder / "evaluation.json").exists()


def test_a_file_that_names_code_needs_a_word(folder: Path) -> None:
    config = hvae.load(folder).config.override(
        {"evaluate.features": "torch.nn:Flatten", "evaluate.measures": "quality"}
    )
    run = hvae.load(folder)
    named = type(run)(run.model, config, run.description, run.folder)
    with pytest.raises(HvaeError, match="--trust torch"):
        hvae.evaluate(named, overrides={"train.accelerator": "cpu"})


def spoilt(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "activity": {**record["activity"], "levels": 3}}


@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_numbers_are_never_written_over(seed: int, folder: Path) -> None:
    """Of the same settings they are refused, of others set aside as they are."""
    path = folder / "evaluation.json"
    hvae.evaluate(folder, measures=["activity", "reconstruction"], overrides=FEW)
    path.write_text(json.dumps(spoilt(json.loads(path.read_text()))))
    before, overrides = path.read_text(), {**FEW, "evaluate.seed": seed}
    if seed:
        hvae.evaluate(folder, measures="maps", overrides=overrides)
        assert [aside.read_text() for aside in folder.glob("evaluation-*.json")] == [before]
        return
    with pytest.raises(HvaeError, match=r"evaluation.json is damaged \(activity.levels: expected an object.*delete it"):
        hvae.evaluate(folder, measures="maps", overrides=overrides)
    assert path.read_text() == before
