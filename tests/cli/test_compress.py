"""hvae compress and hvae decompress: pictures in, one file, the same pictures out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib import import_module
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


def test_what_a_model_has_no_room_for_is_lost_only_where_the_user_says_so(
    command: Callable, run: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 13, 21, 3), dtype=np.uint8)
    (tmp_path / "colour").mkdir()
    for i, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / "colour" / f"{i}.png")
    np.save(tmp_path / "colour.npy", pixels)
    channels, bits = ("--data.channels", 1), ("--data.bits", 4)
    expected = [np.asarray(Image.fromarray(one).convert("L")) >> 4 for one in pixels]
    for source in ("colour", "colour.npy", "colour/0.png"):
        words = ("compress", run, tmp_path / source, tmp_path / "out.hvz")
        for given, lacking in (((), (*channels, *bits)), (channels, bits), (bits, channels)):
            refused = command(*words, *given)
            assert refused.code == 2 and f"set {' '.join(map(str, lacking))} to bring them" in refused.err
            assert refused.err.count("\n") == 1 and not (tmp_path / "out.hvz").exists()
        done = command(*words, *channels, *bits)
        assert done.code == 0 and "brought to 1 channel of 4 bits (to grey, cut to 4 bits)" in done.err, done.err
        command("decompress", tmp_path / "out.hvz", tmp_path / "back", "--only", 0, "--run", run)
        (back,) = (tmp_path / "back").iterdir()
        levels = np.load(back)[0] if back.suffix == ".npy" else np.asarray(Image.open(back)) // 17
        # Pillow and the arithmetic of arrays may round a half to either side.
        assert np.abs(levels.astype(int) - expected[0]).max() <= (1 if back.suffix == ".npy" else 0)
        shutil.rmtree(tmp_path / "back")
        (tmp_path / "out.hvz").unlink()
    other = command("compress", run, tmp_path / "colour", tmp_path / "out.hvz", "--data.channels", 3)
    assert other.code == 2 and "--data.channels: expected 1, as the run has, got '3'" in other.err


def test_the_report_says_what_was_spent(command: Callable, run: Path, tmp_path: Path) -> None:
    said = command("compress", run, "test", tmp_path / "a.hvz", "--json", "-n", "60")
    found = said.json
    assert found["bytes"] == (tmp_path / "a.hvz").stat().st_size
    assert {"png", "webp"} == set(found["rivals"])
    assert found["kept"] == 0 and found["dims"] == 60 * 64
    assert found["bytes_in"] == 60 * 64 * 4 / 8 and found["bytes_out"] == found["bytes"]
    assert found["ratio"] == found["bytes_in"] / found["bytes_out"]
    assert set(found["account"]) == {"images", "seeds", "elbo", "trace", "net", "start", "first", "squares"}
    spoken = command("compress", run, "test", tmp_path / "b.hvz", "-n", "60")
    assert "the file" in spoken.out and "PNG, one by one" in spoken.out and "check" in spoken.out
    assert f"1,920 bytes in (3,840 values of 4 bits), {found['bytes']:,} bytes out: ratio" in spoken.out


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
    assert sorted(p.name for p in back.iterdir()) == ["a.png", "b.png", "more", "some.npy"]
    assert said.json["pictures"] == 8 and said.json["complete"] and said.json["levels"] is None
    assert equal(a, back / "a.png") and equal(b, back / "b.png") and equal(other, back / "more" / "a.png")
    assert np.array_equal(np.load(back / "some.npy"), levels)


def test_no_picture_takes_the_place_of_another(command: Callable, run: Path, tmp_path: Path) -> None:
    """Names that clash, also with the name that one of them would get instead, and with that of a folder."""
    for folder in ("x", "y", "z/b.png"):
        (tmp_path / folder).mkdir(parents=True)
    x, y = tmp_path / "x", tmp_path / "y"
    pictures = [grey(x / "a-0002.png", seed=1), grey(y / "a.png", seed=2), y / "a.png", grey(x / "b.png", seed=3)]
    inner = grey(tmp_path / "z" / "b.png" / "c.png", seed=4)
    out, back = tmp_path / "n.hvz", tmp_path / "back"
    assert command("compress", run, *pictures, tmp_path / "z", out).code == 0
    said = command("decompress", out, back, "--json")
    names = ["a-0002.png", "a.png", "a-0002-2.png", "b.png", "b.png-c.png"]
    assert [Path(f).name for f in said.json["files"]] == names
    for picture, name in zip([*pictures, inner], names, strict=True):
        assert equal(picture, back / name), name


def test_names_that_are_not_utf8_are_refused_before_any_work(
    command: Callable, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    odd = grey(folder / os.fsdecode(b"\xff.png"))
    monkeypatch.setattr("hvae.study.inputs.fitting", lambda *_: pytest.fail("nothing is read"))
    for source in (folder, odd):
        said = command("compress", run, source, tmp_path / "a.hvz")
        assert said.code == 2 and "is not UTF-8" in said.err and said.err.strip().count("\n") == 0
    monkeypatch.undo()
    spoken = tmp_path / os.fsdecode(b"\xfe.hvz")
    assert command("compress", run, grey(tmp_path / "a.png"), spoken).code == 0
    assert command("decompress", spoken, tmp_path / os.fsdecode(b"\xfd")).code == 0


def test_destinations_are_looked_at_first(
    command: Callable, data_file: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the run is loaded, or a block is decoded; and what is there already stays."""
    for name in ("is.npy", "file"):
        (tmp_path / name).write_text("kept")
    (tmp_path / "dir.hvz").mkdir()
    for name in ("compress", "decompress"):
        monkeypatch.setattr(import_module(f"hvae.study.{name}"), "load", lambda *_: pytest.fail("nothing is loaded"))
    for words, message in (
        (["compress", run, "test", tmp_path / "dir.hvz"], "is a folder; name the .hvz file"),
        (["compress", run, "test", tmp_path / "file" / "a.hvz"], "could not write"),
        (["decompress", data_file, tmp_path / "is.npy"], "already exists"),
        (["decompress", data_file, tmp_path / "file"], "already exists"),
        (["decompress", data_file, tmp_path / "a.png"], "ends in .npy"),
        (["decompress", data_file, tmp_path / "a.webp"], "expected a .png file, or a folder"),
        (["decompress", data_file, tmp_path / "file" / "a.npy"], "could not write"),
        (["decompress", data_file, tmp_path / "a.npy", "--only", "40"], "expected an index of 0 to 39"),
    ):
        said = command(*words)
        assert said.code == 2 and message in said.err and said.err.strip().count("\n") == 0, said
    assert (tmp_path / "is.npy").read_text() == "kept"


