"""hvae score --tile: one large picture before a model of small ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvae
from hvae.errors import HvaeError
from hvae.metrics.maps import heat, usual_maps
from hvae.study.slides.slide import Slide, stored

Command = Callable[..., Any]
SIDE = 16
TINY = (
    *("--model.family", "ladder", "--model.groups", "1,1", "--model.width", "8", "--model.latent", "2"),
    *("--train.steps", "150", "--train.batch", "32", "--train.accelerator", "cpu", "--train.valid_size", "20"),
    *("--model.start", "everywhere", "--objective.free_bits.nats", "0", "--objective.warmup.length", "0"),
    *("--evaluate.samples", "2", "--data.valid", "60", "--data.test", "20", "--model.likelihood", "logistic"),
)


def texture(high: int, wide: int, seed: int) -> np.ndarray:
    """A wave under a little noise, (H, W) uint8: the same at every place."""
    y, x = np.mgrid[:high, :wide]
    noise = np.random.default_rng(seed).normal(0, 8, (high, wide))
    return np.clip(128 + 60 * np.sin(x / 2.5) * np.sin(y / 3.1) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of small pictures of the texture, whatever its phase."""
    from tests.cli.conftest import hvae as command

    folder = tmp_path_factory.mktemp("tissue")
    large, chance = texture(400, 400, 0), np.random.default_rng(1)
    corners = chance.integers(0, 400 - SIDE, (300, 2))
    np.save(folder / "patches.npy", np.stack([large[i : i + SIDE, j : j + SIDE] for i, j in corners])[:, None])
    said = command("train", "arrays", "--data.path", folder / "patches.npy", "--out", folder / "run", *TINY)
    assert said.code == 0, said.err
    return folder / "run"


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """The texture with a spot of noise around (70, 40)."""
    picture = texture(110, 90, 7)
    picture[64:76, 34:46] = np.random.default_rng(0).integers(30, 226, (12, 12))
    Image.fromarray(picture).save(tmp_path / "slide.png")
    return tmp_path / "slide.png"


