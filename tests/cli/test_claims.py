"""Two commands on one run folder: the second is refused before it writes, and a claim left behind blocks nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvae.runs import MEASURING, TRAINING, claiming

Command = Callable[..., Any]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "copy")


def test_a_new_run_is_refused_where_one_begins(tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "run"
    with claiming(folder, TRAINING):
        before = contents(folder)
        said = command("train", "digits", "--out", folder)
        assert (said.code, said.out) == (2, "") and "is claimed for training by process" in said.err
        assert said.err.count("\n") == 1 and contents(folder) == before


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("train", "--resume", "--train.steps=9"), TRAINING),
        (("evaluate", "--evaluate.limit=5"), MEASURING),
        (("report", "--evaluate.limit=5"), MEASURING),
    ],
)
def test_a_folder_in_use_stays_as_it_is(copy: Path, command: Command, words: tuple[str, ...], what: str) -> None:
    with claiming(copy, what):
        before = contents(copy)
        said = command(words[0], copy, *words[1:])
        assert said.code == 2 and f"is claimed for {what} by process" in said.err
        assert contents(copy) == before


def test_a_run_may_be_measured_and_sampled_while_it_trains(copy: Path, command: Command) -> None:
    with claiming(copy, TRAINING):
        assert command("evaluate", copy, "--evaluate.limit=5").code == 0
        assert command("sample", copy, "-n", "2").code == 0


def test_the_rest_of_a_killed_start_blocks_nothing(tmp_path: Path, command: Command) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".training.claim").write_text("")
    said = command("train", "digits", "--out", tmp_path / "run", "--model.latents=nothing")
    assert "model.latents" in said.err and "already exists" not in said.err
    (tmp_path / "run" / "thesis.txt").touch()
    said = command("train", "digits", "--out", tmp_path / "run")
    assert said.code == 2 and "already exists" in said.err
