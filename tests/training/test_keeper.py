"""A run may hand over the weights of its best validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from toy_training import toy, train

from hvae.training.keeper import Best
from hvae.weights import load_weights

# A learning rate far too high makes validations jump up and down.
ROUGH: dict[str, Any] = {
    "steps": 60,
    "valid_every": 5,
    "lr": 0.3,
    "schedule": "constant",
    "ema": 0.0,
    "skip_factor": 0.0,
}


def validations(folder: Path) -> dict[int, float]:
    header, *rows = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    step, elbo = header.index("step"), header.index("valid/elbo")
    return {int(row[step]): float(row[elbo]) for row in rows if row[elbo]}


def test_the_best_validation_is_handed_over(tmp_path: Path) -> None:
    model = toy()
    result = train(tmp_path / "run", model=model, keep="best", **ROUGH)
    seen = validations(tmp_path / "run")
    best = max(seen, key=lambda step: seen[step])
    assert best < result.step, "the test needs a run that gets worse"
    weights, description = load_weights(tmp_path / "run" / "model.safetensors")
    assert description["step"] == best
    assert all(torch.equal(weights[name], t) for name, t in model.state_dict().items())


def test_the_last_weights_are_the_default(tmp_path: Path) -> None:
    train(tmp_path / "run", **ROUGH)
    assert load_weights(tmp_path / "run" / "model.safetensors")[1]["step"] == ROUGH["steps"]


def test_what_is_not_a_number_is_never_the_best() -> None:
    layer = torch.nn.Linear(1, 1)
    best = Best(used=True)
    assert not best.offer(float("nan"), 1, layer)
    assert torch.equal(best.weights(layer)["weight"], layer.weight)
