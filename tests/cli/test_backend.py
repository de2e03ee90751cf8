"""--backend: another runtime computes, the results say so, and torch's numbers are the same to rounding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvae.deploy.backend import BACKENDS

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for library in BACKENDS["onnxruntime"].needs:
        pytest.importorskip(library)


def test_samples(run: Path, tmp_path: Path, command: Command) -> None:
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
def test_bad_words_are_one_line(run: Path, tmp_path: Path, command: Command, words: tuple[str, ...], line: str) -> None:
    said = command("sample", run, "-n", 1, "-o", tmp_path / "a.npy", *words)
    assert said.code == 2 and line in said.err and not (tmp_path / "a.npy").exists()
