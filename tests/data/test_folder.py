from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvae import picturefiles
from hvae.config.data import DataConfig
from hvae.data import ImageData, Provenance, decoding, load
from hvae.data.transforms import fit_one
from hvae.errors import HvaeError
from hvae.picturefolders import GONE, listed
from hvae.screen.text import for_screen

rng = np.random.default_rng(0)


def save(path: Path, shape: tuple[int, ...] = (6, 5, 3), *, kind: type = np.uint8, **options: object) -> np.ndarray:
    """A random picture at `path`; its pixels."""
    pixels = rng.integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def read(path: Path, **wishes: object) -> ImageData:
    return load(DataConfig(**{"name": "folder", "path": str(path), "valid": 0, "test": 0, **wishes}))


def test_sorted_pictures_with_classes(tmp_path: Path) -> None:
    pixels = [save(tmp_path / name) for name in ("b/0.png", "a/1.bmp", "a/0.webp", "c d/deep/x.TIF", "c/9.png")]
    pixels[2] = np.asarray(Image.open(tmp_path / "a/0.webp"))  # this one was lossy
    for ignored in ("notes.txt", ".hidden.png", ".thumbs/0.png", "a/readme.md"):
        (tmp_path / ignored).parent.mkdir(exist_ok=True)
        (tmp_path / ignored).write_text("no picture")
    data = read(tmp_path)
    order = [2, 1, 0, 4, 3]
    assert data.classes == ("a", "b", "c", "c d")
    assert data.train.labels is not None and data.train.labels.tolist() == [0, 0, 1, 2, 3]
    assert (data.train.levels(range(5)).numpy() == np.stack([pixels[i] for i in order]).transpose(0, 3, 1, 2)).all()
    assert data.shape == (3, 6, 5) and data.bits == 8
    assert data.provenance.name == f"folder:{tmp_path.name}"


def test_split_folders(tmp_path: Path) -> None:
    for split, n in (("train", 4), ("val", 2), ("test", 3)):
        for i in range(n):
            save(tmp_path / split / f"{i}.png")
    data = read(tmp_path, valid=0.5, test=0.5)
    assert (len(data.train), len(data.valid), len(data.test)) == (4, 2, 3)
    assert data.train.labels is None and data.classes == () and data.provenance.version == ""


def test_classes_agree_between_splits(tmp_path: Path) -> None:
    for place in ("train/a", "train/b", "test/b", "test/c"):
        save(tmp_path / place / "0.png")
    data = read(tmp_path)
    assert data.classes == ("a", "b", "c")
    assert data.test.labels is not None and data.test.labels.tolist() == [1, 2]


def test_pictures_beside_folders_have_no_labels(tmp_path: Path) -> None:
    for place in ("0.png", "a/0.png"):
        save(tmp_path / place)
    assert read(tmp_path).train.labels is None


def test_the_second_time_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "0.png")
    save(tmp_path / "1.png")
    first = read(tmp_path)

    def fail(*_: object) -> None:
        pytest.fail("decoded again")

    with monkeypatch.context() as patched:
        patched.setattr(decoding, "_levels", fail)
        again = read(tmp_path)
        assert again.provenance == first.provenance
        with pytest.raises(pytest.fail.Exception, match="decoded again"):
            read(tmp_path, bits=5)
    save(tmp_path / "1.png")
    assert read(tmp_path).provenance.checksums != first.provenance.checksums


def test_half_a_cache_is_decoded_again(tmp_path: Path, cache: Path) -> None:
    save(tmp_path / "0.png")
    first = read(tmp_path)
    next(cache.rglob("train.npy")).unlink()
    assert read(tmp_path).provenance == first.provenance


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "0.png")
    save(tmp_path / "1.png")

    class Full:
        def tobytes(self) -> bytes:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(decoding, "_levels", lambda *_: Full())
        with pytest.raises(HvaeError, match="No space left on device; free some space"):
            read(tmp_path)
    assert not [file for file in cache.rglob("*") if file.is_file()]
    assert len(read(tmp_path).train) == 2


