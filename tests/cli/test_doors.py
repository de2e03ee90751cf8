"""Every command that takes pictures takes the same ones, with the same words, and never waits for one."""

from __future__ import annotations

import csv
import gzip
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from toy_hub import FEATURES, Rows, install, png

from hvae.screen.text import from_cell

Command = Callable[..., Any]
GAPS = ("--task", "inpaint", "--mask", "0.5", "--steps", 1, "--draws", 1)
ODD = os.fsdecode(b"caf\xe9.png")


def doors(run: Path, source: Path, out: Path) -> dict[str, tuple[object, ...]]:
    """The words of each command that reads pictures, what it writes being in `out`."""
    return {
        "encode": ("encode", run, "--data", source, "--out", out / "z.npz"),
        "features": ("features", run, "--data", source, "--out", out / "f.npz"),
        "restore": ("restore", run, source, *GAPS, "--out", out / "restored"),
        "interpolate": ("interpolate", run, "--data", source, "--out", out / "way.npy", "--pairs", 1),
        "score": ("score", run, "--data", source, "--out", out / "scores.csv"),
        "compress": ("compress", run, source, out / "a.hvz", "--no-verify"),
        "train": ("train", "digits", "--data.name", "folder", "--data.path", source, "--out", out / "run"),
    }


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures of 8x8 in the greys of the digits: one turned, one of two pages, one not named in UTF-8."""
    folder, rng, exif = tmp_path / "mine", np.random.default_rng(0), Image.Exif()
    folder.mkdir()
    some = [Image.fromarray(rng.integers(0, 16, (8, 8), dtype=np.uint8) * np.uint8(17)) for _ in range(4)]
    exif[0x0112] = 6
    some[2].save(folder / "stack.tif", save_all=True, append_images=some[:1])
    some[0].save(folder / "plain.png")
    some[1].save(folder / "phone.png", exif=exif)
    some[3].save(folder / "cafe.png")
    (folder / "cafe.png").rename(folder / ODD)
    return folder


HUB = ("hub:owner/pets", "owner/pets", "hub:pets")


@pytest.mark.parametrize("name", HUB)
@pytest.mark.parametrize("door", ["encode", "interpolate", "score"])
def test_a_set_of_the_hub_goes_through_every_door(
    door: str, name: str, run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, {"train": Rows([png((8, 8)) for _ in range(6)], FEATURES)})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = list(doors(run, Path("x"), tmp_path)[door])
    words[words.index("--data") + 1] = name
    said = command(*words, "--json")
    assert said.code == 0, said.err
    assert "to grey" in said.err or "to grey" in said.out


def test_a_slip_in_the_path_of_a_local_folder_stays_on_this_machine(
    run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, AssertionError("asked the hub"))
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("photos/nwe", "nowhere", "a/b/c", "/owner/pets", "~/pets", "hub:a/b/c", "hub:", "../pets", "./pets"):
        said = command("encode", run, "--data", name, "--out", "z.npz")
        assert said.code == 2 and f"hvae: nothing at {name}" in said.err and "hub:OWNER/NAME" in said.err, said.err


def spoil(folder: Path) -> list[str]:
    """Four files that are no pictures; their names."""
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "text.jpg").write_text("no picture")
    (folder / "cut.png").write_bytes((folder / "plain.png").read_bytes()[:-40])
    return ["pipe.png", "zero.png", "text.jpg", "cut.png"]


@pytest.mark.parametrize("door", ["encode", "features", "restore", "interpolate", "score", "compress", "train"])
def test_bad_pictures_are_named_at_once(run: Path, pictures: Path, tmp_path: Path, command: Command, door: str) -> None:
    names = spoil(pictures)
    (pictures / ODD).unlink()  # such a name no .hvz file can hold
    (tmp_path / "out").mkdir()
    said = command(*doors(run, pictures, tmp_path / "out")[door])
    assert said.code == 2 and "cannot read 4 pictures" in said.err and said.err.count("\n") == 1
    assert all(name in said.err for name in names) and "data.bad" in said.err


@pytest.mark.parametrize("door", ["encode", "interpolate", "score"])
def test_bad_pictures_are_left_out_when_asked(
    run: Path, pictures: Path, tmp_path: Path, command: Command, door: str
) -> None:
    spoil(pictures)
    (tmp_path / "out").mkdir()
    said = command(*doors(run, pictures, tmp_path / "out")[door], "--data.bad", "skip")
    assert said.code == 0, said.err
    for words in ("4 unreadable", "1 file with further pages", "1 picture turned as their EXIF orientation says"):
        assert words in said.err


def test_compress_says_the_same(run: Path, pictures: Path, tmp_path: Path, command: Command) -> None:
    (pictures / ODD).rename(pictures / "cafe.png")
    spoil(pictures)
    said = command(*doors(run, pictures, tmp_path)["compress"], "--data.bad", "skip")
    assert said.code == 0, said.err
    for words in ("cannot read 4 pictures", "1 picture with further pages", "1 picture turned as their EXIF"):
        assert words in said.err
    assert command("decompress", tmp_path / "a.hvz", tmp_path / "back").code == 0
    turned = np.asarray(Image.open(pictures / "phone.png").transpose(Image.Transpose.ROTATE_270))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "back" / "phone.png")), turned)


def test_compress_names_and_leaves_out_what_no_file_can_hold(
    run: Path, pictures: Path, tmp_path: Path, command: Command
) -> None:
    """Names that are not text are bad pictures as others are, and what counts once is said."""
    (pictures / "notes.txt").write_text("mine")
    (pictures / "text.jpg").write_text("no picture")
    os.link(pictures / "plain.png", pictures / "plain again.png")
    said = command(*doors(run, pictures, tmp_path)["compress"])
    assert said.code == 2 and "cannot read 2 pictures" in said.err and "is not UTF-8" in said.err, said.err
    said = command(*doors(run, pictures, tmp_path)["compress"], "--data.bad", "skip")
    assert said.code == 0 and "not used: 1 linked twice, 1 of another kind" in said.err, said.err
    assert command("decompress", tmp_path / "a.hvz", tmp_path / "back").code == 0
    assert len(list((tmp_path / "back").iterdir())) == 3


def test_a_name_that_is_not_text_is_scored(run: Path, pictures: Path, tmp_path: Path, command: Command) -> None:
    said = command(*doors(run, pictures, tmp_path)["score"])
    assert said.code == 0, said.err
    with open(tmp_path / "scores.csv", newline="", encoding="utf-8") as file:
        names = [from_cell(row["file"]) for row in csv.DictReader(file)]
    assert sorted(names) == [ODD, "phone.png", "plain.png", "stack.tif"]


@pytest.mark.parametrize("door", ["encode", "interpolate", "score", "compress", "train"])
def test_a_pipe_is_not_waited_for(run: Path, tmp_path: Path, command: Command, door: str) -> None:
    for name in ("x.png", "x.npy", "x.npz", "x.gz"):
        os.mkfifo(tmp_path / name)
        said = command(*doors(run, tmp_path / name, tmp_path)[door])
        assert said.code == 2 and said.err.count("\n") == 1, said.err


def test_latents_that_unpack_without_end(run: Path, tmp_path: Path, command: Command) -> None:
    with zipfile.ZipFile(tmp_path / "z.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("z1.npy", bytes(80 << 20))
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "dir.npz").mkdir()
    (tmp_path / "a.npz").write_bytes(gzip.compress(bytes(1000)))
    for name in ("z.npz", "pipe.npz", "dir.npz", "a.npz"):
        said = command("decode", run, tmp_path / name, "--out", tmp_path / "x")
        assert said.code == 2 and "expected an .npz file of latents" in said.err and said.err.count("\n") == 1
        assert not (tmp_path / "x").exists()


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


KINDS = ("a.npz", "a.npy", "WIDE.NPY", "a-images-idx3-ubyte.gz", "plain-idx", "numpy")


def arrays(folder: Path) -> dict[str, Path]:
    """The same levels in every kind of array file and of folder of them, some in a part for testing."""
    train, test = np.arange(25 * 64, dtype=np.uint8).reshape(25, 8, 8) % 16, np.full((2, 8, 8), 15, np.uint8)
    places = {name: folder / name for name in KINDS}
    np.savez(places["a.npz"], train_images=train, test_images=test)
    np.save(places["a.npy"], train)
    with open(places["WIDE.NPY"], "wb") as file:
        np.save(file, train[..., None].astype(np.int64))
    places["a-images-idx3-ubyte.gz"].write_bytes(gzip.compress(idx(train)))
    for name in ("plain-idx", "numpy"):
        places[name].mkdir()
    (places["plain-idx"] / "train-images-idx3-ubyte").write_bytes(idx(train))
    (places["plain-idx"] / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(test)))
    np.save(places["numpy"] / "train.npy", train)
    np.save(places["numpy"] / "test.npy", test)
    return places


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("door", ["encode", "interpolate", "score", "compress"])
def test_arrays_of_every_kind_are_read(run: Path, tmp_path: Path, command: Command, door: str, name: str) -> None:
    words = doors(run, arrays(tmp_path)[name], tmp_path)[door]
    said = command(*words)
    assert said.code == 0, said.err


@pytest.mark.parametrize("name", KINDS)
def test_arrays_come_back_from_a_file(run: Path, tmp_path: Path, command: Command, name: str) -> None:
    assert command("compress", run, arrays(tmp_path)[name], tmp_path / "a.hvz").code == 0
    assert command("decompress", tmp_path / "a.hvz", tmp_path / "back").code == 0
    (found,) = (np.load(file) for file in (tmp_path / "back").glob("*.npy"))
    assert found.shape[1:] == (1, 8, 8)
    assert (found[:25, 0] == np.arange(25 * 64).reshape(25, 8, 8) % 16).all() and (found[25:] == 15).all()


def test_what_cannot_come_back_is_refused(run: Path, tmp_path: Path, command: Command) -> None:
    np.savez(tmp_path / "floats.npz", images=np.linspace(0, 1, 128).reshape(2, 8, 8))
    np.savez(tmp_path / "deep.npz", images=np.full((2, 8, 8), 200, np.uint8))
    for name, why in {
        "floats": "expected whole numbers",
        "deep": "1 channel of 8 bits and the model 1 channel of 4 bits",
    }.items():
        said = command("compress", run, tmp_path / f"{name}.npz", tmp_path / "a.hvz")
        assert said.code == 2 and why in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "a.hvz").exists()


def test_a_folder_with_pictures_is_one_of_pictures(run: Path, pictures: Path, tmp_path: Path, command: Command) -> None:
    np.save(pictures / "notes.npy", np.zeros(3))
    assert command(*doors(run, pictures, tmp_path)["encode"]).code == 0
