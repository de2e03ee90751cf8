"""Images that are not where they are said to be, or are there for another reader: named, with what reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvae.config.data import DataConfig
from hvae.data import check_there, load
from hvae.errors import HvaeError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("pictures", "mixed", "numbers", "digits", "nothing"):
        (tmp_path / name).mkdir()
    for folder in ("pictures", "mixed"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / folder / "a.png")
    for name in ("mixed/train.npy", "numbers/train.npy", "x.npy"):
        np.save(tmp_path / name, np.full((4, 8, 8), 200, np.uint8))
    np.savez(tmp_path / "x.npz", np.full((4, 8, 8), 200, np.uint8))
    for name in ("digits/train-images-idx3-ubyte", "x.gz", "bare", "x.zip"):
        (tmp_path / name).write_bytes(b"\0\0\x08\x03\0\0\0\1\0\0\0\2\0\0\0\2\0\1\2\3")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("folder", "x.npz", "expected a folder of images, got an .npy or .npz file.*--data.name npy, .* preset arrays"),
        ("folder", "x.npy", "set --data.name npy"),
        ("folder", "numbers", "set --data.name npy"),
        ("folder", "digits", "set --data.name idx"),
        ("folder", "x.gz", "set --data.name idx"),
        ("folder", "x.zip", "expected a folder of images, got a file; name another place"),
        ("folder", "bare", "got a file"),
        ("folder", "nowhere", "no such folder"),
        ("npy", "pictures", "got a folder of images; set --data.name folder, or take the preset photos-small"),
        ("npy", "nothing", "got a folder without any; name another place"),
        ("npy", "x.gz", "set --data.name idx"),
        ("npy", "pictures/a.png", "expected an .npy or .npz file, or a folder of them, got a picture"),
        ("npy", "nowhere", "no such file or folder"),
        ("idx", "pictures", "set --data.name folder"),
        ("idx", "x.npz", "set --data.name npy"),
        ("idx", "nowhere", "no such file or folder"),
    ],
)
def test_another_reader_is_named_before_anything_is_read(name: str, path: str, message: str, place: Path) -> None:
    config = DataConfig(name=name, path=str(place / path), size=(8, 8), channels=1, bits=8)
    for ask in (check_there, load):
        with pytest.raises(HvaeError, match=message) as told:
            ask(config)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        *[("folder", "pictures"), ("folder", "mixed"), ("npy", "mixed"), ("npy", "numbers"), ("npy", "x.npy")],
        *[("npy", "x.npz"), ("idx", "digits"), ("idx", "x.gz"), ("idx", "bare")],
    ],
)
def test_what_a_reader_reads_is_there(name: str, path: str, place: Path) -> None:
    config = DataConfig(name=name, path=str(place / path), valid=0, test=0)
    check_there(config)
    assert len(load(config).train)


def test_a_known_set_that_nothing_may_bring_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("hvae.data.known.KnownSet.found", lambda self, root: None)
    check_there(DataConfig(name="digits"))
    check_there(DataConfig(name="cifar10"))
    for name, why in (("cifar10", "switched off"), ("imagenet64-old", "nobody serves it|switched off")):
        with pytest.raises(HvaeError, match=f"was found nowhere.*({why})"):
            check_there(DataConfig(name=name, download=False))


@pytest.mark.parametrize("name", ["folder", "npy", "idx"])
def test_links_in_a_circle_and_homes_of_nobody_are_places_with_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    for path in (tmp_path / "circle", "~nobody-of-this-name/pictures"):
        for ask in (check_there, load):
            with pytest.raises(HvaeError, match="no such (file or )?folder"):
                ask(DataConfig(name=name, path=str(path), size=(8, 8), channels=1, bits=8))


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(HvaeError, match="no home folder to keep downloads in; set HOME"):
        check_there(DataConfig(name="mnist"))