def test_grey_stays_grey_and_colour_wins(tmp_path: Path) -> None:
    grey = save(tmp_path / "0.png", (4, 4))
    assert read(tmp_path).shape == (1, 4, 4)
    assert read(tmp_path, channels=3).train.levels([0]).numpy()[0, 2].tolist() == grey.tolist()
    save(tmp_path / "1.png", (4, 4, 3))
    assert read(tmp_path).shape == (3, 4, 4)
    assert read(tmp_path, channels=1).shape == (1, 4, 4)


def test_sixteen_bits(tmp_path: Path) -> None:
    deep = save(tmp_path / "0.png", (4, 5), kind=np.uint16)
    data = read(tmp_path)
    assert data.bits == 16 and (data.train.levels([0]).numpy()[0, 0] == deep).all()
    assert np.allclose(data.train.pictures([0]).numpy()[0, 0], deep / 65535, atol=1e-7)
    assert (read(tmp_path, bits=12).train.levels([0]).numpy()[0, 0] == deep >> 4).all()
    assert read(tmp_path, size=(2, 2), crop="center").train.levels([0]).max() > 255
    shallow = save(tmp_path / "1.png", (4, 5))
    with pytest.raises(HvaeError, match=r"0.png with 16 bits and .*1.png with 8 bits; set data.bits=8"):
        read(tmp_path)
    both = read(tmp_path, bits=8).train.levels([0, 1]).numpy()[:, 0]
    assert (both == np.stack([deep >> 8, shallow])).all()
    with pytest.raises(HvaeError, match=r"at most data.bits=8, which is what .*1.png holds, got 12"):
        read(tmp_path, bits=12)


def _deep_png(kind: int, channels: int) -> bytes:
    """A PNG of 16 bits a channel, which Pillow reads and does not write."""
    rows = rng.integers(0, 65536, (4, 3 * channels)).astype(">u2")
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 3, 4, 16, kind, 0, 0, 0),
        b"IDAT": zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)),
        b"IEND": b"",
    }
    packed = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (4, 2), (6, 4)], ids=["RGB", "LA", "RGBA"])
def test_sixteen_bit_colour_is_said_to_be_read_at_eight(kind: int, channels: int, tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(_deep_png(kind, channels))
    save(tmp_path / "1.png", (4, 3, 3))
    tally = read(tmp_path).provenance.tally
    assert tally.narrowed == 1 and "1 picture of 16-bit colour, read at 8 bits" in str(tally)
    (tmp_path / "0.png").unlink()
    save(tmp_path / "2.png", (4, 3), kind=np.uint16)
    assert read(tmp_path, bits=8).provenance.tally.narrowed == 0  # grey of 16 bits is read as it is


def test_a_transparent_value_of_sixteen_bits_is_white(tmp_path: Path) -> None:
    pixels = save(tmp_path / "0.png", (4, 3), kind=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "0.png", transparency=int(pixels[0, 0]))
    assert read(tmp_path).train.levels([0])[0, 0, 0, 0] == 65535


def test_one_bit_pictures_are_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "0.png")
    assert read(tmp_path).train.pictures([0]).flatten().tolist() == [1, 0]
    assert read(tmp_path, bits=1).provenance.binarisation == "threshold"


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    clear = np.zeros((2, 2, 4), np.uint8)
    clear[0, 0] = [10, 20, 30, 255]
    Image.fromarray(clear).save(tmp_path / "0.png")
    data = read(tmp_path)
    levels = data.train.levels([0])[0]
    assert levels[:, 0, 0].tolist() == [10, 20, 30] and (levels[:, 1] == 255).all()
    assert "transparency laid on white" in data.provenance.transforms


def test_orientation_is_obeyed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter: stored 4 high and 6 wide, seen 6 high and 4 wide
    save(tmp_path / "0.png", (4, 6), exif=exif)
    assert read(tmp_path).shape == (1, 6, 4)


