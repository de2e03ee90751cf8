"""A model that is told few classes, from training to the error of what it guesses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvae.config.condition import ConditionConfig
from hvae.config.data import DataConfig
from hvae.config.model import LadderConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.run import RunConfig
from hvae.errors import HvaeError
from hvae.study.sizing import settled
from hvae.zoo import build

Command = Callable[..., Any]
M2 = (
    *("--model.family", "vae", "--model.widths", "32", "--model.latent", "4", "--model.condition.kind", "class"),
    *("--model.condition.classifier", "32", "--objective.kind", "m2", "--data.labels", "100", "--data.labelled", "0.3"),
    *("--train.steps", "300", "--train.batch", "64", "--train.lr", "0.005", "--train.accelerator", "cpu"),
    *("--evaluate.samples", "2", "--objective.free_bits.nats", "0", "--objective.warmup.length", "0"),
)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.cli.conftest import hvae

    folder = tmp_path_factory.mktemp("few") / "run"
    said = hvae("train", "digits", "--out", folder, *M2)
    assert said.code == 0, said.err
    return folder


def test_the_error_of_the_guess_is_measured(few: Path, command: Command) -> None:
    said = command("evaluate", few, "--evaluate.measures", "labels", "--json")
    assert said.code == 0, said.err
    found = said.json["labels"]
    assert found["data"] > 100 and found["error"]["mean"] < 0.35 and 0.85 < found["blind"] < 0.92
    assert found["error"]["low95"] < found["error"]["mean"] < found["error"]["high95"]
    shown = command("evaluate", few)
    assert shown.code == 0 and "classification error" in shown.out, shown.err


def test_a_family_that_guesses_no_class_says_so() -> None:
    guess = ConditionConfig(kind="class", classes=3, classifier=(8,))
    with pytest.raises(HvaeError, match="guesses no class; choose one of vae"):
        build(NVAEConfig(condition=guess, likelihood="dmol"), (3, 32, 32), 8)


def test_it_is_a_conditional_model_like_any_other(few: Path, tmp_path: Path, command: Command) -> None:
    for context in ((), ("--context", "label=7")):
        said = command("sample", few, "-n", 4, "--out", tmp_path / f"s{len(context)}.png", *context)
        assert said.code == 0, said.err
    said = command("score", few, "--data", "test", "-n", 30, "-o", tmp_path / "scores.csv")
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--objective.kind", "elbo"), "learns by objective.kind m2"),
        (("--model.condition.classifier", ""), "set model.condition.kind class and model.condition.classifier"),
        (("--model.condition.drop", "0.1"), "drop to 0"),
        (("--model.condition.kind", "vector"), "condition"),
        (("--data.labels", "33"), "multiple of 10"),
        (("--objective.beta", "2"), "set objective.beta 1"),
        (("--objective.alpha", "-1"), "objective.alpha"),
        (("--data.name", "jsb"), "sequences"),
    ],
)
def test_what_does_not_fit_is_one_line(words: tuple[str, ...], line: str, tmp_path: Path, command: Command) -> None:
    said = command("train", "digits", "--out", tmp_path / "run", *M2, *words)
    assert said.code == 2 and line in said.err and not (tmp_path / "run").exists(), said.err
    assert said.err.strip().count("\n") == 0


def test_labels_that_are_all_unknown_are_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((20, 4, 4), np.uint8), labels=np.full(20, -1))
    condition = ConditionConfig(kind="class", drop=0.1)
    data = DataConfig(name="npy", path=str(tmp_path / "a.npz"))
    with pytest.raises(HvaeError, match=r"needs labels, and all of .* are unknown"):
        settled(RunConfig(model=LadderConfig(condition=condition), data=data))
