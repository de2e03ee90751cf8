"""Downsampled ImageNet in its two forms: found by its files, told apart by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hvae.config.data import IMAGENET, DataConfig
from hvae.data import differences, load
from hvae.data.imagenet import BATCHES
from hvae.errors import HvaeError

RANDOM = np.random.default_rng(0)


def old(folder: Path, side: int = 32) -> np.ndarray:
    test = RANDOM.integers(0, 256, (5, side, side, 3), np.uint8)
    folder.mkdir()
    np.save(folder / f"imagenet{side}-train.npy", RANDOM.integers(0, 256, (20, side, side, 3), np.uint8))
    np.save(folder / f"imagenet{side}-valid.npy", test)
    return test


def new(folder: Path, side: int = 32) -> np.ndarray:
    test = RANDOM.integers(0, 256, (4, 3 * side * side), np.uint8)
    folder.mkdir()
    for k, name in enumerate(BATCHES):
        images = RANDOM.integers(0, 256, (2 + k, 3 * side * side), np.uint8)
        np.savez(folder / name, data=images, labels=np.arange(1, 3 + k))
    np.savez(folder / "val_data.npz", data=test, labels=np.arange(1, 5))
    return test


@pytest.mark.parametrize("side", [32, 64])
def test_the_old_form(tmp_path: Path, side: int) -> None:
    images = old(tmp_path / f"imagenet{side}", side)
    data = load(DataConfig(name=f"imagenet{side}-old", root=str(tmp_path), valid=4))
    assert (len(data.train), len(data.valid), len(data.test)) == (16, 4, 5)
    assert data.shape == (3, side, side) and data.bits == 8
    assert np.array_equal((data.test.pictures([2])[0] * 255).round().numpy(), images[2].transpose(2, 0, 1))
    assert data.provenance.name == f"imagenet{side}-old" and "1601.06759" in data.provenance.version
    assert "5 of 49,999 test images" in data.provenance.version


def test_the_new_form(tmp_path: Path) -> None:
    images = new(tmp_path / "imagenet32-new")
    data = load(DataConfig(name="imagenet32-new", root=str(tmp_path), valid=0))
    assert len(data.train) == sum(range(2, 12)) and len(data.test) == 4
    assert np.array_equal((data.test.pictures([1])[0] * 255).round().numpy(), images[1].reshape(3, 32, 32))
    assert "1707.08819" in data.provenance.version


def test_numbers_of_the_two_are_not_compared(tmp_path: Path) -> None:
    old(tmp_path / "imagenet32-old")
    new(tmp_path / "imagenet32-new")
    one, two = (load(DataConfig(name=f"imagenet32-{form}", root=str(tmp_path))).provenance for form in ("old", "new"))
    assert differences(one, two) == ["name", "version", "test checksum"]


def test_files_that_are_something_else(tmp_path: Path) -> None:
    old(tmp_path / "imagenet32", 64)
    for file in list((tmp_path / "imagenet32").iterdir()):
        file.rename(file.with_name(file.name.replace("64", "32")))
    with pytest.raises(HvaeError, match=r"expected bytes \(N, 32, 32, 3\), got uint8 \(20, 64, 64, 3\)"):
        load(DataConfig(name="imagenet32-old", root=str(tmp_path)))
    new(tmp_path / "imagenet32-new")
    np.savez(tmp_path / "imagenet32-new" / "val_data.npz", images=np.zeros(3))
    with pytest.raises(HvaeError, match=r"expected an array data of bytes \(N, 3072\), got none"):
        load(DataConfig(name="imagenet32-new", root=str(tmp_path)))


@pytest.mark.parametrize("name", IMAGENET)
def test_nobody_serves_it(name: str) -> None:
    with pytest.raises(HvaeError, match="without an account .*image-net.org.*data.root") as caught:
        load(DataConfig(name=name))
    assert "\n" not in str(caught.value)
