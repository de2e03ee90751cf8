from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvae.config.data import DataConfig
from hvae.data import ImageData, load, pictures
from hvae.errors import HvaeError

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
        patched.setattr(pictures, "_levels", fail)
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
        patched.setattr(pictures, "_levels", lambda *_: Full())
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