def test_sizes_must_agree_or_be_settled(tmp_path: Path) -> None:
    save(tmp_path / "0.png", (6, 5))
    save(tmp_path / "1.png", (6, 5))
    save(tmp_path / "2.png", (7, 5))
    with pytest.raises(HvaeError, match=r"0.png with 6x5 and .*2.png with 7x5; set data.size") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)
    data = read(tmp_path, size=(4, 4), crop="center")
    assert data.shape == (1, 4, 4) and "decoded to 4x4 by crop=center" in data.provenance.transforms[0]


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=r"no image found below .*expected files that end in .png"):
        read(tmp_path)
    save(tmp_path / "train" / "0.png")
    (tmp_path / "test").mkdir()
    with pytest.raises(HvaeError, match=r"no image found below .*test"):
        read(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="no such folder"):
        read(tmp_path / "nothing")


@pytest.mark.parametrize("keep", [0, 20, 200])
def test_an_unreadable_picture_is_named(tmp_path: Path, keep: int) -> None:
    save(tmp_path / "good.png", (40, 40))
    save(tmp_path / "torn.png", (40, 40))
    torn = tmp_path / "torn.png"
    torn.write_bytes(torn.read_bytes()[:keep])
    with pytest.raises(HvaeError, match=r"cannot read the picture .*torn.png: ") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_float_pictures_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "0.tif")
    with pytest.raises(HvaeError, match="it holds floats"):
        read(tmp_path)


def test_each_real_file_is_read_once(tmp_path: Path) -> None:
    for name in ("a/0.png", "a/1.png", "b/2.png"):
        save(tmp_path / name)
    for link, to in {"self": ".", "a/up": "..", "b/again.png": "../a/0.png", "c": "a"}.items():
        (tmp_path / link).symlink_to(to)
    os.link(tmp_path / "a/1.png", tmp_path / "b/hard.png")
    data = read(tmp_path)
    assert data.train.names() == ["a/0.png", "a/1.png", "b/2.png"] and data.classes == ("a", "b")
    tally = data.provenance.tally
    assert (tally.files, tally.used) == (5, 3)
    assert tally.unused == {"folders linked twice": 3, "linked twice": 2}


def test_a_link_is_no_rival_of_what_it_leads_to(tmp_path: Path) -> None:
    """The class is that of the real folder, and of the real file, wherever the link stands in the order of names."""
    for name in ("b/deep/0.png", "c/1.png", "d/2.png"):
        save(tmp_path / name)
    (tmp_path / "a").mkdir()
    for link, to in {"a/early": "../b/deep", "a/one.png": "../c/1.png", "late": "d"}.items():
        (tmp_path / link).symlink_to(to)
    data = read(tmp_path)
    assert data.train.names() == ["b/deep/0.png", "c/1.png", "d/2.png"] and data.classes == ("b", "c", "d")


def test_a_split_that_is_a_link_to_another_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "train" / "0.png")
    (tmp_path / "test").symlink_to("train")
    with pytest.raises(HvaeError, match=r"no image found below .*test; .*linked twice counts once, elsewhere: 1 "):
        read(tmp_path)