def test_a_folder_may_have_a_dot_in_its_name(command: Callable, data_file: Path, tmp_path: Path) -> None:
    assert command("decompress", data_file, tmp_path / "new" / "back.v1").code == 0
    assert [p.name for p in (tmp_path / "new" / "back.v1").iterdir()] == ["test.npy"]


def test_a_lack_of_memory_is_one_line(
    command: Callable, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    assert command("compress", run, grey(tmp_path / "a.png"), tmp_path / "a.hvz").code == 0
    for place, words in (
        ("hvae.coding.files.reading.restore", ("decompress", tmp_path / "a.hvz", tmp_path / "b.png")),
        ("hvae.coding.lossless.codec.squeeze", ("compress", run, tmp_path / "a.png", tmp_path / "b.hvz")),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            said = command(*words)
        assert said.code == 2 and "not enough memory" in said.err and said.err.strip().count("\n") <= 1, said
    assert not (tmp_path / "b.png").exists() and not (tmp_path / "b.hvz").exists()


def test_what_the_model_did_not_code_has_no_rate(command: Callable, run: Path, tmp_path: Path) -> None:
    """A block whose images are all kept in a classic format, and a file that is classic as a whole."""
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", np.zeros((64, 1, 8, 8), np.uint8))
    orders = set()
    for name in ("a.png", "b.npy"):
        found = command("compress", run, tmp_path / name, tmp_path / "c.hvz", "--json").json
        orders.add(found["order"])
        assert found["net_bits_per_dim"] is None and found["elbo_bits_per_dim"] is None, found
    assert orders == {None, "classic"}


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
    said = command("compress", copy, "test", tmp_path / "b.hvz", "-n", "40", "--fineness", "4")
    assert said.code == 2 and "has the bins already" in said.err
    for damage in (
        "{",
        "[1]",
        "[" * 100_000,
        '{"z1": ' * 5_000,
        '{"z1": {"bits": 1e9}}',
        '{"z1": 3}',
        "\xff",
        '{"z1": NaN}',
    ):
        (copy / "bins.json").write_text(damage, encoding="latin-1")
        said = command("compress", copy, "test", tmp_path / "c.hvz", "-n", "4")
        assert said.code == 2 and "write it again with --calibrate" in said.err, (damage[:20], said.err)
    with open(copy / "bins.json", "wb") as file:
        file.truncate(1 << 34)
    assert "expected at most" in command("compress", copy, "test", tmp_path / "c.hvz", "-n", "4").err


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
        (["{run}", "hub:owner/pets", "out.hvz"], "hub:owner/pets: pictures of the hub are not read as files"),
        (["{run}", "{tmp}/clear.png", "out.hvz"], "has 3 channels and the model 1"),
        (["{run}", "{tmp}/text.png", "out.hvz"], "cannot read the picture"),
        (["{run}", "{tmp}/zero.png", "out.hvz"], "cannot read the picture"),
        (["{run}", "{tmp}/text.npy", "out.hvz"], "as .npy or .npz"),
        (["{run}", "test", "out.hvz", "--workers", "-2"], "--workers: expected at least 0, got -2"),
        (["{run}", "{tmp}/empty", "out.hvz"], "no image found below"),
        (["{run}", "{tmp}/wrong.npy", "out.hvz"], "expected whole numbers in {tmp}/wrong.npy, which come back"),
        (["nowhere", "{tmp}/a.png", "out.hvz"], "no run at nowhere"),
        (["{run}", "test", "out.hvz", "--batch", "1000"], "--batch: expected at most 64, got 1000"),
        (["{run}", "test", "out.hvz", "-n", "0"], "--number: expected at least 1, got 0"),
        (["{run}", "{tmp}/a.png", "out.hvz", "-n", "1"], "no input is test, valid, train"),
        (["{run}", "{tmp}/a.png", "out.hvz", "--data.path", "x"], "--data.path says nothing here"),
        (["{run}", "test", "out.hvz", "--train.steps", "5"], "--train.steps says nothing here"),
        (["{run}", "test", "out.hvz", "--fineness", "inf"], "--fineness: expected a finite number, got inf"),
        (["{run}", "test", "out.hvz", "--fineness", "nan"], "--fineness: expected a finite number, got nan"),
        (["{run}", "test", "out.hvz", "--fineness", "0"], "expected a fineness above 0"),
        (["{run}", "test", "out.hvz", "--fineness", "-1"], "expected a fineness above 0"),
        (["{run}", "test", "out.hvz", "--tile", "big"], "expected a size such as 64 or 48x64, or whole, got 'big'"),
        (["{run}", "test", "out.hvz", "--tile", "16"], "those of images of (1, 8, 8) alone"),
        (["{run}", "{tmp}/a.png", "{tmp}/b.png", "out.hvz", "--tile", "whole"], "pictures of one size, got 2 sizes"),
    ],
)
def test_faults_of_compress_are_one_line(
    command: Callable, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    Image.new("RGBA", (4, 4)).save(tmp_path / "clear.png")
    for name in ("text.png", "text.npy"):
        (tmp_path / name).write_text("neither a picture nor an array")
    (tmp_path / "zero.png").write_bytes(b"")
    grey(tmp_path / "a.png")
    grey(tmp_path / "b.png", (8, 8))
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "wrong.npy", np.zeros((2, 3)))
    monkeypatch.chdir(tmp_path)
    said = command("compress", *(word.format(run=run, tmp=tmp_path) for word in words))
    assert said.code == 2 and message.format(tmp=tmp_path) in said.err and said.err.strip().count("\n") <= 1
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
        ([tmp_path / "none.hvz", tmp_path / "a.npy"], "cannot read"),
        (["/dev/zero", tmp_path / "a.npy"], "expected a regular file, got a device"),
        ([data_file, tmp_path / "a.png"], "ends in .npy"),
        ([data_file, tmp_path / "full"], "already exists"),
        ([data_file, tmp_path / "a.npy", "--only", "99"], "expected an index of 0 to 39"),
    ):
        said = command("decompress", *words)
        assert said.code == 2 and message in said.err, said
        assert not (tmp_path / "a.npy").exists() and not (tmp_path / "a.png").exists()


