"""Images to latents and back, through files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvae
from hvae.data import load
from hvae.explore import reconstruct

Command = Callable[..., Any]


def arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def test_there_and_back_is_the_reconstruction(run: Path, tmp_path: Path, command: Command) -> None:
    said = command("encode", run, "--data", "test", "-n", 7, "--mode", "--out", tmp_path / "z.npz", "--json")
    assert said.json == {"file": str(tmp_path / "z.npz"), "number": 7, "levels": ["z2", "z1"], "brought": None}
    assert {n: a.shape for n, a in arrays(tmp_path / "z.npz").items() if n != "about"} == {"z2": (7, 2), "z1": (7, 4)}
    said = command("decode", run, tmp_path / "z.npz", "--out", tmp_path / "x.npy", "--json")
    assert said.json["number"] == 7 and said.json["given"] == ["z2", "z1"] and said.err == ""
    loaded = hvae.load(run)
    x = load(loaded.config.data).test.pictures(range(7))
    expected = reconstruct(loaded.model, x, draw=hvae.mode)
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "x.npy")), expected)


def test_data_beyond_the_number_are_not_left_out_unsaid(run: Path, tmp_path: Path, command: Command) -> None:
    np.save(tmp_path / "x.npy", np.zeros((103, 8, 8), np.uint8))
    np.save(tmp_path / "gaps.npy", np.where(np.arange(20 * 64).reshape(20, 1, 8, 8) % 3, 0.0, np.nan))
    few = ("--draws", 1, "--steps", 1)
    masked = ("restore", run, tmp_path / "x.npy", "--task", "inpaint", "--mask", "0,0,4,4", *few)
    gaps = ("restore", run, tmp_path / "gaps.npy", "--task", "impute", *few)
    each = {
        ("encode", run, "--data", tmp_path / "x.npy"): "the first 100 of 103 images; -n takes more",
        ("encode", run, "--data", tmp_path / "x.npy", "-n", 103): "",
        masked: "the first 16 of 103 pictures; -n takes more",
        gaps: "the first 16 of 20 pictures; -n takes more",
        (*gaps, "-n", 20): "",
    }
    for number, (words, line) in enumerate(each.items()):
        said = command(*words, "--out", tmp_path / f"{number}.npz")
        assert said.code == 0 and line in said.err and ("takes more" in said.err) == bool(line), said.err


def test_pictures_in_a_new_folder(run: Path, tmp_path: Path, command: Command) -> None:
    assert command("encode", run, "--data", "test", "-n", 3, "--out", tmp_path / "z.npz").code == 0
    said = command("decode", run, tmp_path / "z.npz", "--out", tmp_path / "x")
    assert said.code == 0 and "3 images in" in said.out
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["0000.png", "0001.png", "0002.png"]
    assert Image.open(tmp_path / "x" / "0001.png").size == (8, 8)
    again = command("decode", run, tmp_path / "z.npz", "--out", tmp_path / "x")
    assert again.code == 2 and "already exists" in again.err
    assert command("decode", run, tmp_path / "z.npz", "--out", tmp_path / "sheet.png").code == 0


def test_the_seed_decides_the_draws(run: Path, tmp_path: Path, command: Command) -> None:
    def encoded(*words: object) -> dict[str, np.ndarray[Any, Any]]:
        assert command("encode", run, "--data", "valid", "-n", 2, "--out", tmp_path / "z.npz", *words).code == 0
        return arrays(tmp_path / "z.npz")

    one, same, other = encoded("--seed", 1), encoded("--seed", 1), encoded("--seed", 2)
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["z2"], other["z2"])
    assert json.loads(str(one["about"]))["seed"] == 1


def test_some_levels_are_enough(run: Path, tmp_path: Path, command: Command) -> None:
    np.savez(tmp_path / "top.npz", z2=np.zeros((4, 2)))

    def decoded(*words: object) -> np.ndarray[Any, Any]:
        said = command("decode", run, tmp_path / "top.npz", "--out", tmp_path / "x.npy", *words)
        assert said.code == 0, said.err
        found: np.ndarray[Any, Any] = np.load(tmp_path / "x.npy")
        return found

    assert np.array_equal(decoded("--seed", 1), decoded("--seed", 1))
    assert not np.array_equal(decoded("--seed", 1), decoded("--seed", 2))
    cold = decoded("-t", 0)
    assert np.allclose(cold, cold[:1]) and np.array_equal(cold, decoded("--temperature.z1", 0))


def test_images_of_ones_own(run: Path, tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(np.full((20, 30, 3), 80 * i, np.uint8)).save(folder / f"{i}.png")
    said = command("encode", run, "--data", folder, "--mode", "--out", tmp_path / "a.npz", "--json")
    text = "3 images of 3x20x30, 8 bits, brought to 1x8x8, 4 bits (cropped to a square, scaled, to grey, cut to 4 bits)"
    assert said.json["brought"]["text"] == text and said.err == f"{text}\n"
    # The same pictures as the model sees them: 8x8, grey, 4 bits.
    np.save(tmp_path / "mine.npy", np.stack([np.full((8, 8), 80 * i, np.uint8) for i in range(3)]))
    assert command("encode", run, "--data", tmp_path / "mine.npy", "--mode", "--out", tmp_path / "b.npz").code == 0
    one, two = arrays(tmp_path / "a.npz"), arrays(tmp_path / "b.npz")
    assert one["z1"].shape == (3, 4) and np.allclose(one["z1"], two["z1"]) and np.allclose(one["z2"], two["z2"])


def test_latents_of_another_model_are_told(run: Path, tmp_path: Path, command: Command) -> None:
    from hvae.weights import load_weights, save_weights

    other = shutil.copytree(run, tmp_path / "other")
    weights, description = load_weights(other / "model.safetensors")
    save_weights(other / "model.safetensors", {n: 2 * w for n, w in weights.items()}, description)
    assert command("encode", run, "--data", "test", "-n", 2, "--out", tmp_path / "z.npz").code == 0
    assert "latents of another model" in command("decode", other, tmp_path / "z.npz", "--out", tmp_path / "x").err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("encode RUN --data test --out z.txt", "expected a file name that ends in .npz, got"),
        ("encode RUN --data nowhere --out z.npz", "hvae: nothing at nowhere; expected test, valid, train, a folder"),
        ("encode RUN --data text.txt --out z.npz", "expected a folder of images, or an .npy, .npz or IDX file"),
        ("encode RUN --data test --out z.npz -n 0", "--number: expected at least 1, got 0"),
        ("encode RUN --data test --out z.npz --train.lr 3", "--train.lr is not for encode"),
        ("encode RUN --data flat.npy --out z.npz", "expected images, got flat vectors of "),
        ("encode RUN --out z.npz", "the following arguments are required: --data"),
        ("decode RUN nowhere.npz --out x", "nowhere.npz: expected an .npz file of latents"),
        ("decode RUN text.txt --out x", "text.txt: expected an .npz file of latents"),
        ("decode RUN flat.npy --out x", "flat.npy does not say which levels it holds side by side; add --levels"),
        ("decode RUN words.npz --out x", "words.npz, 'z2': expected real numbers, got <U1"),
        ("decode RUN code.npz --out x", "code.npz: expected an .npz file of latents"),
        ("decode RUN odd.npz --out x", "no level named 'z7'"),
        ("decode RUN nan.npz --out x", "expected finite arrays (N, ...) by level"),
        (
            "decode RUN complex.npz --out x",
            "complex.npz, 'z2': expected real numbers, got complex64",
        ),
        ("decode RUN none.npz --out x", "expected the values of at least one level"),
        ("decode RUN top.npz --out x -t hot", "--temperature: expected a number"),
    ],
)
def test_faults_are_one_line_and_leave_nothing(
    words: str, line: str, run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("x")
    np.save("flat.npy", np.zeros((2, 5), np.uint8))
    np.savez("words.npz", z2=np.array(["a"]))
    np.savez("complex.npz", z2=np.zeros((2, 4), np.complex64))
    np.savez("code.npz", z2=np.array([{}], dtype=object))
    np.savez("odd.npz", z7=np.zeros((2, 2)))
    np.savez("nan.npz", z2=np.full((2, 2), np.nan))
    np.savez("none.npz")
    np.savez("top.npz", z2=np.zeros((2, 2)))
    before = {path.name for path in tmp_path.iterdir()}
    said = command(*words.replace("RUN", str(run)).split())
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1, said.err
    assert {path.name for path in tmp_path.iterdir()} == before
