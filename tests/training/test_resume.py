"""A run killed at any moment, and resumed, is the run that was never killed."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import torch
from processes import started
from toy_training import toy, train

PROGRAM = Path(__file__).with_name("toy_training.py")
CHANGES = {"steps": 600, "save_every": 7, "log_every": 5, "valid_every": 50, "keep": "best"}


def rows(folder: Path) -> list[str]:
    path = folder / "metrics.csv"
    return path.read_text().splitlines() if path.is_file() else []


def killed(folder: Path, *, after: int) -> None:
    """Start or resume the run in a process of its own, and kill it some time after so many new rows."""
    goal = len(rows(folder)) + after
    with started(PROGRAM, folder, json.dumps(CHANGES), "resume") as run:
        while len(rows(folder)) < goal and run.poll() is None:
            time.sleep(0.002)
        time.sleep(random.random() * 0.1)
        run.send_signal(signal.SIGKILL)
        _, said = run.communicate()
    assert run.returncode == -signal.SIGKILL, said


def untimed(folder: Path) -> list[list[str]]:
    header, *table = [line.split(",") for line in rows(folder)]
    when = header.index("seconds")
    return [header, *([cell for i, cell in enumerate(row) if i != when] for row in table)]


def test_killed_twice_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, parts = toy(), toy()
    train(tmp_path / "whole", model=whole, **CHANGES)
    random.seed()
    for _ in range(2):
        killed(tmp_path / "parts", after=random.randint(3, 30))
    result = train(tmp_path / "parts", model=parts, resume=True, **CHANGES)
    assert len([note for note in result.notes if note.startswith("resumed at step")]) >= 1
    ends = [torch.load(tmp_path / name / "last.ckpt", weights_only=True)["learner"] for name in ("whole", "parts")]
    for kind in ("model", "average"):
        assert all(torch.equal(ends[0][kind][name], ends[1][kind][name]) for name in ends[0][kind])
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True))
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "parts")
    assert not list((tmp_path / "parts").glob(".*.part"))
