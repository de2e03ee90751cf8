"""--backend: another runtime computes, the results say so, and torch's numbers are the same to rounding."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvae.deploy.backend import BACKENDS
from hvae.deploy.formats import PT2
from hvae.study import Evaluation

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs that torch runs, which are quickly converted, in place of those of onnxruntime."""
    monkeypatch.setitem(BACKENDS, "onnxruntime", PT2())


def test_samples(run: Path, tmp_path: Path, command: Command) -> None:
    for library in BACKENDS["onnxruntime"].needs:
        pytest.importorskip(library)
    words = ("sample", run, "-n", 5, "--seed", 1, "--json", "-o")
    plain = command(*words, tmp_path / "torch.npy")
    other = command(*words, tmp_path / "other.npy", "--backend", "onnxruntime")
    assert other.json["backend"]["name"] == "onnxruntime" and "backend" not in plain.json
    assert np.allclose(np.load(tmp_path / "torch.npy"), np.load(tmp_path / "other.npy"), atol=1e-5)
    assert not list(run.rglob("*.onnx")), "graphs are the user's, and no part of a run"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--backend", "tensorrt"), "no back end named 'tensorrt'"),
        (("--backend", "onnxruntime", "--pixels"), "drawn pixels"),
        (("--backend", "onnxruntime", "--cells.z2", "1", "--cells.z1", "2"), "nor --backend"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_bad_words_are_one_line(run: Path, tmp_path: Path, command: Command, words: tuple[str, ...], line: str) -> None:
    said = command("sample", run, "-n", 1, "-o", tmp_path / "a.npy", *words)
    assert said.code == 2 and line in said.err and not (tmp_path / "a.npy").exists()


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(run, tmp_path / "copy")
    (folder / "evaluation.json").unlink()
    return folder


FEW = ("--evaluate.limit", 40, "--evaluate.samples", 2, "--evaluate.batch", 10, "--evaluate.measures", "likelihood")


@pytest.mark.usefixtures("quick")
def test_evaluations_say_who_computed_and_keep_each_others_numbers(copy: Path, command: Command) -> None:
    plain = command("evaluate", copy, *FEW, "--json").json
    other = command("evaluate", copy, *FEW, "--json", "--backend", "onnxruntime").json
    record = json.loads((copy / "evaluation.json").read_text())
    assert record["backend"] == other["backend"] and other["backend"]["name"] == "onnxruntime"
    assert "backend" not in plain and plain["settings"] != other["settings"]
    one, two = (numbers["likelihood"]["negative_elbo_nats"]["mean"] for numbers in (plain, other))
    assert one == pytest.approx(two, rel=1e-4)
    assert Evaluation.read(copy / "evaluation.json").to_dict() == record


@pytest.mark.usefixtures("quick")
def test_scores(run: Path, tmp_path: Path, command: Command) -> None:
    words = ("score", run, "--data", "test", "-n", 20, "--normal", 40, "--json", "--out")
    plain = command(*words, tmp_path / "a.csv").json
    other = command(*words, tmp_path / "b.csv", "--backend", "onnxruntime").json
    assert other["backend"]["name"] == "onnxruntime" and "backend" not in plain
    assert other["threshold"] == pytest.approx(plain["threshold"], rel=1e-3)
    assert other["foreign"] == plain["foreign"]


@pytest.mark.usefixtures("quick")
def test_features(run: Path, tmp_path: Path, command: Command) -> None:
    words = ("features", run, "--data", "test", "-n", 20, "--json", "--out")
    plain = command(*words, tmp_path / "a.npz").json
    other = command(*words, tmp_path / "b.npz", "--backend", "onnxruntime").json
    assert other["backend"]["name"] == "onnxruntime" and "backend" not in plain
    with np.load(tmp_path / "a.npz") as one, np.load(tmp_path / "b.npz") as two:
        assert np.allclose(one["features"], two["features"], atol=1e-4)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("score", "--data", "a.png", "--tile"), "--backend is not for --tile"),
        (("evaluate", "--on", "a.npz"), "--backend is not for --on"),
    ],
)
def test_what_has_no_back_end_says_so(run: Path, command: Command, words: tuple[str, ...], line: str) -> None:
    said = command(words[0], run, *words[1:], "--backend", "onnxruntime")
    assert said.code == 2 and line in said.err
