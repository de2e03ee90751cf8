"""hvae compress and hvae decompress: pictures in, one file, the same pictures out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore")


def grey(path: Path, size: tuple[int, int] = (13, 21), seed: int = 0) -> Path:
    """A picture of the sixteen greys that the model of the digits knows."""
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 16, size, dtype=np.uint8) * np.uint8(17)).save(path)
    return path


def equal(a: Path, b: Path) -> bool:
    with Image.open(a) as one, Image.open(b) as other:
        return one.mode == other.mode and np.array_equal(np.asarray(one), np.asarray(other))


@pytest.fixture
def data_file(command: Callable, run: Path, tmp_path: Path) -> Path:
    """Test images of the run's own data."""
    out = tmp_path / "compressed" / "test.hvz"
    said = command("compress", run, "test", out, "--json", "-n", "40")
    assert said.code == 0, said.err
    assert said.json["pictures"] == 40
    return out


def test_a_picture_comes_back(command: Callable, run: Path, tmp_path: Path) -> None:
    picture, out, back = grey(tmp_path / "a.png"), tmp_path / "a.hvz", tmp_path / "back.png"
    assert command("compress", run, picture, out).code == 0
    assert command("decompress", out, back).code == 0
    assert equal(picture, back)
    assert out.stat().st_size < picture.stat().st_size + 400


def test_the_report_says_what_was_spent(command: Callable, run: Path, tmp_path: Path) -> None:
    said = command("compress", run, "test", tmp_path / "a.hvz", "--json", "-n", "60")
    found = said.json
    assert found["bytes"] == (tmp_path / "a.hvz").stat().st_size
    assert {"png", "webp"} == set(found["rivals"])
    assert found["kept"] == 0 and found["dims"] == 60 * 64
    assert set(found["account"]) == {"images", "seeds", "elbo", "trace", "net", "start", "first"}
    spoken = command("compress", run, "test", tmp_path / "b.hvz", "-n", "60")
    assert "the file" in spoken.out and "PNG, one by one" in spoken.out and "check" in spoken.out


def test_the_runs_own_data_come_back_as_an_array(command: Callable, data_file: Path, tmp_path: Path) -> None:
    said = command("decompress", data_file, tmp_path / "out.npy", "--json")
    assert said.json["files"] == [str(tmp_path / "out.npy")]
    found = np.load(tmp_path / "out.npy")
    assert found.shape == (40, 1, 8, 8) and found.max() <= 16
    command("decompress", data_file, tmp_path / "one.npy", "--only", "7")
    assert np.array_equal(np.load(tmp_path / "one.npy")[0], found[7])


