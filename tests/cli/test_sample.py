"""hvae sample: where a model is drawn from, and how many pictures at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hvae.explore import frame

Command = Callable[..., Any]


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of every walk that makes pictures."""
    seen, walk = [], frame.run

    def counted(*args: Any, **kwargs: Any) -> Any:
        seen.append(args[2].n)
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
    monkeypatch.setattr("hvae.study.placing.safe_rows", lambda model, one: 2 if len(one) == 1 else 1)
    first = drawn(command, run, tmp_path / "some.npy")
    assert walked == [2, 2, 1]
    # The rows are part of what a seed determines, and so are the same on every machine.
    assert np.array_equal(first, drawn(command, run, tmp_path / "same.npy"))
    monkeypatch.setattr("hvae.study.placing.safe_rows", lambda model, one: 1024)
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


@pytest.mark.parametrize("name", ["some.png", "some.jpg", "some.JPEG"])
def test_a_sheet_holds_every_picture_and_enlarges_tiny_ones(
    name: str, run: Path, tmp_path: Path, command: Command
) -> None:
    said = command("sample", run, "-n", 11, "-o", tmp_path / name)
    assert said.code == 0, said.err
    sheet = Image.open(tmp_path / name)
    # Eight of nine times 8 pixels and their gaps wide, and a second row for the three that are left.
    assert sheet.size == (8 * 72 + 9 * 4, 2 * 72 + 3 * 4)
    assert sheet.format == ("PNG" if name.endswith("png") else "JPEG")
    corner = sheet.convert("RGBA").getpixel((sheet.width - 10, sheet.height - 10))
    assert corner[3] == 0 or min(corner[:3]) > 245, "nothing is drawn where there is no picture"


def test_one_picture_is_enlarged_unless_asked(run: Path, tmp_path: Path, command: Command) -> None:
    sizes = {}
    for times in ("auto", "1", "3"):
        command("sample", run, "-n", 1, "--seed", 1, "-o", tmp_path / f"{times}.png", "--enlarge", times)
        sizes[times] = np.asarray(Image.open(tmp_path / f"{times}.png"))
    assert sizes["auto"].shape == (72, 72, 3) and sizes["1"].shape == (8, 8, 3)
    assert np.array_equal(sizes["3"], sizes["1"].repeat(3, 0).repeat(3, 1)), "pixels become squares, none is blurred"
    numbers = tmp_path / "one.npy"
    command("sample", run, "-n", 1, "--seed", 1, "-o", numbers)
    assert np.array_equal(sizes["1"][..., 0], np.rint(255 * np.load(numbers)[0, 0]).astype(np.uint8))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("-o", "a.gif"), "--out: expected a file name that ends in .png, .jpg, .jpeg, .npy, got a.gif"),
        (("-n", "10000000"), "samples.png: expected at most 200,000,000 pixels, got 10,000,000 pictures of 8x8"),
        (("-n", "3200000", "-o", "a.jpg"), "--out a.jpg: expected at most 200,000,000 pixels"),
        (("--enlarge", "0"), "--enlarge: expected auto, or 1 to 64 times, got 0"),
        (("--enlarge", "x"), "--enlarge: expected auto, or 1 to 64 times, got x"),
        (("--enlarge", "9" * 5000), "--enlarge: expected auto, or 1 to 64 times, got 999"),
        (("--top-p", "1.5"), "top-p: expected a share above 0 and at most 1, got 1.5"),
        (("--top-p", "z1=-0.5"), "top-p: expected a share above 0 and at most 1, got -0.5"),
        (("--top-k", "0"), "top-k: expected at least 1, got 0"),
        (("--top-k", "z2=-3"), "top-k: expected at least 1, got -3"),
        (("--top-k", "5"), "z2: top-k and top-p are for levels of codes"),
        (("--enlarge", "64", "-n", "100000"), "--enlarge 64: expected at most 200,000,000 pixels"),
    ],
)
def test_what_cannot_be_drawn_is_refused_first(
    words: tuple[str, ...], line: str, run: Path, command: Command, walked: list[int]
) -> None:
    said = command("sample", run, *words)
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1 and len(said.err) < 400
    assert not walked
