"""A CSV of numbers beside a folder of pictures: found by path or by bare name, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hvae
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.errors import HvaeError
from hvae.study.samples import draw_samples


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures in two folders, whose brightness is a number of the file."""
    for i in range(12):
        place = tmp_path / "pictures" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(place / f"{i:02d}.png")
    return tmp_path / "pictures"


def sheet(folder: Path, text: str) -> DataConfig:
    path = folder.parent / "numbers.csv"
    path.write_text(text)
    return DataConfig(name="folder", path=str(folder), attributes=str(path), valid=2, test=2)


def rows(bare: bool = False) -> str:
    return "".join(f"{'' if bare else 'ab'[i % 2] + '/'}{i:02d}.png,{20 * i},{i / 2}\n" for i in range(12))


@pytest.mark.parametrize("bare", [True, False])
def test_each_picture_has_its_numbers_in_every_split(folder: Path, bare: bool) -> None:
    data = load(sheet(folder, "file,light,half\n" + rows(bare)))
    assert data.attributes == ("light", "half")
    for split in (data.train, data.valid, data.test):
        batch = split.batch(range(len(split)))
        said = batch.context["attributes"]
        torch.testing.assert_close(said[:, 0], 255 * batch.x[:, 0, 0, 0])
        torch.testing.assert_close(said[:, 1], said[:, 0] / 40)
        assert torch.equal(split.some([1]).batch([0]).context["attributes"], said[1:2])
    assert any("light, half of 12 of 12 images from numbers.csv" in note for note in data.provenance.transforms)


def test_numbers_that_single_precision_tells_apart_are_read(folder: Path) -> None:
    for numbers in (("2020", "2021"), ("0.1", "0.1"), ("9007199254740993", "9007199254740993"), ("1e15", "2e15")):
        text = "".join(f"{file},{number}\n" for file, number in zip(("a/00.png", "b/01.png"), numbers, strict=True))
        assert load(sheet(folder, "file,light\n" + text)).attributes == ("light",)


def test_a_row_names_a_picture_however_its_letters_are_stored(folder: Path) -> None:
    (folder / "a" / "00.png").rename(folder / "a" / "cafe\u0301.png")  # as some systems store it
    data = load(sheet(folder, "file,light\n./a/caf\xe9.png,7\n"))
    parts = [split.attributes for split in (data.train, data.valid, data.test) if split.attributes is not None]
    assert (torch.cat(parts) == 7).sum() == 1


def test_what_is_not_there_is_unknown(folder: Path) -> None:
    text = "file,light,half\n" + rows().replace("a/00.png,0,0.0", "a/00.png,,0.0").replace("b/01.png,20,0.5\n", "")
    data = load(sheet(folder, text + "b/99.png,1,2\n"))
    said = torch.cat(
        [split.attributes for split in (data.train, data.valid, data.test) if split.attributes is not None]
    )
    assert said.isnan().sum().tolist() == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected .* to begin with a line of headings, file,NAME,..., got nothing"),
        (
            "file;light\na/00.png;1\n",
            "expected commas between cells, got semicolons; save it with commas",
        ),
        ("file\tlight\na/00.png\t1\n", "expected commas between cells, got tabs"),
        ("file\na/00.png\n", "to begin with a line of headings"),
        ("a/00.png,1,2\n" + rows(), "to begin with a line of headings"),
        ("file,light\na/00.png,bright\n", "line 2, light: expected a number, or an empty cell .* got 'bright'"),
        ("file,light\na/00.png,1e400\n", "line 2, light: expected a number"),
        ("file,light\na/00.png,1_000\n", "line 2, light: expected a number"),
        ("file,light\na/00.png,1e39\nb/01.png,2\n", "light: expected numbers of up to 1e\\+30, got 1e\\+39"),
        ("file,id\na/00.png,9007199254740993\nb/01.png,9007199254740992\n", "id: expected numbers .* tells apart"),
        ("file,id\na/00.png,9007199254740993\nb/01.png,9007199254740999\n", "id: .* take away what they share"),
        ("file,at\na/00.png,1700000000\nb/01.png,1700003600\n", "at: .* take away what they share"),
        ("file,light\na/00.png,1,2\n", "line 2: expected 1 numbers after the name of the file, got 2"),
        ("file,light\na/00.png,1\na/00.png,2\n", "line 3: 'a/00.png' has a row already"),
        ("file,light\nc/00.jpg,1\n", "no row of .* names a picture; expected names such as 'a/0.*', got 'c/00.jpg'"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, text: str, line: str) -> None:
    with pytest.raises(HvaeError, match=line) as fault:
        load(sheet(folder, text))
    assert "\n" not in str(fault.value)


def test_other_places_are_refused(folder: Path) -> None:
    with pytest.raises(HvaeError, match="speaks of the files of a folder, and data.name is digits"):
        DataConfig(name="digits", attributes="numbers.csv")
    config = sheet(folder, "file,light\n")
    Path(config.attributes).unlink()
    with pytest.raises(HvaeError, match=r"numbers\.csv"):
        load(config)


def test_a_model_is_trained_on_them_and_asked_by_numbers(folder: Path, tmp_path: Path) -> None:
    config = sheet(folder, "file,light,half\n" + rows())
    small = {"model.family": "vae", "model.latent": 2, "model.widths": "8", "model.likelihood": "dmol"}
    charged = {"objective.free_bits.nats": 0, "objective.warmup.length": 0, "evaluate.measures": "likelihood"}
    short = {"train.steps": 3, "train.batch": 4, "train.accelerator": "cpu", "evaluate.samples": 2}
    data = {"data.name": "folder", "data.path": config.path, "data.attributes": config.attributes}
    told = {"model.condition.kind": "vector", **data, **small, **charged, **short}
    run = hvae.train("digits", out=tmp_path / "run", overrides=told).folder
    assert hvae.load(run).config.model.condition.numbers == 2
    out = tmp_path / "some.npy"
    assert draw_samples(run, out, number=2, context={"attributes": "100,2.5"}).pictures.shape[0] == 2
    with pytest.raises(HvaeError, match=r"context\['attributes'\]: expected shape \(2, 2\) \(or one row\), got \(3,\)"):
        draw_samples(run, out, number=2, context={"attributes": "1,2,3"})
    with pytest.raises(HvaeError, match="this model is conditional: 'attributes' is numbers of shape"):
        draw_samples(run, out, number=2)
    missing = {**told, "data.attributes": sheet(folder, "file,light\na/00.png,1\n").attributes}
    with pytest.raises(HvaeError, match="some numbers in data.attributes .* are missing; set model.condition.drop"):
        hvae.train("digits", out=tmp_path / "none", overrides=missing)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "file,light\n" + "".join(f"{'ab'[i % 2]}/{i:02d}.png,\n" for i in range(12)),
            "empty cells alone; fill some in",
        ),
        ("file,light,light\na/00.png,1,2\n", "numbers.csv has two columns 'light'; rename one"),
    ],
)
def test_a_sheet_that_says_nothing_or_a_thing_twice_is_one_line(folder: Path, text: str, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        load(sheet(folder, text))
