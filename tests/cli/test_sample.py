"""hvae sample: where a model is drawn from, and how many pictures at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hvae.explore import frame

Command = Callable[..., Any]


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of every walk that makes pictures."""
    seen, walk = [], frame.run

    def counted(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["n"])
        return walk(*args, **kwargs)

    monkeypatch.setattr(frame, "run", counted)
    return seen


def drawn(command: Command, run: Path, out: Path, *words: object) -> np.ndarray[Any, Any]:
    said = command("sample", run, "-n", 5, "--seed", 1, "-o", out, "--json", *words)
    assert said.code == 0, said.err
    found: np.ndarray[Any, Any] = np.load(out)
    assert len(found) == 5
    return found


def test_small_models_are_drawn_from_at_once(run: Path, tmp_path: Path, command: Command, walked: list[int]) -> None:
    drawn(command, run, tmp_path / "some.npy")
    assert walked == [5]


def test_large_models_are_drawn_from_in_parts(
    run: Path, tmp_path: Path, command: Command, walked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hvae.cli.sample.safe_rows", lambda model, x: 2 if x.shape == (1, *model.shape) else 1)
    first = drawn(command, run, tmp_path / "some.npy")
    assert walked == [2, 2, 1]
    # The rows are part of what a seed determines, and so are the same on every machine.
    assert np.array_equal(first, drawn(command, run, tmp_path / "same.npy"))
    monkeypatch.setattr("hvae.cli.sample.safe_rows", lambda model, x: 1024)
    said = command("sample", run, "-n", 65, "-o", tmp_path / "many.npy", "--json")
    assert said.json["rows"] == 64 and walked[-2:] == [64, 1]


def test_the_model_moves_to_the_device_of_the_run(
    run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[Any] = []
    to = torch.nn.Module.to

    def spied(self: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.nn.Module:
        moved.extend(args)
        return to(self, *args, **kwargs)

    def stayed(self: torch.nn.Module, device: str) -> torch.nn.Module:
        moved.append(device)
        return self

    monkeypatch.setattr(torch.nn.Module, "to", spied)
    # The tiny run was trained with --train.accelerator cpu.
    drawn(command, run, tmp_path / "some.npy")
    assert moved[0] == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(torch.nn.Module, "to", stayed)
    drawn(command, run, tmp_path / "some.npy", "--train.accelerator", "auto")
    assert moved[-1] == "cuda"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device here")
def test_a_device_that_is_not_here(run: Path, command: Command) -> None:
    said = command("sample", run, "--train.accelerator", "cuda")
    assert said.code == 2 and "no cuda device here; add --train.accelerator cpu" in said.err
    assert said.err.count("\n") == 1
