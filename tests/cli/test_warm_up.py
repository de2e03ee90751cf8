from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hvae
from hvae.config import RunConfig
from hvae.study.warm_up import last_weights, warm_up_warning

Command = Callable[..., Any]
SMALL = (
    *("--model.family", "lvae", "--model.latents", "4,2", "--model.widths", "16,16", "--model.norm=none"),
    *("--train.steps", 2, "--train.batch=32", "--train.accelerator", "cpu", "--train.valid_size", 20),
    *("--evaluate.samples", 2, "--evaluate.limit", 20),
)


def config(**keys: object) -> RunConfig:
    return hvae.preset("digits", {f"objective.warmup.{k}": str(v) for k, v in keys.items()} | {"train.steps": "300"})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"length": 5000}, "ends with rates at a weight of 0.06"),
        ({"length": 100, "start": 250}, "ends with rates at a weight of 0.5"),
        ({"length": "z1=600"}, "ends with the rate of z1 at a weight of 0.5"),
        ({"length": 5000, "shape": "sigmoid"}, "outlasts the training of 300 steps"),
        ({"length": 300}, ""),
        ({"length": 0.9}, ""),
        ({"length": 0.5, "start": 0.9}, "at a weight of 0.2"),
        ({"length": 0}, ""),
    ],
)
def test_a_warm_up_that_outlasts_its_training_is_said(keys: dict[str, object], words: str) -> None:
    made = config(**keys)
    model = hvae.build(made.model, shape=(1, 8, 8), bits=4)
    line = warm_up_warning(made, model)
    assert (words in line) if words else (line == "")
    assert bool(last_weights(made, model, 300)) == bool(words)


def test_it_is_said_before_the_training(tmp_path: Path, command: Command) -> None:
    said = command("train", "digits", "--out", tmp_path / "long", *SMALL, "--objective.warmup.length", 5000)
    assert said.code == 0, said.err
    assert said.err.index("it outlasts the training of") < said.err.index("likelihood")
