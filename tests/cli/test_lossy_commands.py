"""hvae compress --quality and hvae decompress --levels: a small file, and a preview from its beginning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hvae.checkpoints.runs import describe
from hvae.coding import read
from hvae.config import preset
from hvae.weights import save_weights
from hvae.zoo import build

pytestmark = pytest.mark.filterwarnings("ignore")


def photo(path: Path, size: tuple[int, int] = (30, 41)) -> Path:
    y, x = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([100 + 3 * x, 90 + 2 * y, 120 + x - y], 2).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(float)


@pytest.fixture(scope="module")
def lossy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a training leaves it: the weights, with their description."""
    folder = tmp_path_factory.mktemp("lossy")
    (folder / "photos").mkdir()
    for i in range(20):
        photo(folder / "photos" / f"{i}.png", (20 + i, 30))
    small = {"model.patch": 2, "model.groups": (1, 1), "model.widths": (6, 8), "model.latent": 2}
    own = {"data.path": str(folder / "photos"), "data.size": (16, 16)}
    config = preset("photos-lossy-small", {**small, **own})
    torch.manual_seed(0)
    model = build(config.model, (3, 16, 16), 8)
    description = {**describe(config, (3, 16, 16), 8, {}), "step": 0}
    (folder / "run").mkdir()
    save_weights(folder / "run" / "model.safetensors", model.state_dict(), description)
    return folder / "run"


def test_a_picture_becomes_a_small_file_and_comes_back(command: Callable, lossy_run: Path, tmp_path: Path) -> None:
    out, back = tmp_path / "a.hvz", tmp_path / "a.png"
    said = command("compress", lossy_run, photo(tmp_path / "in.png"), out, "--quality", "all", "--json")
    assert said.code == 0, said.err
    assert said.json["bytes"] == out.stat().st_size and [c["name"] for c in said.json["levels"]] == ["z2", "z1"]
    assert command("decompress", out, back).code == 0
    assert pixels(back).shape == (30, 41, 3)
    mse = ((pixels(back) - pixels(tmp_path / "in.png")) ** 2).mean() / 255**2
    assert abs(said.json["psnr"] + 10 * np.log10(mse)) < 1e-6
    spoken = command("compress", lossy_run, tmp_path / "in.png", out, "--quality", "1")
    assert "bits a pixel" in spoken.out and "PSNR" in spoken.out and "z1" not in spoken.out
    came, left = (tmp_path / "in.png").stat().st_size, out.stat().st_size
    assert f"{came:,} bytes in (1 file), {left:,} bytes out: ratio {came / left:.2f}" in spoken.out


def test_a_cut_file_is_a_preview_with_a_note(command: Callable, lossy_run: Path, tmp_path: Path) -> None:
    """Wherever it was cut; a program hears of it, too."""
    out, cut = tmp_path / "a.hvz", tmp_path / "cut.hvz"
    assert command("compress", lossy_run, photo(tmp_path / "in.png"), out, "--quality", "all").code == 0
    content = out.read_bytes()
    first, last = (block.size for block in read(content).header.blocks)
    whole = command("decompress", out, tmp_path / "one.png", "--levels", "1", "--json")
    assert whole.code == 0 and "note" not in whole.err and not whole.json["complete"]
    for i, missing in enumerate((1, last // 2, last)):
        cut.write_bytes(content[:-missing])
        said = command("decompress", cut, tmp_path / f"{i}.png", "--json")
        assert said.code == 0 and "note: the file was cut; a preview by the top 1 of its 2 levels" in said.err
        assert (said.json["levels"], said.json["levels_written"], said.json["complete"]) == (1, 2, False)
        assert np.array_equal(pixels(tmp_path / f"{i}.png"), pixels(tmp_path / "one.png"))
    cut.write_bytes(content[: -last - 1])
    said = command("decompress", cut, tmp_path / "no.png")
    assert said.code == 2 and "cut after 0 of 2 levels" in said.err and not (tmp_path / "no.png").exists()
    damaged = bytearray(content)
    damaged[-first] ^= 1
    cut.write_bytes(damaged)
    said = command("decompress", cut, tmp_path / "no.png")
    assert said.code == 2 and "is damaged" in said.err and not (tmp_path / "no.png").exists()
    said = command("decompress", out, tmp_path / "all.png", "--json")
    assert (said.json["levels"], said.json["levels_written"], said.json["complete"]) == (2, 2, True)


def test_folders_make_one_file(command: Callable, lossy_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, size in (("a", (9, 9)), ("b", (9, 9)), ("c", (33, 12))):
        photo(folder / f"{name}.png", size)
    assert command("compress", lossy_run, folder, tmp_path / "all.hvz", "--quality", "2").code == 0
    assert command("decompress", tmp_path / "all.hvz", tmp_path / "back").code == 0
    assert [pixels(tmp_path / "back" / f"{n}.png").shape for n in "abc"] == [(9, 9, 3), (9, 9, 3), (33, 12, 3)]
    assert command("decompress", tmp_path / "all.hvz", tmp_path / "c.png", "--only", "2", "--levels", "1").code == 0
    said = command("compress", lossy_run, "test", tmp_path / "test.hvz", "--quality", "all", "-n", "2", "--json")
    assert said.json["pictures"] == 2


@pytest.mark.parametrize(
    ("quality", "message"),
    [
        (None, "expected --quality all, or 1 to 2 of its levels; got none"),
        ("3", "--quality: expected all, or 1 to 2 levels from the top, got 3"),
        ("0", "got 0"),
        ("best", "got best"),
    ],
)
def test_qualities_that_there_are_not(
    command: Callable, lossy_run: Path, tmp_path: Path, quality: str | None, message: str
) -> None:
    words = [] if quality is None else ["--quality", quality]
    said = command("compress", lossy_run, photo(tmp_path / "in.png"), tmp_path / "a.hvz", *words)
    assert said.code == 2 and message in said.err and len(said.err.strip().splitlines()) == 1
    assert not (tmp_path / "a.hvz").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--tile", "8"],
        ["--block", "4"],
        ["--batch", "4"],
        ["--fineness", "3"],
        ["--calibrate"],
        ["--workers", "2"],
        ["-n", "1"],
        ["--model.latent", "3"],
    ],
)
def test_options_that_would_say_nothing_are_refused(
    command: Callable, lossy_run: Path, tmp_path: Path, words: list[str]
) -> None:
    said = command("compress", lossy_run, photo(tmp_path / "in.png"), tmp_path / "a.hvz", "--quality", "1", *words)
    assert said.code == 2 and "leave it out" in said.err and len(said.err.strip().splitlines()) == 1


def test_lossless_runs_have_neither(command: Callable, run: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "in.png")
    said = command("compress", run, tmp_path / "in.png", tmp_path / "a.hvz", "--quality", "1")
    assert said.code == 2 and "compresses without loss and has no --quality" in said.err
    assert command("compress", run, tmp_path / "in.png", tmp_path / "a.hvz").code == 0
    said = command("decompress", tmp_path / "a.hvz", tmp_path / "a.png", "--levels", "1")
    assert said.code == 2 and "was compressed without loss and has no previews" in said.err


def test_help_says_what_the_numbers_mean(command: Callable) -> None:
    said = " ".join(command("compress", "--help").out.split())
    assert "how many of its levels to keep, counted from the top" in said and "no scale of 0 to 100" in said.lower()
