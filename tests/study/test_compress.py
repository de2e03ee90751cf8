"""hvae.compress and hvae.decompress: what the commands do, from Python, with the same bytes and numbers."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import tiny_lossy
import torch
from PIL import Image

import hvae
from hvae.checkpoints import describe
from hvae.cli.main import main
from hvae.coding import Compressed, Lossy, Settings
from hvae.config import RunConfig
from hvae.config.data import DataConfig
from hvae.config.model import LVAEConfig
from hvae.errors import HvaeError
from hvae.walk import Model
from hvae.weights import save_weights
from hvae.zoo import build


def saved(folder: Path, model: Model, config: RunConfig, bits: int) -> Path:
    """A run folder with these weights."""
    folder.mkdir()
    config.save(folder / "config.yaml")
    save_weights(
        folder / "model.safetensors", model.state_dict(), {**describe(config, model.shape, bits, {}), "step": 0}
    )
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of four greys: what matters here are files and words."""
    torch.manual_seed(0)
    config = RunConfig(
        data=DataConfig(name="digits", bits=4),
        model=LVAEConfig(latents=(4, 2), widths=(8, 8), likelihood="dmol"),
    )
    return saved(tmp_path_factory.mktemp("runs") / "tiny", build(config.model, (1, 8, 8), 4), config, 4)


def pictures(folder: Path, count: int = 3) -> list[Path]:
    rng, places = np.random.default_rng(0), [folder / f"{i}.png" for i in range(count)]
    for place in places:
        Image.fromarray(rng.integers(0, 16, (9, 12), dtype=np.uint8) * np.uint8(17)).save(place)
    return places


def test_python_and_the_command_write_the_same_file_and_numbers(run: Path, tmp_path: Path) -> None:
    files, calls = pictures(tmp_path), list[tuple[int, int]]()
    result = hvae.compress(run, files, tmp_path / "a.hvz", progress=lambda done, total: calls.append((done, total)))
    out = StringIO()
    with redirect_stdout(out):
        assert main(["compress", str(run), *map(str, files), str(tmp_path / "b.hvz"), "--json", "--workers", "1"]) == 0
    assert (tmp_path / "a.hvz").read_bytes() == (tmp_path / "b.hvz").read_bytes()
    timed = ("file", "seconds", "check_seconds")
    own, command = (
        {k: v for k, v in said.items() if k not in timed} for said in (result.to_dict(), json.loads(out.getvalue()))
    )
    assert json.loads(json.dumps(own)) == command
    assert calls[-1][0] == calls[-1][1] > 0

    back = hvae.decompress(result.file, tmp_path / "back")
    assert [place.name for place in back.files] == [place.name for place in files] and back.complete
    for place, file in zip(back.files, files, strict=True):
        assert np.array_equal(np.asarray(Image.open(place)), np.asarray(Image.open(file)))


def test_bytes_in_and_out_and_their_ratio_are_said(run: Path, tmp_path: Path) -> None:
    files = pictures(tmp_path)
    out = StringIO()
    with redirect_stdout(out):
        assert main(["compress", str(run), *map(str, files), str(tmp_path / "a.hvz")]) == 0
    size_in, size_out = sum(f.stat().st_size for f in files), (tmp_path / "a.hvz").stat().st_size
    assert f"{size_in:,} bytes in (3 files), {size_out:,} bytes out: ratio {size_in / size_out:.2f}" in out.getvalue()


def test_arrays_and_a_loaded_run_are_taken(run: Path, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 16, (5, 1, 8, 8), dtype=np.uint8)
    loaded = hvae.load(run)
    result = hvae.compress(loaded, levels, tmp_path / "a.hvz", settings=Settings(verify=False))
    assert result.pictures == 5 and result.bytes_in == levels.size * 4 / 8 and isinstance(result.result, Compressed)
    back = hvae.decompress(result.file, tmp_path / "a.npy", loaded)
    assert np.array_equal(np.load(back.files[0]), levels)


