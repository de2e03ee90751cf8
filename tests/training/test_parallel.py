"""Two processes are one process that accumulates twice."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from processes import finished
from toy_training import toy, train

from hvae.weights import load_weights

PROGRAM = Path(__file__).with_name("toy_training.py")


def columns(folder: Path) -> dict[str, list[float]]:
    with open(folder / "metrics.csv", newline="") as f:
        table = list(csv.DictReader(f))
    return {name: [float(row[name]) for row in table if row[name]] for name in table[0]}


def test_two_processes_give_the_curve_of_one(tmp_path: Path) -> None:
    changes = {"steps": 60, "batch": 8, "valid_every": 20}
    alone = toy()
    train(tmp_path / "one", model=alone, accumulate=2, **changes)
    together = json.dumps({**changes, "devices": 2})
    run = finished(PROGRAM, tmp_path / "two", together)
    assert run.returncode == 0, run.stderr
    one, two = columns(tmp_path / "one"), columns(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one.keys() - {"seconds"}:
        assert two[name] == pytest.approx(one[name], rel=1e-4, abs=1e-5), name
    weights, description = load_weights(tmp_path / "two" / "model.safetensors")
    assert description["step"] == 60
    assert all(torch.allclose(weights[name], w, atol=1e-5) for name, w in alone.state_dict().items())
