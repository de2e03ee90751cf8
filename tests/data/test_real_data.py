"""The known sets as they really are; skipped where the files are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvae.config.data import DataConfig
from hvae.data import ImageData, generator, known_sets, load


def read(name: str, root: Path | str) -> ImageData:
    found = {entry["name"]: entry["found"] for entry in known_sets(str(root))}
    if not found[name.removesuffix("-dynamic")]:
        pytest.skip(f"needs real data: no {name} below {root} or on this machine")
    return load(DataConfig(name=name, root=str(root), download=False))


def test_mnist(data_root: Path) -> None:
    data = read("mnist", data_root)
    assert (len(data.train), len(data.valid), len(data.test)) == (54_000, 6_000, 10_000)
    # The published mean of the 60,000 training images is 0.1307.
    assert data.train.pictures(range(54_000)).mean() == pytest.approx(0.1307, abs=5e-4)
    assert data.test.labels is not None and data.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert data.provenance.version == ""


def test_mnist_dynamic(data_root: Path) -> None:
    data = read("mnist-dynamic", data_root)
    assert data.train.pictures(range(20_000), generator(0)).mean() == pytest.approx(0.1307, abs=2e-3)
    assert data.test.pictures(range(9)).unique().tolist() == [0, 1]


def test_static_mnist(data_root: Path) -> None:
    data = read("mnist-static", data_root)
    assert (len(data.train), len(data.valid), len(data.test)) == (50_000, 10_000, 10_000)
    assert data.provenance.checksums["test"].startswith("ca0294c3")
    assert data.train.pictures(range(50_000)).mean() == pytest.approx(0.13, abs=0.005)


def test_fashion_mnist() -> None:
    data = read("fashion-mnist", "")
    assert (len(data.train) + len(data.valid), len(data.test)) == (60_000, 10_000)
    assert data.train.pictures(range(54_000)).mean() == pytest.approx(0.2860, abs=1e-3)  # as published


def test_omniglot(data_root: Path) -> None:
    data = read("omniglot", data_root)
    assert (len(data.train) + len(data.valid), len(data.test)) == (24_345, 8_115)
    assert data.test.labels is not None and len(data.test.labels.unique()) == 1623


def test_cifar10(data_root: Path) -> None:
    data = read("cifar10", data_root)
    assert data.shape == (3, 32, 32) and len(data.train) + len(data.valid) == 50_000
    mean = data.train.levels(range(45_000)).double().mean((0, 2, 3)) / 255
    assert mean.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-3)  # as published
    assert (data.provenance.version == "") == (len(data.test) == 10_000)