def test_a_spot_is_where_the_maps_are_highest(tissue: Path, slide: Path, tmp_path: Path, command: Command) -> None:
    words = (
        "score",
        tissue,
        "--data",
        slide,
        "--tile",
        "--magnifications",
        "2,1",
        "--by",
        "nll",
        "-o",
        tmp_path / "maps",
        "--json",
    )
    said = command(*words)
    assert said.code == 0, said.err
    told = said.json["magnifications"]
    assert [one["reduction"] for one in told] == [1, 2] and [one["size"] for one in told] == [[110, 90], [55, 45]]
    names = {f"x{k}-{name}" for k in (1, 2) for name in ("z2", "z1", "data", "anomaly")}
    files = {path.name for path in (tmp_path / "maps").iterdir()}
    assert files == {f"{name}.{end}" for name in names for end in ("npy", "png")} | {"tiles.csv", "scores.json"}
    assert json.loads((tmp_path / "maps" / "scores.json").read_text()) == said.json
    anomaly = np.load(tmp_path / "maps" / "x1-anomaly.npy")
    assert anomaly.shape == (110, 90) and anomaly.dtype == np.float16
    y, x = np.unravel_index(anomaly.argmax(), anomaly.shape)
    assert 64 <= y < 76 and 34 <= x < 46
    each = [np.load(tmp_path / "maps" / f"x1-{name}.npy") for name in ("z2", "z1", "data")]
    assert np.array_equal(anomaly, np.max(each, 0)) and told[0]["highest"]["data"] == each[2].max()
    with open(tmp_path / "maps" / "tiles.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(one["tiles"] for one in told) and {row["reduction"] for row in rows} == {"1", "2"}
    worst = max((row for row in rows if row["reduction"] == "1"), key=lambda row: float(row["nll"]))
    assert worst["decision"] == "foreign"
    assert 64 - SIDE < int(worst["y"]) < 76 and 34 - SIDE < int(worst["x"]) < 46


def test_what_is_done_to_a_picture_is_said(tissue: Path, slide: Path, tmp_path: Path, command: Command) -> None:
    large = Image.open(slide)
    exif = Image.Exif()
    exif[0x0112] = 6
    large.convert("RGB").save(tmp_path / "x.jpg", exif=exif)
    large.save(tmp_path / "x.tif", save_all=True, append_images=[large])
    changes = {"x.jpg": ("turned as their EXIF", "brought to grey"), "x.tif": ("with further pages",), slide.name: ()}
    for name, parts in changes.items():
        words = ("--tile", "--normal", 20, "--out", tmp_path / f"of-{name}")
        said = command("score", tissue, "--data", tmp_path / name, *words)
        lines = [line for line in said.err.splitlines() if "the picture: " in line]
        assert said.code == 0 and len(lines) == bool(parts), said.err
        assert all(part in lines[0] for part in parts)


def test_a_picture_of_one_tile_has_the_maps_of_the_image(tissue: Path, tmp_path: Path) -> None:
    picture = texture(SIDE, SIDE, 3)
    found = hvae.score_slide(tissue, picture, out=tmp_path / "maps", normal=100)
    scores = hvae.score(tissue, torch.from_numpy(picture)[None, None] / 255, normal=100)
    assert found.reduced[0].scores["nll"].item() == pytest.approx(scores.scores["nll"].item())
    assert found.threshold == scores.threshold and found.reduced[0].corners == ((0, 0),)
    run = hvae.load(tissue)
    from hvae.data import load
    from hvae.study.scoring.images import some

    train = some(load(run.config.data).train.fixed(0), 100)
    maps = heat(run.model, torch.from_numpy(picture)[None, None] / 255, usual_maps(run.model, train.batches(64)))
    for name, expected in maps.items():
        written = torch.from_numpy(np.load(tmp_path / "maps" / f"x1-{name}.npy")).double()
        torch.testing.assert_close(written, expected[0], atol=5e-3, rtol=2e-3)


def test_no_step_shows_where_tiles_meet(tissue: Path, tmp_path: Path) -> None:
    """Steps between neighbours across the ends of tiles and fades are as large as elsewhere."""
    hvae.score_slide(tissue, texture(400, 160, 9), out=tmp_path / "maps", normal=100)
    anomaly = np.load(tmp_path / "maps" / "x1-anomaly.npy").astype(np.float64)
    steps = np.abs(np.diff(anomaly, axis=1)).mean(0)  # between columns j and j + 1
    # A latent map of half the size has steps of its own at every second column: those of one kind are compared.
    tiles = 12  # from one tile to the next: 16 less an overlap of 4
    odd = np.arange(len(steps)) % 2 == 1
    for offset in (0, 1, 2, 3):
        at = np.arange(tiles + offset - 1, len(steps) - SIDE, tiles)
        kind = odd == odd[at[0]]
        assert 0.6 < steps[at].mean() / steps[SIDE:-SIDE][kind[SIDE:-SIDE]].mean() < 1.6


@pytest.mark.parametrize("form", ["flat", "first", "last", "deep", "swapped"])
def test_arrays_are_read_in_every_form(form: str, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (3, 20, 12)).astype(np.uint8)
    arrays = {
        "flat": picture[0],
        "first": picture[:1],
        "last": picture.transpose(1, 2, 0),
        "deep": picture[0].astype(np.uint16) * 256,
        "swapped": (picture[0].astype(np.uint16) * 256).astype(">u2"),
    }
    np.save(tmp_path / "a.npy", arrays[form])
    channels = 3 if form == "last" else 1
    for source in (tmp_path / "a.npy", arrays[form]):
        slide = Slide(stored(source), channels, 8)
        assert slide.size == (20, 12)
        assert np.array_equal(slide.rows(torch.arange(3, 9)), picture[:channels, 3:9])
        half = Slide(stored(source), channels, 8, 2)
        means = picture[:channels].reshape(channels, 10, 2, 6, 2).mean((2, 4))
        assert half.size == (10, 6)
        assert np.allclose(
            half.rows(torch.arange(7, 10)), means[:, 7:], atol=1 if form in ("deep", "swapped") else 0.51
        )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--data", "{folder}"), "expected one picture, got the folder"),
        (("--data", "test"), "expected one picture"),
        (("--data", "{folder}/none.png"), "none.png"),
        (("--data", "{folder}/none.npy"), "none.npy"),
        (("--data", "{folder}/floats.npy"), "expected uint8 or uint16"),
        (("--data", "{folder}/many.npy"), "expected one picture"),
        (("--data", "{folder}/empty.npy"), "expected one picture"),
        (("--data", "{folder}/text.npy"), "cannot read"),
        (("--data", "{folder}/text.png"), "cannot read"),
        (("--data", "{folder}/a.npy", "--magnifications", "0"), "expected at least 1"),
        (("--data", "{folder}/a.npy", "--magnifications", "1,"), "expected whole numbers with commas between"),
        (("--data", "{folder}/a.npy", "--magnifications", "two"), "expected whole numbers with commas between"),
        (("--data", "{folder}/a.npy", "--magnifications", "1,1"), "expected different whole numbers"),
        (("--data", "{folder}/a.npy", "--magnifications", "1024"), "leaves nothing"),
        (("--data", "{folder}/a.npy", "--magnifications", "4096"), "from 1 to 1024"),
        (("--data", "{folder}/a.npy", "--foreign"), "--foreign is not for --tile"),
        (("--data", "{folder}/a.npy", "--maps", "3"), "--maps is not for --tile"),
        (("--data", "{folder}/a.npy", "--by", "nl"), "no score named 'nl'"),
        (("--data", "{folder}/a.npy", "--context", "label=7"), "no conditions"),
        (("--data", "{folder}/a.npy", "--out", "{folder}"), "already exists"),
    ],
)
def test_what_cannot_be_scored_is_one_line(
    words: tuple[str, ...], line: str, tissue: Path, tmp_path: Path, command: Command
) -> None:
    np.save(tmp_path / "a.npy", texture(20, 30, 0))
    np.save(tmp_path / "floats.npy", np.zeros((20, 20)))
    np.save(tmp_path / "many.npy", np.zeros((2, 20, 20, 5), np.uint8))
    np.save(tmp_path / "empty.npy", np.zeros((0, 20), np.uint8))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "text.png").write_text("no picture")
    before = sorted(tmp_path.iterdir())
    said = command("score", tissue, "--tile", "-o", tmp_path / "maps", *(w.format(folder=tmp_path) for w in words))
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1, said.err
    assert sorted(tmp_path.iterdir()) == before


def test_magnifications_without_tiles_and_models_of_vectors_are_refused(
    run: Path, tmp_path: Path, command: Command
) -> None:
    said = command("score", run, "--data", "test", "--magnifications", "2")
    assert said.code == 2 and "add --tile" in said.err
    with pytest.raises(HvaeError, match="different whole numbers"):
        hvae.score_slide(run, texture(20, 20, 0), out=tmp_path / "maps", magnifications=())


@pytest.mark.parametrize(
    "head",
    [
        b"(" * 80,
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (9000000000, 9000000000), }\n",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (-5, -5), }\n",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (5, 5), }\n",
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_damaged_array_is_refused_in_one_line(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "slide.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(100))
    with pytest.raises(HvaeError, match="cannot read .* as an array: .*save it again"):
        stored(path)