def test_names_in_a_file_cannot_leave_the_folder(tmp_path: Path) -> None:
    from hvae.coding import Picture
    from hvae.study.writing import write_pictures

    names = (
        "../../etc/passwd",
        "/root/x",
        "..",
        "",
        "C:\\a\\b.png",
        "a/b",
        "x\0/..\\y\n.png",
        "n" * 300,
        "a/./D:..",
        "\1C:d:z",
    )
    pictures = [Picture(name, np.zeros((1, 2, 2), dtype=np.uint8), 2) for name in names]
    found = [str(p.relative_to(tmp_path / "to")) for p in write_pictures(pictures, tmp_path / "to", 8)]
    assert found[:5] == ["etc/passwd.png", "root/x.png", "0002.png", "0003.png", "a/b.png"]
    assert found[5:] == ["a/b-0005.png", "x/y.png", "n" * 200 + ".png", "a/0008.png", "z.png"]
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png")) == sorted(f"to/{f}" for f in found)


def test_pictures_with_more_than_a_model_knows_come_back(command: Callable, run: Path, tmp_path: Path) -> None:
    """Opacity and 16 bits, in one file with a plain grey, by one worker and by a chosen number."""
    rng, folder, back = np.random.default_rng(5), tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    levels = rng.integers(0, 16, (6, 9), dtype=np.uint8) * np.uint8(17)
    Image.fromarray(np.stack([levels, rng.integers(0, 256, (6, 9), dtype=np.uint8)], 2)).save(folder / "clear.png")
    deep = levels.astype(np.uint16) << 8 | rng.integers(0, 256, (6, 9), dtype=np.uint16)
    Image.fromarray(deep).save(folder / "deep.png")
    grey(folder / "grey.png")
    said = command("compress", run, folder, tmp_path / "a.hvz", "--json", "--workers", "1")
    assert said.code == 0, said.err
    assert said.json["rivals"] == {}  # formats that would not hold all of it are no rivals
    assert command("decompress", tmp_path / "a.hvz", back, "--workers", "0").code == 0
    for name in ("clear.png", "deep.png", "grey.png"):
        assert equal(folder / name, back / name), name


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_nothing_and_keeps_what_was_there(
    command: Callable, run: Path, data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, folder = tmp_path / "here" / "a.hvz", tmp_path / "here"
    folder.mkdir()
    out.write_bytes(b"an older file")
    monkeypatch.setattr("hvae.files._flush", no_space)
    for words, place in (
        (("compress", run, "test", out, "-n", "20"), out),
        (("decompress", data_file, folder / "back.npy"), folder / "back.npy"),
        (("decompress", data_file, folder / "back"), folder / "back"),
    ):
        said = command(*words)
        assert said.code == 2 and "No space left on device" in said.err, said
        assert str(place.parent) in said.err and said.err.strip().count("\n") <= 1
    assert [p.name for p in folder.iterdir()] == ["a.hvz"] and out.read_bytes() == b"an older file"


def test_a_folder_that_cannot_be_written_is_named(command: Callable, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said = command("compress", run, "test", tmp_path / "file" / "a.hvz", "-n", "20")
    assert said.code == 2 and "could not write" in said.err and said.err.strip().count("\n") <= 1


def test_sizes_that_a_file_claims_are_not_believed(
    command: Callable, data_file: Path, run: Path, tmp_path: Path
) -> None:
    """A header whose checksum fits, with pictures of 2^31 x 2^31, or 2^40 of them, or blocks that are not there."""
    from dataclasses import replace

    from hvae.coding import read
    from hvae.coding.files.container import write

    file = read(data_file.read_bytes())
    item, block = file.header.items[0], file.header.blocks[0]
    payloads = [file.payload(i) for i in range(len(file.payloads))]
    for changes in (
        {"items": (replace(item, height=2**31, width=2**31),)},
        {"items": (replace(item, count=2**40),)},
        {"blocks": (replace(block, count=2**40), *file.header.blocks[1:])},
        {"blocks": (replace(block, size=2**40), *file.header.blocks[1:])},
        {"shape": (2**31, 2**31, 2**31)},
    ):
        (tmp_path / "forged.hvz").write_bytes(write(replace(file.header, **changes), payloads))
        said = command("decompress", tmp_path / "forged.hvz", tmp_path / "out", "--run", run)
        assert said.code == 2 and said.err.strip().count("\n") <= 1, said
        assert not (tmp_path / "out").exists()