def test_a_lossy_run_is_taken_by_its_quality(tmp_path: Path) -> None:
    config = RunConfig(data=DataConfig(name="digits"), model=tiny_lossy.CONFIG)
    run = saved(tmp_path / "run", tiny_lossy.untrained(), config, 8)
    place, said = tmp_path / "a.png", list[str]()
    Image.fromarray(tiny_lossy.waves(1, (16, 16))[0].levels.transpose(1, 2, 0)).save(place)
    for wrong in ("best", 0, 9, 1.5):
        with pytest.raises(HvaeError, match="expected all, or 1 to 3 levels"):
            hvae.compress(run, place, tmp_path / "a.hvz", quality=wrong)  # type: ignore[arg-type]
    result = hvae.compress(run, place, tmp_path / "a.hvz", quality="all")
    assert isinstance(result.result, Lossy) and "rivals" not in result.to_dict()
    whole = hvae.decompress(result.file, tmp_path / "whole.png")
    assert whole.complete and whole.levels == len(result.result.levels)
    (tmp_path / "cut.hvz").write_bytes(result.file.read_bytes()[:-1])
    cut = hvae.decompress(tmp_path / "cut.hvz", tmp_path / "cut.png", run, tell=said.append)
    assert not cut.complete and "the file was cut" in said[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "a.zip"}, "ends in .hvz"),
        ({"number": 3}, "no input is test"),
        ({"number": 0}, "--number: expected at least 1"),
        ({"quality": "all"}, "has no --quality"),
        ({"quality": 1, "tile": "whole"}, "--tile is for compressing without loss"),
        ({"data": {"data.root": "x"}}, "--data.root says nothing here"),
        ({"context": {"label": 1}}, "no conditions"),
        ({"tile": (16, 16)}, "those of images of"),
        ({"tile": 16}, "those of images of"),
        ({"tile": (1, 2, 3)}, "expected a side, a height and a width, or whole"),
        ({"tile": "big"}, "expected a side, a height and a width, or whole, got 'big'"),
        ({"pictures": []}, "at least one picture"),
        ({"pictures": [torch.zeros(1, 1, 8, 8)]}, "NumPy arrays to compress, got Tensor"),
        ({"settings": Settings(workers=1), "fineness": -1.0}, "expected a fineness above 0"),
        ({"pictures": "nowhere.png"}, "nothing at nowhere.png"),
        ({"pictures": np.zeros((2, 64), np.uint8)}, "takes images of (1, 8, 8) with 4 bits, got (64,)"),
        ({"pictures": np.zeros((2, 8, 8))}, "expected whole numbers in the array"),
        ({"pictures": np.full((2, 8, 8), 256)}, "1 channel of 16 bits and the model 1 channel of 4 bits"),
        ({"run": "nowhere"}, "no run at nowhere"),
    ],
)
def test_faults_are_one_line_and_leave_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = {"run": run, "pictures": pictures(tmp_path)[0], "path": "a.hvz", **options}
    with pytest.raises(HvaeError) as fault:
        hvae.compress(words.pop("run"), words.pop("pictures"), words.pop("path"), **words)
    assert message in str(fault.value) and "\n" not in str(fault.value)
    assert not list(tmp_path.glob("*.hvz")) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "--workers: expected at least 0"),
        ({"levels": 1}, "compressed without loss"),
        ({"only": 7}, "expected an index of 0 to 4"),
        ({"run": "nowhere"}, "no run at nowhere"),
        ({"context": {"label": 1}}, "no conditions"),
        ({"folder": "back.png"}, "expected a folder for 5 pictures"),
        ({"path": "none.hvz"}, "none.hvz"),
    ],
)
def test_faults_of_reading_are_one_line_and_leave_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    hvae.compress(run, pictures(tmp_path, 5), "a.hvz")
    words = {"path": "a.hvz", "folder": "back", "run": run, **options}
    with pytest.raises(HvaeError) as fault:
        hvae.decompress(words.pop("path"), words.pop("folder"), **words)
    assert message in str(fault.value) and "\n" not in str(fault.value)
    assert not list(tmp_path.glob("back*")) and not list(tmp_path.glob(".*"))
