"""NaN in arrays: what is missing is not observed, enters no number, and is where it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hvae.config.data import DataConfig
from hvae.data import load
from hvae.data.sources import as_batches
from hvae.errors import HvaeError


def gaps(path: Path, shape: tuple[int, ...] = (40, 6, 5), share: float = 0.3) -> np.ndarray:
    random = np.random.default_rng(0)
    x = random.integers(0, 256, shape).astype(np.float32) / 255
    x[random.random(shape) < share] = np.nan
    np.savez(path, train=x)
    return x


def config(path: Path, **keys: object) -> DataConfig:
    return DataConfig(name="npy", path=str(path), **{"valid": 5, "test": 5, **keys})


@pytest.mark.parametrize("shape", [(40, 6, 5), (40, 6, 5, 3), (40, 7)], ids=str)
def test_what_is_missing_is_not_observed(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = gaps(tmp_path / "x.npz", shape)
    data = load(config(tmp_path / "x.npz", valid=0, test=0))
    datum = data.train.batch(range(40))
    x = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
    assert np.array_equal(datum.observed.numpy(), ~np.isnan(x))
    np.testing.assert_allclose(datum.x.numpy(), np.nan_to_num(x), atol=1e-6)
    assert any("values missing (NaN)" in note for note in data.provenance.transforms)
    assert np.array_equal(datum.values.numpy(), (~np.isnan(x)).reshape(40, -1).sum(1))


def test_splits_and_subsets_keep_their_gaps(tmp_path: Path) -> None:
    gaps(tmp_path / "x.npz")
    data = load(config(tmp_path / "x.npz"))
    splits = (data.train, data.valid, data.test)
    lost = sum(int((~split.batch(range(len(split))).observed).sum()) for split in splits)
    assert lost == int(np.isnan(np.load(tmp_path / "x.npz")["train"]).sum())
    some = data.train.some([3, 1]).batch([0, 1])
    assert torch.equal(some.observed, data.train.batch([3, 1]).observed)


def test_whole_data_have_no_mask(tmp_path: Path) -> None:
    gaps(tmp_path / "x.npz", share=0.0)
    assert load(config(tmp_path / "x.npz")).train.batch([0]).observed is None


@pytest.mark.parametrize("keys", [{"size": (8, 8)}, {"channels": 3}, {"flip": True}], ids=str)
def test_what_would_move_or_mix_gaps_is_refused(keys: dict[str, object], tmp_path: Path) -> None:
    gaps(tmp_path / "x.npz")
    with pytest.raises(HvaeError, match="stay as they are, since some of their values are missing"):
        load(config(tmp_path / "x.npz", **keys))


def test_nothing_but_gaps_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=np.full((4, 3, 3), np.nan, np.float32))
    with pytest.raises(HvaeError, match="NaN alone"):
        load(config(tmp_path / "x.npz"))


@pytest.mark.parametrize("kind", ["array", "tensor", "pair", "items"])
def test_data_in_memory_may_have_gaps(kind: str) -> None:
    x = np.random.default_rng(0).random((9, 4), np.float32)
    x[2, 1] = x[5] = np.nan
    y = np.arange(9)
    source = {"array": x, "tensor": torch.from_numpy(x), "pair": (x, y), "items": list(zip(x, y, strict=True))}[kind]
    datum = as_batches(source).batch(torch.tensor([2, 5, 0]), torch.Generator())
    assert datum.values.tolist() == [3, 0, 4] and bool(datum.x.isfinite().all())
    assert ("label" in datum.context) == (kind in ("pair", "items"))
