"""Signals and volumes from the command line: what images do they do, and what only images have is refused in a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Command = Callable[..., Any]
SHAPES = {"volumes": (1, 4, 6, 8), "signals": (2, 12)}
TINY = (
    *("--model.groups", "1,1", "--model.width", "8", "--model.latent", "2", "--model.mixtures", "2"),
    *("--train.steps", "4", "--train.batch", "16", "--train.accelerator", "cpu", "--train.valid_size", "20"),
    *("--objective.warmup.length", "0", "--objective.free_bits.nats", "0", "--evaluate.samples", "2"),
    *("--evaluate.limit", "12", "--data.valid", "24", "--data.test", "24"),
)


def array(kind: str, n: int = 72) -> np.ndarray:
    """Bumps at random places, 8 bits."""
    random = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPES[kind][1:]), indexing="ij")
    shape = (n, SHAPES[kind][0], *(1 for _ in axes))
    far = sum((axis - random.uniform(-0.5, 0.5, shape)) ** 2 for axis in axes)
    return np.rint(255 * np.exp(-far / 0.3)).astype(np.uint8)


@pytest.fixture(scope="module", params=SHAPES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def trained(kind: str, tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    folder = tmp_path_factory.mktemp(kind)
    np.save(folder / "x.npy", array(kind))
    said = command(
        "train", "arrays", "--data.path", folder / "x.npy", "--data.kind", kind, "--out", folder / "run", *TINY
    )
    assert said.code == 0, said.err
    assert f"nats per {kind.removesuffix('s')}" in (folder / "run" / "report.html").read_text()
    return folder


def test_evaluation_names_what_is_not_measured(trained: Path, kind: str, command: Command) -> None:
    said = command("evaluate", trained / "run", "--json", "--evaluate.measures", "likelihood,reconstruction")
    bits = said.json["likelihood"]["elbo_bits_per_dim"]
    assert 0 < bits["mean"] < 10
    said = command("evaluate", trained / "run", "--evaluate.measures", "quality")
    assert said.code == 2 and f"images are needed, and these data are {kind}" in said.err


def test_score_reads_the_same_axes(trained: Path, kind: str, tmp_path: Path, command: Command) -> None:
    np.savez(tmp_path / "new.npz", test=array(kind)[:5, 0], train=array(kind)[5:9, 0])
    single = kind == "volumes"  # an axis of channels may be left out where there is one
    source = tmp_path / "new.npz" if single else trained / "x.npy"
    said = command("score", trained / "run", "--data", source, "--out", tmp_path / "s.csv", "--json")
    assert said.code == 0, said.err
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 1 + (5 if single else 72)
    said = command("score", trained / "run", "--data", "test", "--maps", 2)
    assert said.code == 2 and f"got one of {kind}" in said.err


def test_samples_are_numbers_or_what_can_be_seen_of_them(
    trained: Path, kind: str, tmp_path: Path, command: Command
) -> None:
    said = command("sample", trained / "run", "-n", 3, "--seed", 1, "--out", tmp_path / "x.npy")
    assert said.code == 0 and said.out.startswith(f"3 {kind} in "), said
    assert np.load(tmp_path / "x.npy").shape == (3, *SHAPES[kind])
    assert command("sample", trained / "run", "-n", 3, "--enlarge", 1, "--out", tmp_path / "x.png").code == 0
    side = {"volumes": (3 * (8 + 4) + 4, 6 + 8), "signals": (3 * (2 * 12 + 4) + 4, 48 + 8)}[kind]
    assert Image.open(tmp_path / "x.png").size == side


def test_latents_come_back_as_numbers(trained: Path, kind: str, tmp_path: Path, command: Command) -> None:
    said = command("encode", trained / "run", "--data", "test", "-n", 2, "--out", tmp_path / "z.npz")
    assert said.code == 0 and said.out.startswith(f"2 {kind} at "), said
    said = command("decode", trained / "run", tmp_path / "z.npz", "--out", tmp_path / "folder")
    assert said.code == 2 and f"are {kind}, expected a file name that ends in .npy" in said.err
    assert not (tmp_path / "folder").exists()
    assert command("decode", trained / "run", tmp_path / "z.npz", "--out", tmp_path / "x.npy").code == 0
    assert np.load(tmp_path / "x.npy").shape == (2, *SHAPES[kind])


def test_files_without_loss(trained: Path, kind: str, tmp_path: Path, command: Command) -> None:
    """The run's own data and an array of the same axes, to the bit, with gzip beside them."""
    said = command("compress", trained / "run", "test", tmp_path / "x.hvz", "-n", 4, "--json")
    assert said.code == 0, said.err
    assert said.json["bytes_out"] == (tmp_path / "x.hvz").stat().st_size and said.json["rivals"]["gzip"] > 0
    said = command("decompress", tmp_path / "x.hvz", tmp_path / "x.npy", "--run", trained / "run")
    assert said.code == 0, said.err
    back, whole = np.load(tmp_path / "x.npy"), array(kind)
    assert back.shape == (4, *SHAPES[kind]) and all(any(np.array_equal(a, b) for b in whole) for a in back)
    mine = whole[:2, 0] if kind == "volumes" else whole[:2]  # one channel needs no axis
    np.save(tmp_path / "mine.npy", mine)
    said = command("compress", trained / "run", tmp_path / "mine.npy", tmp_path / "mine.hvz")
    assert said.code == 0 and "gzip, all at once" in said.out
    assert command("decompress", tmp_path / "mine.hvz", tmp_path / "again.npy", "--run", trained / "run").code == 0
    assert np.array_equal(np.load(tmp_path / "again.npy"), whole[:2])
    said = command("compress", trained / "run", "test", tmp_path / "no.hvz", "--tile", 8)
    assert said.code == 2 and "tiles are of pictures" in said.err


