"""hvae interpolate: the way from one image to another, as a sheet or as numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvae
from hvae.checkpoints import LoadedRun
from hvae.data import load
from hvae.explore import encode, interpolate, reconstruct, spherical
from hvae.explore.tiles import grid, stations

Command = Callable[..., Any]


def numbers(command: Command, run: Path, out: Path, *words: object) -> np.ndarray[Any, Any]:
    said = command("interpolate", run, "--data", "test", "--out", out, *words)
    assert said.code == 0, said.err
    found: np.ndarray[Any, Any] = np.load(out)
    return found


@pytest.fixture
def loaded(run: Path) -> LoadedRun:
    return hvae.load(run)


def ends(loaded: LoadedRun, pairs: int) -> torch.Tensor:
    """The images of so many pairs, evenly over the test data."""
    split = load(loaded.config.data).test
    return split.pictures([i * (len(split) // (2 * pairs)) for i in range(2 * pairs)])


def test_the_ends_are_the_reconstructions(run: Path, loaded: LoadedRun, tmp_path: Path, command: Command) -> None:
    x = ends(loaded, pairs=3)
    made = numbers(command, run, tmp_path / "way.npy", "--pairs", 3, "--steps", 5, "--mode")
    assert made.shape == (5, 3, 1, 8, 8)
    back = reconstruct(loaded.model, x, draw=hvae.mode).numpy()
    np.testing.assert_allclose(made[0], back[::2], atol=1e-6)
    np.testing.assert_allclose(made[-1], back[1::2], atol=1e-6)
    assert np.abs(made[0] - made[-1]).max() > 1e-3


def test_the_sheet_has_the_images_at_both_ends(run: Path, loaded: LoadedRun, tmp_path: Path, command: Command) -> None:
    x = ends(loaded, pairs=3)
    words = ("--out", tmp_path / "way.png", "--pairs", 3, "--steps", 2, "--json")
    said = command("interpolate", run, "--data", "test", *words)
    told = {"file": str(tmp_path / "way.png"), "pairs": 3, "steps": 2, "levels": ["z2", "z1"], "path": "linear"}
    assert said.json == {**told, "temperature": {}, "mode": False, "seed": 0, "brought": None}
    assert said.err == "interpolating ...\n"
    way = interpolate(loaded.model, x[::2], x[1::2], 2, seed=0)
    rows = torch.stack([x[::2], *way, x[1::2]], 1)  # (3, 4, 1, 8, 8)
    expected = grid(rows, columns=["image", "0", "1", "image"])
    assert (tmp_path / "way.png").read_bytes() == expected == stations(way, ends=(x[::2], x[1::2]))
    assert Image.open(tmp_path / "way.png").size[0] == 4 * (9 * 8 + 4) + 4


def test_some_levels_go_another_way_and_the_rest_follows(
    run: Path, loaded: LoadedRun, tmp_path: Path, command: Command
) -> None:
    x = ends(loaded, pairs=2)
    words = ("--pairs", 2, "--steps", 3, "--levels", "z2", "--path", "spherical", "--mode")
    made = numbers(command, run, tmp_path / "way.npy", *words)
    expected = interpolate(loaded.model, x[::2], x[1::2], 3, levels=["z2"], path=spherical, draw=hvae.mode)
    np.testing.assert_allclose(made, expected.numpy(), atol=1e-6)
    # Nothing is drawn, at any seed: every level that does not go the way takes its most probable value.
    assert np.array_equal(made, numbers(command, run, tmp_path / "other.npy", *words, "--seed", 3))


def test_levels_are_told_apart_by_commas_or_spaces(run: Path, tmp_path: Path, command: Command) -> None:
    spaced, joined = (("--levels", "z1", "z2"), ("--levels", "z1,z2"))
    one, two, every = (numbers(command, run, tmp_path / "a.npy", *words) for words in (spaced, joined, ()))
    assert np.array_equal(one, two) and np.array_equal(one, every)


def test_the_seed_decides_the_draws(run: Path, tmp_path: Path, command: Command) -> None:
    def made(*words: object) -> np.ndarray[Any, Any]:
        return numbers(command, run, tmp_path / "way.npy", "--pairs", 1, "--steps", 3, *words)

    assert np.array_equal(made("--seed", 1), made("--seed", 1))
    assert not np.array_equal(made("--seed", 1), made("--seed", 2))
    warm = ("--mode", "--levels", "z2", "--temperature.z1", 0.7)
    assert np.array_equal(made(*warm), made("--mode", "--levels", "z2", "-t", 0.7))
    assert not np.array_equal(made(*warm), made(*warm, "--seed", 2))
    assert not np.array_equal(made(*warm), made("--mode", "--levels", "z2"))


def test_images_of_ones_own(run: Path, loaded: LoadedRun, tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(np.full((20, 30, 3), 80 * i, np.uint8)).save(folder / f"{i}.png")
    words = ("--data", folder, "--out", tmp_path / "way.npy", "--pairs", 1, "--steps", 2, "--mode", "--json")
    said = command("interpolate", run, *words)
    assert said.json["brought"]["images"] == 2
    assert "2 images of 3x20x30, 8 bits, brought to 1x8x8, 4 bits" in said.err
    assert np.load(tmp_path / "way.npy").shape == (2, 1, 1, 8, 8)


VECTORS = (
    "--model.family lvae --model.latents 2,2 --model.widths 8,8 --model.norm none --model.likelihood bernoulli "
    "--data.name npy --data.bits 1 --objective.warmup.length 0 --objective.free_bits.nats 0 --train.steps 2 "
    "--train.batch 16 --train.valid_size 10 --train.accelerator cpu --evaluate.samples 2 --evaluate.limit 10"
)


def test_vectors_are_numbers_and_no_picture(tmp_path: Path, command: Command) -> None:
    path, run = tmp_path / "flat.npy", tmp_path / "run"
    np.save(path, np.random.default_rng(0).integers(256, size=(100, 6), dtype=np.uint8))
    said = command("train", "digits", "--out", run, "--data.path", path, *VECTORS.split())
    assert said.code == 0, said.err
    assert numbers(command, run, tmp_path / "way.npy", "--steps", 3).shape == (3, 4, 6)
    said = command("interpolate", run, "--data", "test", "--out", tmp_path / "way.png")
    assert said.code == 2 and "are vectors (6,), which are no pictures" in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "way.png").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--data test --out way.jpg", "--out: expected a file name that ends in .png or .npy, got way.jpg"),
        ("--data test --out way.png --pairs 0", "--pairs: expected at least 1, got 0"),
        (
            "--data test --out way.png --steps 20000 --pairs 3",
            "60,006 pictures of 72x72; ask for fewer, or give a file",
        ),
        ("--data test --out way.png --steps 1000000", "--out way.png: expected at most 200,000,000 pixels, got 4,000"),
        ("--data test --out way.png --steps 20000 --pairs 3", "60,006 pictures of 72x72; ask for fewer, or give"),
        ("--data test --out way.png --steps 1", "--steps: expected at least 2, got 1"),
        ("--data test --out way.npy --pairs 4000", "expected at least 8000 images for --pairs 4000, got "),
        ("--data one.npy --out way.png --pairs 1", "expected at least 2 images for --pairs 1, got 1 from one.npy"),
        ("--data test --out way.png --path sferical", "no path named 'sferical'; did you mean 'spherical'?"),
        ("--data test --out way.png --levels ,", "--levels: expected names with commas between them, as z4,z3, got"),
        ("--data test --out way.png --levels z2 y1", "no level named 'y1'; did you mean 'z1'?"),
        ("--data test --out way.png --levels z2 --temperature.z3 1", "no level named 'z3'; did you mean 'z2'?"),
        ("--data test --out way.png --levels z2 --temperature.z2 1", "--temperature.z2: z2 goes the way"),
        ("--data test --out way.png -t 0.7", "--temperature: all levels are interpolated and none is drawn"),
        ("--data test --out way.png --levels z2 -t -1", "expected a temperature of 0 or above for z1, got -1.0"),
        ("--data test --out way.png --levels z2 -t 1e308", "for z1, got 1e+308; at most 1,000,000"),
        ("--data test --out way.png -t hot", "--temperature: expected a number"),
        ("--data test --out way.png --train.lr 3", "--train.lr is not for interpolate"),
        ("--data nowhere --out way.png", "hvae: nothing at nowhere; expected test, valid, train, a folder"),
        ("--data text.txt --out way.png", "expected a folder of images, or an .npy, .npz or IDX file"),
        ("--data test --out text.txt/way.png", "could not write text.txt/way.png: "),
        ("--out way.png", "the following arguments are required: --data"),
    ],
)
def test_faults_are_one_line_and_leave_nothing(
    words: str, line: str, run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("x")
    np.save("one.npy", np.full((1, 8, 8), 255, np.uint8))
    before = {path.name for path in tmp_path.iterdir()}
    said = command("interpolate", run, *words.split())
    assert said.code == 2 and line in said.err, said.err
    assert said.err.removeprefix("interpolating ...\n").count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_fault_leaves_what_was_there(run: Path, tmp_path: Path, command: Command) -> None:
    """Weights that have diverged make no picture; an earlier file stays as it was."""
    from hvae.weights import load_weights, save_weights

    other = shutil.copytree(run, tmp_path / "other")
    weights, description = load_weights(other / "model.safetensors")
    save_weights(other / "model.safetensors", {n: w * float("nan") for n, w in weights.items()}, description)
    (tmp_path / "way.png").write_bytes(b"earlier")
    said = command("interpolate", other, "--data", "test", "--out", tmp_path / "way.png", "--mode")
    assert said.code == 2 and "not finite" in said.err
    assert (tmp_path / "way.png").read_bytes() == b"earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"other", "way.png"}


def test_encoding_runs_where_it_is_told(run: Path, tmp_path: Path, command: Command) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is such a device here")
    for name, out in (("encode", "z.npz"), ("interpolate", "way.png")):
        said = command(name, run, "--data", "test", "--out", tmp_path / out, "--train.accelerator", "cuda")
        assert said.code == 2 and "no cuda device here; add --train.accelerator cpu" in said.err
    assert not list(tmp_path.iterdir())
    assert len(encode(hvae.load(run).model, torch.zeros(1, 1, 8, 8))) == 2