@pytest.mark.parametrize("names", [("data/train", "data/test"), ("a/Train/x", "a/val/x", "b/train/x", "b/val/x")])
def test_splits_further_down_are_said_to_be_read_as_one(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        save(tmp_path / name / "0.png")
    data = read(tmp_path)
    assert len(data.train) == len(names) and f"below {names[0][: names[0].index('/')]}" in str(data.provenance.tally)
    below = read(tmp_path / names[0].split("/")[0])
    assert len(below.train) == 1 and not below.provenance.tally.merged


def test_what_is_hidden_is_counted(tmp_path: Path) -> None:
    for name in ("0.png", ".1.png", ".thumbs/2.png"):
        save(tmp_path / name)
    assert str(read(tmp_path).provenance.tally) == "2 files, 1 image used; not used: 1 hidden, 1 hidden folder"


def test_a_class_named_like_a_split_is_a_class(tmp_path: Path) -> None:
    for name in ("train", "bus", "car"):
        save(tmp_path / name / "0.png")
    data = read(tmp_path)
    assert data.classes == ("bus", "car", "train") and len(data.train) == 3


def test_splits_beside_classes_are_refused(tmp_path: Path) -> None:
    for name in ("train", "test", "car"):
        save(tmp_path / name / "0.png")
    with pytest.raises(HvaeError, match=r"got test, train beside car; move or rename"):
        read(tmp_path)
    (tmp_path / "car" / "0.png").rename(tmp_path / "loose.png")
    data = read(tmp_path)
    assert (len(data.train), len(data.test)) == (1, 1)
    assert data.provenance.tally.unused == {"beside the folders of the splits": 1}
    save(tmp_path / "Testing" / "0.png")
    with pytest.raises(HvaeError, match=r"expected one folder a split.*two are of test"):
        read(tmp_path)


@pytest.mark.parametrize("form", ["TIFF", "GIF", "WEBP", "PNG"])
def test_pages_are_read_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(decoding, "TOGETHER", 16)
    pages = [Image.fromarray(np.full((4, 5), 9 * i % 256, np.uint8)) for i in range(70)]
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / f"stack.{form.lower()}"
    pages[0].save(path, form, save_all=True, append_images=pages[1:], **({"lossless": True} if form == "WEBP" else {}))
    save(tmp_path / "b" / "0.png", (4, 5))
    first = read(tmp_path)
    assert len(first.train) == 2 and first.provenance.tally.further == 1
    assert "1 file with further pages, of which the first is used" in str(first.provenance)
    data = read(tmp_path, pages="all", channels=1)
    assert data.train.levels(range(70)).numpy()[:, 0, 0, 0].tolist() == [9 * i % 256 for i in range(70)]
    assert data.train.labels is not None and data.train.labels.tolist() == [0] * 70 + [1]
    assert data.train.names()[68:] == [f"{path.relative_to(tmp_path)}[{i}]" for i in (68, 69)] + ["b/0.png"]
    assert data.provenance.tally.pages == 69


def hostile(folder: Path) -> list[str]:
    """Files that are no pictures, of many kinds, beside two good ones; their names."""
    for name in ("good/0.png", "good/1.png"):
        save(folder / name, (64, 64))
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to("nowhere")
    (folder / "text\n.png").write_text("no picture")
    os.close(os.open(os.fsencode(folder) + b"/caf\xe9.png", os.O_CREAT))
    for form in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"):
        whole = folder / "whole"
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole, form)
        (folder / f"cut.{form.lower()}").write_bytes(whole.read_bytes()[:-200])
    whole.unlink()
    return [for_screen(file.path) for file in listed(folder).files if file.path.parent == folder]


def test_unreadable_pictures_are_named_at_once_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = hostile(tmp_path)
    assert len(names) == 12
    with monkeypatch.context() as patched:
        patched.setattr(decoding, "_levels", lambda *_: pytest.fail("decoded before all were looked at"))
        with pytest.raises(HvaeError, match="cannot read 12 pictures") as caught:
            read(tmp_path)
    assert all(name in str(caught.value) for name in names) and "data.bad=skip" in str(caught.value)
    with pytest.raises(HvaeError, match="cannot read the picture .*; replace it or take it out$"):
        read(tmp_path / "cut.png")
    data = read(tmp_path, bad="skip")
    assert data.train.names() == ["good/0.png", "good/1.png"]
    tally = data.provenance.tally
    assert tally.unused == {"unreadable": 12} and sorted(name for name, _ in tally.bad) == sorted(names)
    assert Provenance.from_dict(json.loads(json.dumps(data.provenance.to_dict()))) == data.provenance
    with pytest.raises(HvaeError, match="cannot read 12 pictures"):
        read(tmp_path)  # and not what is in the cache


