"""Conditions of sequences behind the commands: trained from labels, sampled, guided, scored, coded; what is refused."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hvae
from hvae.errors import HvaeError

Command = Callable[..., Any]
KEYS = 6


def rolls(file: Path, labels: bool = True) -> Path:
    """Three classes of short rolls, each of its own keys."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 96), ("valid", 30), ("test", 30)):
        kinds = np.arange(count) % 3
        keys = np.stack([np.arange(KEYS) // 2 == kind for kind in kinds])
        x = keys[:, None, :] & (random.random((count, 5, KEYS)) < 0.8)
        arrays |= {split: x.reshape(-1, KEYS).astype(np.uint8), f"{split}_len": np.full(count, 5)}
        arrays |= {f"{split}_labels": kinds} if labels else {}
    np.savez(file, **arrays)
    return file


def trained(folder: Path, data: Path, **keys: Any) -> Path:
    model = {"model.family": "vrnn", "model.latent": 2, "model.state": 8, "model.width": 8}
    short = {"train.steps": 60, "train.batch": 16, "train.lr": 2e-2, "train.accelerator": "cpu", "train.warmup": 5}
    free = {"objective.free_bits.nats": 0, "objective.warmup.length": 0, "train.valid_every": 60, "train.ema": 0.5}
    measured = {"evaluate.measures": "likelihood", "evaluate.samples": 2}
    condition = {"model.condition.kind": "class", "model.condition.drop": 0.2}
    data_keys = {"data.name": "sequences", "data.path": str(data)}
    hvae.train(
        "jsb-vrnn", out=folder, overrides={**model, **short, **free, **measured, **condition, **data_keys, **keys}
    )
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rolls(tmp_path_factory.mktemp("data") / "rolls.npz")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    return trained(tmp_path_factory.mktemp("told") / "run", data)


def drawn(command: Command, run: Path, out: Path, *words: object) -> np.ndarray[Any, Any]:
    said = command("sample", run, "-n", 20, "--seed", 1, "-o", out, *words)
    assert said.code == 0, said.err
    with np.load(out) as file:
        values: np.ndarray[Any, Any] = file["samples"].reshape(20, -1, KEYS)
    return values


def refused(command: Command, line: str, *words: object) -> None:
    said = command(*words)
    assert said.code == 2 and said.err.count("\n") == 1 and line in said.err, said.err


def test_samples_follow_their_class_and_guidance(told: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "some.npz"
    shares = []
    for words in (
        ("--context", "label=0"),
        ("--context", "label=2"),
        ("--context", "label=2", "--guidance", "z=3"),
        (),
    ):
        values = drawn(command, told, out, *words)
        shares.append((values[..., :2].mean(), values[..., 4:].mean()))
    assert shares[0][0] > 2 * shares[0][1] and shares[1][1] > 2 * shares[1][0] and shares[2][1] > 2 * shares[2][0]
    guided = command("sample", told, "--json", "-o", out, "--context", "label=2", "--guidance", "z=3")
    assert json.loads(guided.out)["guidance"] == {"z": 3.0}


def test_a_beginning_goes_on_under_guidance(told: Path, tmp_path: Path, command: Command) -> None:
    np.savez(tmp_path / "begun.npz", train=np.ones((3, KEYS), np.uint8))
    words = ("--continue", tmp_path / "begun.npz", "--context", "label=1", "--guidance", 2)
    assert (drawn(command, told, tmp_path / "on.npz", *words)[:, :3] == 1).all()


def test_what_cannot_be_asked_is_one_line(told: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "none.npz"
    for line, words in (
        ("expected a class from 0 to 2 (-1: unknown), got 3", ("--context", "label=3")),
        ("name no classes, got 'cat'", ("--context", "label=cat")),
        ("no condition named 'text'", ("--context", "text=cat")),
        ("expected a context with a known label", ("--guidance", 2)),
        ("expected a weight from 0 to 100 for z, got -1", ("--guidance", -1, "--context", "label=1")),
        ("no level named 'z9'", ("--guidance", "z9=2", "--context", "label=1")),
    ):
        refused(command, line, "sample", told, "-o", out, *words)
    assert not out.exists()


def test_it_is_measured(told: Path, command: Command) -> None:
    said = command("evaluate", told, "--evaluate.measures", "condition,fivo,free-run", "--json")
    assert said.code == 0, said.err
    results = json.loads((told / "evaluation.json").read_text())
    condition = results["condition"]
    assert condition["right"] > 0.6 and "logistic on values of eighths" in condition["judge"]
    assert condition["information_nats"] > 0.1 and condition["entropy_nats"] == pytest.approx(np.log(3))
    assert results["fivo"]["data"] == 30 and "free_run" in results


def test_the_label_of_data_lowers_what_they_cost(told: Path, data: Path, tmp_path: Path, command: Command) -> None:
    means = []
    for words in ((), ("--context", "label=-1"), ("--context", "label=0")):
        said = command("score", told, "--data", data, "--out", tmp_path / "scores.csv", "--json", *words)
        assert said.code == 0, said.err
        rows = np.genfromtxt(tmp_path / "scores.csv", delimiter=",", names=True, dtype=None, encoding=None)
        name = next(one for one in rows.dtype.names if "nats" in one)
        means.append(float(np.mean(rows[name])))
    assert means[0] < means[1] < means[2]


def test_sequences_are_coded_under_their_context(told: Path, data: Path, tmp_path: Path, command: Command) -> None:
    file, back = tmp_path / "x.hvz", tmp_path / "x.npz"
    words = ("--context", "label=1")
    assert command("compress", told, data, file, *words).code == 0
    said = command("decompress", file, back, *words)
    assert said.code == 0, said.err
    with np.load(data) as before, np.load(back) as after:
        whole = np.concatenate([before[split] for split in ("train", "valid", "test")])
        assert np.array_equal(whole, after["samples"])


def test_latents_go_to_files_and_back_under_a_context(told: Path, tmp_path: Path, command: Command) -> None:
    latents, out = tmp_path / "z.npz", tmp_path / "x.npz"
    assert command("encode", told, "--data", "test", "-n", 4, "--out", latents).code == 0
    said = command("decode", told, latents, "--out", out)
    assert said.code == 0, said.err
    said = command("interpolate", told, "--data", "test", "--pairs", 1, "--steps", 3, "--out", out)
    assert said.code == 0, said.err


def test_it_is_reported_and_exported(told: Path, tmp_path: Path, command: Command) -> None:
    said = command("report", told)
    assert said.code == 0, said.err
    said = command("export", told, tmp_path / "x.onnx")
    assert said.code in (0, 2) and said.err.count("\n") == said.code // 2, said.err


def test_what_cannot_be_trained_is_one_line(data: Path, tmp_path: Path) -> None:
    bare, guesses = rolls(tmp_path / "bare.npz", labels=False), {"objective.kind": "m2"}
    for line, keys in (
        ("class needs labels, and sequences:bare.npz has none", {"data.path": str(bare)}),
        ("text needs captions, and sequences:rolls.npz has none", {"model.condition.kind": "text"}),
        ("vector needs numbers beside each datum", {"model.condition.kind": "vector"}),
        ("no level named 'z2'", {"model.condition.levels": "z2"}),
        ("this family guesses no class", {"model.condition.classifier": "8", "model.condition.drop": 0, **guesses}),
    ):
        with pytest.raises(HvaeError, match=line) as fault:
            trained(tmp_path / "none", data, **keys)
        assert "\n" not in str(fault.value) and not (tmp_path / "none").exists()


def test_particles_train_it(data: Path, tmp_path: Path) -> None:
    keys = {"objective.kind": "fivo", "objective.samples": 3, "train.steps": 2, "model.family": "vrnn"}
    assert (trained(tmp_path / "run", data, **keys) / "evaluation.json").exists()


def test_sounds_in_folders_and_numbers_beside_them(tmp_path: Path, command: Command) -> None:
    for k, name in enumerate(("low", "high")):
        (tmp_path / "sounds" / name).mkdir(parents=True)
        for take in range(12):
            with wave.open(str(tmp_path / "sounds" / name / f"{take}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes((9000 * np.sin(0.1 * (1 + 4 * k) * np.arange(80 + take))).astype("<i2").tobytes())
    table = tmp_path / "numbers.csv"
    table.write_text("file,pitch\n" + "".join(f"{n}/{t}.wav,{t}\n" for n in ("low", "high") for t in range(12)))
    keys = {"data.frame": 8, "data.bits": 8, "model.likelihood": "logistic", "train.steps": 3}
    run = trained(tmp_path / "class", tmp_path / "sounds", **keys)
    said = command("sample", run, "-o", tmp_path / "x.wav", "--context", "label=low")
    assert said.code == 0, said.err
    refused(command, "no class named 'mid'", "sample", run, "-o", tmp_path / "no.wav", "--context", "label=mid")
    vector = {"model.condition.kind": "vector", "data.attributes": str(table)}
    run = trained(tmp_path / "vector", tmp_path / "sounds", **keys, **vector)
    said = command("sample", run, "-o", tmp_path / "y.wav", "--context", "attributes=3.5")
    assert said.code == 0, said.err