def test_arrays_and_folders_make_one_file(command: Callable, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    b, a = grey(folder / "b.png", seed=1), grey(folder / "a.png", (5, 5), 2)
    other = grey(folder / "more" / "a.png", (9, 8), 3)
    levels = np.random.default_rng(0).integers(0, 16, (5, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "some.npy", levels)
    out, back = tmp_path / "all.hvz", tmp_path / "back"
    assert command("compress", run, folder, tmp_path / "some.npy", out).code == 0
    said = command("decompress", out, back, "--json")
    assert sorted(p.name for p in back.iterdir()) == ["a-0002.png", "a.png", "b.png", "some.npy"]
    assert said.json["pictures"] == 8
    assert equal(a, back / "a.png") and equal(b, back / "b.png") and equal(other, back / "a-0002.png")
    assert np.array_equal(np.load(back / "some.npy"), levels)


def test_bins_can_be_calibrated_on_the_training_data(command: Callable, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    assert command("compress", copy, "test", tmp_path / "a.hvz", "--calibrate", "-n", "40").code == 0
    bins = json.loads((copy / "bins.json").read_text())
    assert set(bins) == {"z1", "z2"}
    (copy / "bins.json").write_text(json.dumps({**bins, "z1": {"bits": 12}}))
    assert command("compress", copy, "test", tmp_path / "b.hvz", "-n", "40").code == 0
    from hvae.coding import read

    levels = read((tmp_path / "b.hvz").read_bytes()).header.levels
    assert not levels or levels["z1"].bits == 12
    (copy / "bins.json").write_text("{")
    assert "write it again with --calibrate" in command("compress", copy, "test", tmp_path / "c.hvz", "-n", "4").err


def test_the_run_is_found_beside_the_file_or_named(
    command: Callable, data_file: Path, run: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "elsewhere" / "test.hvz"
    alone.parent.mkdir()
    shutil.copy(data_file, alone)
    shutil.copytree(run, tmp_path / "moved")
    assert command("decompress", alone, tmp_path / "a.npy", "--run", tmp_path / "moved").code == 0


def test_a_run_that_is_gone_is_named(command: Callable, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    command("compress", copy, "test", tmp_path / "a.hvz", "-n", "200")
    shutil.rmtree(copy)
    said = command("decompress", tmp_path / "a.hvz", tmp_path / "a.npy")
    assert said.code == 2 and "give it with --run RUN" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{run}", "out.hvz"], "name the .hvz file to write last"),
        (["{run}", "a.png", "out.zip"], "name the .hvz file to write last"),
        (["{run}", "nowhere.png", "out.hvz"], "nothing at nowhere.png"),
        (["{run}", "{tmp}/clear.png", "out.hvz"], "transparency and 16 bits are not coded yet"),
        (["{run}", "{tmp}/empty", "out.hvz"], "no image found below"),
        (["{run}", "{tmp}/wrong.npy", "out.hvz"], "to be uint8 (N, 1, 8, 8), got float64"),
        (["nowhere", "{tmp}/a.png", "out.hvz"], "no run at nowhere"),
        (["{run}", "test", "out.hvz", "--batch", "1000"], "1 to 64 rows at once"),
        (["{run}", "test", "out.hvz", "-n", "0"], "at least 1 image"),
    ],
)
def test_faults_of_compress_are_one_line(
    command: Callable, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    Image.new("RGBA", (4, 4)).save(tmp_path / "clear.png")
    grey(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "wrong.npy", np.zeros((2, 3)))
    monkeypatch.chdir(tmp_path)
    said = command("compress", *(word.format(run=run, tmp=tmp_path) for word in words))
    assert said.code == 2 and message in said.err and said.err.strip().count("\n") <= 1
    assert not list(tmp_path.glob("out.*")) and not list(tmp_path.glob(".out*"))


def test_faults_of_decompress_leave_nothing(command: Callable, data_file: Path, run: Path, tmp_path: Path) -> None:
    damaged = bytearray(data_file.read_bytes())
    damaged[-3] ^= 4
    (tmp_path / "damaged.hvz").write_bytes(bytes(damaged))
    (tmp_path / "zero.hvz").write_bytes(b"")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("")
    for words, message in (
        ([tmp_path / "damaged.hvz", tmp_path / "a.npy"], "is damaged"),
        ([tmp_path / "zero.hvz", tmp_path / "a.npy"], "no .hvz file"),
        ([tmp_path / "none.hvz", tmp_path / "a.npy"], "cannot be read"),
        ([data_file, tmp_path / "a.png"], "ends in .npy"),
        ([data_file, tmp_path / "full"], "already exists"),
        ([data_file, tmp_path / "a.npy", "--only", "99"], "expected an index of 0 to 39"),
    ):
        said = command("decompress", *words)
        assert said.code == 2 and message in said.err, said
        assert not (tmp_path / "a.npy").exists() and not (tmp_path / "a.png").exists()


def test_names_in_a_file_cannot_leave_the_folder(tmp_path: Path) -> None:
    from hvae.cli.decompress import _names
    from hvae.coding import Picture

    levels = np.zeros((1, 2, 2), dtype=np.uint8)
    found = _names(
        [Picture(name, levels, 2) for name in ("../../etc/passwd", "/root/x", "..", "", "C:\\a\\b.png", "b")]
    )
    assert found == ["passwd.png", "x.png", "0002.png", "0003.png", "b.png", "b-0005.png"]
