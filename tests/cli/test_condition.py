"""Conditions behind the commands: trained from labels, asked by name or number, guided; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import hvae
from hvae.errors import HvaeError

Command = Callable[..., Any]
CLASS = ("--model.condition.kind", "class", "--model.condition.drop", "0.2")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class-conditional run of moments on digits."""
    return trained(tmp_path_factory.mktemp("told") / "run", "class", 0.2)


def trained(folder: Path, kind: str, drop: float, **keys: Any) -> Path:
    small = {"model.family": "lvae", "model.latents": "4,2", "model.widths": "16,16", "model.norm": "none"}
    short = {"train.steps": 4, "train.batch": 16, "train.accelerator": "cpu", "train.valid_size": 20}
    charged = {"objective.free_bits.nats": 0, "objective.warmup.length": 0}
    measured = {"evaluate.measures": "likelihood", "evaluate.samples": 2, "evaluate.limit": 20}
    condition = {"model.condition.kind": kind, "model.condition.drop": drop}
    hvae.train("digits", out=folder, overrides={**small, **short, **charged, **measured, **condition, **keys})
    return folder


def pictures(command: Command, folder: Path, out: Path, *words: object) -> np.ndarray[Any, Any]:
    said = command("sample", folder, "-n", 3, "--seed", 1, "-o", out, *words)
    assert said.code == 0, said.err
    found: np.ndarray[Any, Any] = np.load(out)
    return found


def test_the_number_of_classes_is_that_of_the_data_and_is_kept(told: Path) -> None:
    config = yaml.safe_load((told / "config.yaml").read_text())
    assert config["model"]["condition"] == {
        **{"kind": "class", "levels": ["all"], "how": "film", "drop": 0.2, "classes": 10, "numbers": 0, "width": 64},
        **{"start": 1.0, "enters": "levels", "classifier": [], "layers": 2, "heads": 4},
    }
    model = hvae.load(told).model
    assert str(model.conditions["label"]) == "a class from 0 to 9" and model.conditions["label"].optional


def test_samples_by_number_by_name_without_and_guided(told: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "some.npy"
    seven = pictures(command, told, out, "--context", "label=7")
    assert np.array_equal(seven, pictures(command, told, out, "--context", "label= 7"))
    assert not np.array_equal(seven, pictures(command, told, out))
    assert np.array_equal(seven, pictures(command, told, out, "--context", "label=7", "--guidance", 1))
    by_level = pictures(command, told, out, "--context", "label=7", "--guidance", "z1=3")
    assert not np.array_equal(seven, by_level)
    several = pictures(command, told, out, "--context", "label=7,7,2", "--guidance", 2)
    assert several.shape == (3, 1, 8, 8)
    said = command("sample", told, "-o", out, "--context", "label=7", "--guidance", "z1=3", "--json")
    assert said.json["guidance"] == {"z1": 3.0}


def refused(command: Command, line: str, *words: object) -> None:
    said = command(*words)
    assert said.code == 2 and said.err.count("\n") == 1, said.err
    assert line in said.err


def test_what_cannot_be_asked_is_one_line(told: Path, run: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "none.npy"
    for line, words in {
        "no class named 'seven'": ("--context", "label=seven"),
        "expected a class from 0 to 9 (-1: unknown), got 12": ("--context", "label=12"),
        "no condition named 'lable'; did you mean 'label'": ("--context", "lable=7"),
        "expected a context with a known label": ("--guidance", 2),
        "no level named 'z7'": ("--context", "label=7", "--guidance", "z7=2"),
        "--guidance: expected": ("--context", "label=7", "--guidance", "strong"),
    }.items():
        refused(command, line, "sample", told, "-o", out, *words)
    refused(command, "this model has none", "sample", run, "-o", out, "--guidance", 2)
    assert not out.exists()


def test_a_run_that_never_dropped_its_condition_is_not_guided(tmp_path: Path, command: Command) -> None:
    folder, out = trained(tmp_path / "run", "class", 0.0), tmp_path / "none.npy"
    words = ("sample", folder, "-o", out, "--context", "label=7")
    refused(command, "train it with model.condition.drop above 0", *words, "--guidance", 2)
    refused(command, "this model is conditional: 'label' is a class from 0 to 9", "sample", folder, "-o", out)
    assert command(*words).code == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "expected at least 10, as many as digits has, got 4",
            ("--model.condition.classes", 4),
        ),
        ("model.condition.levels: no level named 'z9'", ("--model.condition.levels", "z9")),
        ("vector needs numbers beside each datum, and digits has none", ("--model.condition.kind", "vector")),
        ("pixelcnn takes no condition", ("--model.family", "pixelcnn", "--model.likelihood", "logistic-pixel")),
        ("model.condition.how: no choice named 'gate'", ("--model.condition.how", "gate")),
        ("model.condition.drop: expected at most 1, got 1.2", ("--model.condition.drop", "1.2")),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    line: str, words: tuple[object, ...], tmp_path: Path, tiny: tuple[str, ...], command: Command
) -> None:
    own = () if "pixelcnn" in words else tiny
    own = (*own, "--objective.free_bits.nats", "0", "--objective.warmup.length", "0")
    refused(command, line, "train", "digits", "--out", tmp_path / "none", *own, *CLASS, *words)
    assert not (tmp_path / "none").exists()


def test_images_without_labels_have_no_class(tmp_path: Path, tiny: tuple[str, ...], command: Command) -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(40, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    data = ("--data.name", "npy", "--data.path", tmp_path / "images.npy")
    words = ("train", "digits", "--out", tmp_path / "none", *tiny, *CLASS, *data)
    refused(command, "class needs labels", *words)


def arrays(folder: Path, labels: np.ndarray[Any, Any]) -> dict[str, Any]:
    images = np.random.default_rng(0).integers(0, 256, size=(len(labels), 8, 8), dtype=np.uint8)
    np.savez(folder / "set.npz", images=images, labels=labels)
    return {"data.name": "npy", "data.path": str(folder / "set.npz"), "model.likelihood": "dmol"}


def test_labels_may_be_missing_where_the_condition_is_optional(tmp_path: Path) -> None:
    keys = arrays(tmp_path, np.where(np.arange(60) % 3, np.arange(60) % 4, -1))
    folder = trained(tmp_path / "run", "class", 0.1, **keys)
    assert hvae.load(folder).config.model.condition.classes == 4
    with pytest.raises(HvaeError, match=r"some labels of npy:set.npz are unknown \(-1\); set model.condition.drop"):
        trained(tmp_path / "none", "class", 0.0, **keys)


def test_a_resumed_run_keeps_its_classes(told: Path, tmp_path: Path, command: Command) -> None:
    said = command("train", told, "--resume", "--train.steps", 5, "--json")
    assert said.code == 0, said.err
    assert json.loads((told / "evaluation.json").read_text())["step"] == 5
    refused(command, "a resumed run keeps it", "train", told, "--resume", "--model.condition.classes", 12)


def test_it_is_planned_and_inspected_without_training(command: Command, tiny: tuple[str, ...]) -> None:
    said = command("train", "digits", "--dry-run", *tiny, *CLASS, "--json")
    assert said.code == 0, said.err
    assert said.json["config"]["model"]["condition"]["classes"] == 10
    said = command("inspect", "digits", *CLASS, "--json")
    assert said.code == 0, said.err