def test_what_only_decoding_tells_is_named_at_once_too(tmp_path: Path) -> None:
    for i in range(5):
        save(tmp_path / f"{i}.png", (40, 40))
    for i in (1, 3):
        content = bytearray((tmp_path / f"{i}.png").read_bytes())
        content[300:320] = bytes(20)
        (tmp_path / f"{i}.png").write_bytes(content)
    with pytest.raises(HvaeError, match=r"cannot read 2 pictures: .*1.png.*3.png"):
        read(tmp_path)
    data = read(tmp_path, bad="skip")
    assert data.train.names() == ["0.png", "2.png", "4.png"]
    assert (data.train.levels([1]).numpy()[0, 0] == np.asarray(Image.open(tmp_path / "2.png"))).all()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as hvae does outside of tests
@pytest.mark.parametrize(("side", "got"), [(13_300, "got 13,300 x 13,300"), (20_000, "got more than twice as many")])
def test_pictures_too_large_are_refused_by_their_header(side: int, got: str, tmp_path: Path) -> None:
    ends = b"\x00\x00\x00\x0d" + b"IHDR" + side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    head = b"\x89PNG\r\n\x1a\n" + ends + zlib.crc32(ends[4:]).to_bytes(4, "big")
    for i in range(4):
        save(tmp_path / f"{i}.png")
        (tmp_path / f"{i}.png").write_bytes(head + (tmp_path / f"{i}.png").read_bytes()[33:])
    with pytest.raises(HvaeError, match=f"cannot read 4 pictures.*at most 89,478,485 pixels, {got}"):
        read(tmp_path, size=(32, 32))


NETPBM = {
    "a comment without an end": b"P6 #" + b"c" * 70_000,
    "comments before the size": b"P3\n" + b"#\n" * 40_000 + b"6 5 255\n" + b"1 " * 90,
    "a size without an end": b"P4 " + b"9" * 70_000,
    "blanks": b"P5" + b" " * 70_000 + b"6 5 255 " + bytes(30),
    "comments among the numbers": b"P2 6 5 255\n" + b"1\n#\n" * 1001 + b"1 " * 90,
}


@pytest.mark.parametrize("content", NETPBM.values(), ids=NETPBM)
def test_netpbm_files_that_only_take_time(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.ppm").write_bytes(content)
    with pytest.raises(HvaeError, match="header does not end within|at most 1,000 comments"):
        read(tmp_path)


@pytest.mark.parametrize("form", [b"P2 #a\n#b\n6#c\n 5\n255 #d\n" + b"7 #e\n" * 30, b"P5\n#a\n6 5\n255\n" + b"\7" * 30])
def test_netpbm_files_with_comments_are_read(tmp_path: Path, form: bytes) -> None:
    (tmp_path / "0.pgm").write_bytes(form)
    assert (read(tmp_path).train.levels([0]) == 7).all()


@pytest.mark.parametrize(("mode", "wide"), [("L", False), ("L", True), ("I;16B", False)])
def test_a_tiff_of_a_million_strips_or_tags_is_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, wide: bool
) -> None:
    page, file = Image.new(mode, (2, 40)), tmp_path / "0.tif"
    page.save(file, big_tiff=wide, tiffinfo={278: 1}, save_all=True, append_images=[page, page])
    assert file.read_bytes()[:2] == (b"MM" if mode == "I;16B" else b"II")
    assert len(read(tmp_path, pages="all").train) == 3
    monkeypatch.setattr(picturefiles, "MOST_PARTS", 200)
    turned = file.read_bytes()[3:1:-1]  # Pillow reads on behind these too
    for content in (file.read_bytes(), file.read_bytes()[:2] + turned + file.read_bytes()[4:])[: 2 - wide]:
        file.write_bytes(content)
        with pytest.raises(HvaeError, match="at most 200 tags and strips, got"):
            read(tmp_path, size=(2, 1))


