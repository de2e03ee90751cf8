"""hvae evaluate with the Inception: its file is read, refused where it is another, and named in the numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics.inception_network import InceptionV3
from hvae.study import Evaluation
from hvae.study.network import _weights

Command = Callable[..., Any]
WISH = ("--evaluate.measures", "quality", "--evaluate.limit", 150, "--evaluate.generated", 140, "--evaluate.features")


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "copy")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole file of weights, all of them zero."""
    with torch.device("meta"):
        state = InceptionV3().state_dict()
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save({name: torch.zeros_like(t, device="cpu") for name, t in state.items()}, path)
    return path


def test_the_real_network_wants_more_pictures_than_features(file: Path, copy: Path, command: Command) -> None:
    said = command("evaluate", copy, *WISH, file)
    assert said.code == 2 and said.err.count("\n") == 1
    assert "expected 2,049 pictures or more on both sides, since the covariance of 2,048 features" in said.err


def test_the_numbers_name_the_network(
    file: Path, copy: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def patches(self: InceptionV3, x: Tensor) -> Tensor:
        assert x.shape[1:] == (3, 299, 299)
        return x[:, 0, 30::80, 30::80].flatten(1)  # (B, 16)

    monkeypatch.setattr(InceptionV3, "forward", patches)
    monkeypatch.setattr(InceptionV3, "classify", lambda self, features: features[:, :5].softmax(1))
    said = command("evaluate", copy, *WISH, file)
    assert said.code == 0, said.err
    record = json.loads((copy / "evaluation.json").read_text())
    found = record["quality"]
    assert (
        found["extractor"] == f"Inception of 2015-12-05 (inception.pth, sha256 {found['sha256'][:12]}), 2048 features"
    )
    assert len(found["sha256"]) == 64 and found["resizing"] == "bilinear without antialiasing to 299x299"
    assert "not comparable" not in found["note"] and "published numbers use 50,000 samples" in found["note"]
    assert 1 <= found["inception_score"]["mean"] <= 5 and found["inception_score"]["classifier"] == found["extractor"]
    text = " ".join(said.out.split())
    assert "140 samples" in text and "by the same network and samples" in text and "not the Inception" not in text
    few = {**found, "inception_score": None, "no_inception_score": "expected 10,080 pictures"}
    assert ("inception score", "not measured", "expected 10,080 pictures") in list(
        Evaluation.from_dict({**record, "quality": few}).headlines()
    )


def test_both_kinds_of_files_are_read(tmp_path: Path) -> None:
    weights = {"fc.bias": torch.arange(3.0)}
    torch.save(weights, tmp_path / "a.pth")
    save_file(weights, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        found = _weights(tmp_path / name)
        assert list(found) == ["fc.bias"] and torch.equal(found["fc.bias"], weights["fc.bias"])


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.pth", None, "no weights of the Inception at"),
        ("a.safetensors", None, "no weights of the Inception at"),
        ("a.pth", b"<html>", "found a web page"),
        ("a.pth", {"epoch": 3}, "expected the weights of the Inception alone, found a dict of epoch"),
        ("a.pth", {"fc.bias": torch.zeros(1008)}, "found 471 missing"),
        ("a.pth", {"fc.bias": print}, "which would run when it is loaded"),
        ("a.safetensors", b"\0" * 40, "is damaged or no safetensors file"),
        ("a.pht", None, "no network named '"),
        ("clasifier", None, "evaluate.features: no network named 'clasifier'; did you mean 'classifier'?"),
    ],
)
def test_other_files_are_refused(
    name: str, content: Any, line: str, copy: Path, command: Command, tmp_path: Path
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        torch.save(content, path)
    said = command("evaluate", copy, *WISH, path if "." in name else name)
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1


def test_a_file_cut_short_is_refused(file: Path, tmp_path: Path) -> None:
    with open(file, "rb") as f:
        start = f.read(100_000)
    (tmp_path / "cut.pth").write_bytes(start)
    with pytest.raises(HvaeError, match="damaged or cut short"):
        _weights(tmp_path / "cut.pth")