def test_the_report_has_pictures_and_says_of_what(trained: Path, kind: str, command: Command) -> None:
    page = (trained / "run" / "report.html").read_text()
    assert {"volumes": "the middle slice is shown", "signals": "its curve is shown"}[kind] in page
    assert "What the top levels know" in page


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("restore RUN test --task superres --factor 2 --out OUT", "needs a run of pictures"),
        ("score RUN --data FOLDER --out OUT", "expected an .npy or .npz file of KIND, as the run has learned"),
        ("score RUN --data FLAT --out OUT", "expected KIND, (N, "),
    ],
)
def test_what_only_images_have(
    words: str, line: str, trained: Path, kind: str, tmp_path: Path, command: Command
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("L", (8, 6)).save(pictures / "a.png")
    np.save(tmp_path / "flat.npy", np.zeros((9,), np.uint8))
    places = {
        "RUN": trained / "run",
        "OUT": tmp_path / "out",
        "OUT.hvz": tmp_path / "out.hvz",
        "FOLDER": pictures,
        "FLAT": tmp_path / "flat.npy",
    }
    said = command(*(places.get(word, word) for word in words.split()))
    assert said.code == 2 and line.replace("KIND", kind) in said.err, said.err
    assert len(said.err.strip().splitlines()) <= 2 and not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--data.kind", "signals", "--data.flip", "true"), "which have no height, mirror or colour"),
        (("--data.kind", "volumes"), "expected volumes, (N, D, H, W) or (N, C, D, H, W), got shape (72, 2, 12)"),
        (("--data.kind", "rolls"), "data.kind says nothing of pictures"),
        (("--data.kind", "signals", "--model.family", "nvae"), "images"),
        (("--data.name", "digits", "--data.kind", "signals", "--data.path", ""), "data.kind=signals"),
    ],
)
def test_wishes_that_do_not_fit(words: tuple[str, ...], line: str, tmp_path: Path, command: Command) -> None:
    np.save(tmp_path / "x.npy", array("signals"))
    said = command("train", "arrays", "--data.path", tmp_path / "x.npy", "--out", tmp_path / "run", *words)
    assert said.code == 2 and line in said.err, said.err
    assert not (tmp_path / "run").exists()