def scans(path: Path) -> None:
    Image.new("L", (512, 512)).save(path, "JPEG", progressive=True)
    whole = path.read_bytes()
    last = whole.rindex(b"\xff\xda")
    path.write_bytes(whole[:-2] + whole[last:-2] * 300 + whole[-2:])


def frames(path: Path) -> None:
    Image.new("L", (512, 512)).save(path, "GIF")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + whole[whole.index(b",", 13) : -1] * 30 + b";")


def directories(path: Path) -> None:
    black = Image.new("L", (512, 512))
    black.save(path, "TIFF", compression="tiff_deflate", save_all=True, append_images=[black] * 30)


@pytest.mark.parametrize("make", [scans, frames, directories])
def test_small_files_of_endless_work_are_refused_by_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "0.png")
    monkeypatch.setattr(picturefiles, "MOST_WORK", 4 * 512**2)
    monkeypatch.setattr(picturefiles, "MOST_FOLD", 40)
    with pytest.raises(HvaeError, match="pixels of work"):
        read(tmp_path, pages="all", size=(8, 8))
    monkeypatch.undo()
    assert len(read(tmp_path, size=(8, 8)).train) == 1


def test_large_pictures_come_out_as_small_ones_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = save(tmp_path / "0.png", (90, 70, 3))
    monkeypatch.setattr(decoding, "LARGE", 1000)
    for crop in ("none", "center"):
        plain = fit_one(pixels.transpose(2, 0, 1), (16, 24), crop, 8)
        assert (read(tmp_path, size=(16, 24), crop=crop).train.levels([0]).numpy()[0] == plain).all()


def test_folders_far_down_are_counted_and_left(tmp_path: Path) -> None:
    save(tmp_path / "0.png")
    save(tmp_path.joinpath(*("d" * 150)) / "1.png")
    tally = read(tmp_path).provenance.tally
    assert tally.used == 1 and tally.unused == {"folders more than 100 deep": 1}


def test_the_same_picture_in_two_splits_is_counted(tmp_path: Path) -> None:
    for name in ("train/0.png", "train/1.png", "test/0.png"):
        save(tmp_path / name)
    shutil.copy(tmp_path / "train/1.png", tmp_path / "test/1.png")
    record = read(tmp_path).provenance
    assert record.tally.duplicates == {"train/test": 1} and "1 image of test is also in train" in str(record)


def test_names_that_are_not_text(tmp_path: Path) -> None:
    for folder in (b"caf\xe9", b"a\nb"):
        os.mkdir(os.fsencode(tmp_path) + b"/" + folder)
        save(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + folder)) / "0.png")
    data = read(tmp_path)
    assert data.classes == ("a\\nb", "caf\\udce9")
    # The names of the files themselves: whoever shows them makes them fit for where they go.
    assert all((tmp_path / name).is_file() for name in data.train.names())
    assert json.dumps(data.provenance.to_dict())


def test_formats_are_told_by_content_and_few(tmp_path: Path) -> None:
    Image.fromarray(rng.integers(0, 256, (4, 4), dtype=np.uint8)).save(tmp_path / "jpeg.png", "JPEG")
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    data = read(tmp_path, bad="skip")
    assert data.train.names() == ["jpeg.png"] and "none of PNG, JPEG" in data.provenance.tally.bad[0][1]


def test_a_file_that_goes_while_its_folder_is_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png", "c.part"):
        (tmp_path / name).touch()
    actual = os.scandir

    def going(folder: Path) -> nullcontext[list[os.DirEntry[str]]]:
        entries = list(actual(folder))
        for name in ("b.png", "c.part"):
            (tmp_path / name).unlink()
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", going)
    listing = listed(tmp_path)
    assert [file.path.name for file in listing.files] == ["a.png"] and listing.passed_over == {GONE: 2}
