"""The views of the studio that push, restore and watch."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvae.errors import HvaeError
from hvae.records import new_rows
from hvae.studio.asked import TrainingAsked
from hvae.studio.shown import Shown
from hvae.studio.views.training import training

Ask = Callable[..., Any]


def bits(hidden: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(np.packbits(hidden).tobytes()).decode()


def test_a_picture_that_is_not_pushed_is_the_middle_of_every_strip(ask: Ask) -> None:
    own = ask("own", place=0).info["picture"]
    reply = ask("traverse", picture=own, level="z1", strips=True)
    strips = reply.pictures["strips"]
    assert strips.shape[:2] == (6, 7)
    assert all(np.abs(row[3].astype(int) - reply.pictures["picture"][0]).max() <= 1 for row in strips)
    pushed = ask("traverse", picture=own, level="z1", push=[0.0, 3.0]).pictures["picture"][0]
    assert np.abs(pushed.astype(int) - strips[1, 6]).max() <= 1
    assert ask("traverse", picture=own, level="z9").status == 400
    assert ask("traverse", picture=own, level="z1", push=[1e9]).status == 400


@pytest.mark.parametrize("way", ["gibbs", "metropolis", "refine"])
def test_what_is_seen_stays_as_it_is(ask: Ask, way: str) -> None:
    own = ask("own", place=1)
    hidden = np.zeros((8, 8), bool)
    hidden[4:] = True
    reply = ask("restore", picture=own.info["picture"], hidden=bits(hidden), way=way, draws=3, sweeps=2, steps=2)
    draws = reply.pictures["draws"]
    assert len(draws) == 3 and reply.info["hidden"] == 32
    assert np.array_equal(draws[:, :4], np.repeat(own.pictures["picture"][:, :4], 3, 0))
    assert len({one.tobytes() for one in draws}) > 1


@pytest.mark.parametrize("hidden", [bits(np.zeros((8, 8), bool)), bits(np.ones((8, 8), bool)), "AA==", "%"])
def test_a_mask_that_leaves_nothing_to_do_is_a_line(ask: Ask, hidden: str) -> None:
    reply = ask("restore", picture=ask("own", place=1).info["picture"], hidden=hidden)
    assert reply.status == 400 and reply.info["error"]


def test_a_page_gets_new_rows_only(ask: Ask) -> None:
    first = ask("training").info
    assert first["begins"] and len(first["columns"]["step"]) > 0 and first["step"] == 6
    again = ask("training", at=first["at"], head=first["head"]).info
    assert not again["begins"] and again["columns"] == {}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n1,2.5\n2,2\n")
    return path


def test_rows_that_are_added_are_read_once(table: Path) -> None:
    first = new_rows(table)
    with table.open("a") as file:
        file.write("3,1.5\n4,1")
    second = new_rows(table, first.at, first.head)
    assert [row["step"] for row in first.rows] == [1, 2] and [row["step"] for row in second.rows] == [3]
    with table.open("a") as file:
        file.write(".25\n")
    assert new_rows(table, second.at, second.head).rows == [{"step": 4, "loss": 1.25}]


@pytest.mark.parametrize("text", ["step,loss,elbo\n1,2,3\n2,2,2\n3,3,3\n", "step,loss\n1,2\n", "step,loss\n", ""])
def test_another_table_is_read_from_its_start(table: Path, text: str) -> None:
    first = new_rows(table)
    table.write_text(text)
    assert len(new_rows(table, first.at, first.head).rows) == max(0, text.count("\n") - 1)


@pytest.mark.parametrize("at", [1, 3, 12, 10**9])
def test_a_byte_within_a_row_is_no_place_to_begin(table: Path, at: int) -> None:
    assert len(new_rows(table, at, new_rows(table).head).rows) == 2


@pytest.fixture
def young(tmp_path: Path, runs: tuple[Path, Path]) -> Iterator[Path]:
    """A folder with rows of training and no weights yet."""
    folder = tmp_path / "young"
    folder.mkdir()
    shutil.copy(runs[0] / "metrics.csv", folder)
    yield folder


def test_a_run_in_training_is_watched_until_it_has_weights(young: Path, runs: tuple[Path, Path]) -> None:
    shown = Shown(0, young)
    assert shown.about()["trained"] is False
    with pytest.raises(HvaeError, match="no weights yet"):
        _ = shown.opened
    assert training(shown, TrainingAsked()).info["trained"] is False
    shutil.copy(runs[0] / "model.safetensors", young)
    assert training(shown, TrainingAsked()).info["step"] == 6
    assert shown.opened.grid.names == ("z2", "z1")


def test_a_run_that_vanishes_is_drawn_on_and_its_rows_are_missed_in_a_line(
    tmp_path: Path, runs: tuple[Path, Path]
) -> None:
    folder = Path(shutil.copytree(runs[0], tmp_path / "gone"))
    shown = Shown(0, folder)
    shutil.rmtree(folder)
    with pytest.raises(HvaeError, match="the run has gone"):
        training(shown, TrainingAsked())
    shown.refresh()
    assert shown.opened.grid.draw({"z2": [1], "z1": [1]}).shape == (1, 1, 8, 8)


def test_weights_that_are_damaged_leave_the_run_as_it_was(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    folder = Path(shutil.copytree(runs[0], tmp_path / "hurt"))
    shown = Shown(0, folder)
    (folder / "model.safetensors").write_bytes(b"nothing")
    shown.refresh()
    assert shown.opened.run.step == 6


def test_rows_without_numbers_and_dead_levels_are_noticed(young: Path) -> None:
    text = "step,loss,skipped,valid/used/z2,valid/used/z1\n1,2,0,,\n2,nan,3,0.001,0.5\n"
    (young / "metrics.csv").write_text(text)
    info = training(Shown(0, young), TrainingAsked()).info
    assert info["columns"]["loss"] == [2, None]
    said = " ".join(info["notices"])
    assert "loss is not finite at step 2" in said and "3 skipped steps" in said
    assert "collapsed so far: z2," in said


@pytest.mark.parametrize("content", [b"step\nx\n", b"loss\n1\n", b"step,loss\n1,2,3\n", b"\xff\n", b"step\n-1\n"])
def test_a_damaged_table_is_a_line(young: Path, content: bytes) -> None:
    (young / "metrics.csv").write_bytes(content)
    with pytest.raises(HvaeError, match="damaged or cannot be read"):
        training(Shown(0, young), TrainingAsked())
