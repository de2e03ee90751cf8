"""A disk that is full from before the first save to the end of a run."""

from __future__ import annotations

import csv
import errno
import os
import signal
from pathlib import Path

import pytest
from toy_training import Data, settings, toy

from hvae.errors import HvaeError
from hvae.objectives import ELBO
from hvae.training import fit
from hvae.weights import load_weights


@pytest.mark.parametrize("reason", ["steps", "interrupt"])
def test_on_a_disk_that_is_full_from_the_start_on_the_trained_weights_take_the_place_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """A disk of which others have taken all but the files that the start had written."""
    files, room = [tmp_path / "run" / name for name in ("last.ckpt", "model.safetensors", "metrics.csv")], [10**9]

    def rooms(source: object, target: Path) -> None:
        others = sum(file.stat().st_size for file in files if file.is_file())
        if others + os.stat(str(source)).st_size > room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.rename(str(source), target)

    def fill(step: int, terms: object) -> None:
        if step == 1:
            room[0] = sum(file.stat().st_size for file in files)
        if step == 30 and reason == "interrupt":
            os.kill(os.getpid(), signal.SIGTERM)  # SIGINT is ignored where tests run in the background

    monkeypatch.setattr("hvae.files.os.replace", rooms)
    model = toy()
    with pytest.raises(HvaeError, match=r"could not write .*last\.ckpt: No space left .*weights of step \d+ are saved"):
        fit(model, ELBO(), Data(), settings(save_every=10, log_every=1), tmp_path / "run", on_step=fill)
    _, description = load_weights(tmp_path / "run" / "model.safetensors")
    assert description["step"] in ((40,) if reason == "steps" else (30, 31))
    assert not (tmp_path / "run" / "last.ckpt").exists()  # nothing of the start to go on from by mistake


def test_rows_that_wait_are_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise HvaeError(f"could not write {path}: No space left on device")

    def fill(step: int, terms: object) -> None:
        if step == 3:
            monkeypatch.setattr("hvae.training.rows.write_text", full)
            (tmp_path / "metrics.csv").unlink()
        if step == 30:
            monkeypatch.undo()

    result = fit(toy(), ELBO(), Data(), settings(log_every=1), tmp_path, on_step=fill)
    assert [note.split(":")[0] for note in result.notes] == ["rows from step 3 on wait in memory"]
    with open(tmp_path / "metrics.csv", newline="") as f:
        assert [int(row["step"]) for row in csv.DictReader(f)] == list(range(1, 41))
