from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hvae.config.data import DataConfig
from hvae.data import load
from hvae.data.factors import _sprites, read_factors
from hvae.data.shapes import shapes
from hvae.errors import HvaeError


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def pictures(n: int = 12) -> Any:
    return np.random.default_rng(0).integers(256, size=(n, 5, 4), dtype=np.uint8)


def test_own_files_with_names(tmp_path: Path) -> None:
    factors = np.stack([np.arange(12) % 3, 7 * (np.arange(12) % 2), np.zeros(12, int)], 1)
    path = write(tmp_path / "own.npz", images=pictures(), factors=factors, factor_names=["hue", "size", "none"])
    found = read_factors(path)
    # The factor that never varies is left out, and values are counted without gaps.
    assert found.names == ("hue", "size") and found.sizes == (3, 2)
    assert found.factors[:, 1].tolist() == [0, 1] * 6
    assert found.images.pictures([3]).shape == (1, 1, 5, 4) and len(found) == 12


def test_dsprites_as_published(tmp_path: Path) -> None:
    grid = np.stack(np.unravel_index(np.arange(48), (1, 3, 2, 2, 2, 2)), 1)
    found = read_factors(write(tmp_path / "d.npz", imgs=pictures(48) // 128, latents_classes=grid))
    assert found.names == ("shape", "scale", "orientation", "x", "y") and found.sizes == (3, 2, 2, 2, 2)
    assert found.images.depth == 1


def test_saved_factors_come_back_and_train(tmp_path: Path) -> None:
    made = shapes(size=16, positions=3, orientations=2, scales=2)
    made.save(tmp_path / "shapes.npz")
    again = read_factors(tmp_path / "shapes.npz")
    assert again.names == made.names and torch.equal(again.factors, made.factors)
    rows = range(len(made))
    assert torch.equal(again.images.levels(rows), made.images.levels(rows))
    data = load(DataConfig(name="npy", path=str(tmp_path / "shapes.npz")))
    assert data.shape == (1, 16, 16)
    # Held-out images keep their factors.
    held = made.of(data.test)
    for i in range(len(data.test)):
        (at,) = (made.factors == held[i]).all(1).nonzero().flatten().tolist()
        assert torch.equal(data.test.levels([i]), made.images.levels([at]))


def test_some_are_a_random_part_with_their_factors() -> None:
    made = shapes(size=8, positions=2, orientations=2, scales=2)
    part = made.some(7, seed=3)
    assert len(part) == len(part.images) == 7 and part.names == made.names
    assert torch.equal(part.factors, made.some(7, seed=3).factors)
    assert not torch.equal(part.factors, made.factors[:7])
    assert torch.equal(made.factors[part.images.rows], part.factors)
    assert len(made.some(10**6)) == len(made)


def test_lpc_sprites(data_root: Path) -> None:
    path = data_root / "lpc_sprites" / "lpc_sprites_64x64.npz"
    if not path.exists():
        pytest.skip(f"needs the LPC sprites: no {path}")
    found = read_factors(path)
    assert found.sizes == (6, 6, 6, 6, 3, 3) and found.names[0] == "body" and len(found) == 11_664
    assert found.images.pictures([5]).shape == (1, 3, 64, 64)
    # The last factor is the fastest: two neighbours differ in direction alone.
    assert (found.factors[0] != found.factors[1]).tolist() == [False] * 5 + [True]
    assert not torch.equal(found.images.levels([0]), found.images.levels([1]))


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"images": pictures()}, "expected arrays named images and factors, got images"),
        ({"images": pictures(), "factors": np.zeros((3, 2), int)}, r"whole-number factors of shape \(12, F\), got int"),
        ({"images": pictures(), "factors": np.zeros((12, 2))}, "got float64"),
        ({"images": pictures(), "factors": np.zeros((12, 2), int)}, "expected factors that vary"),
        (
            {"images": pictures(), "factors": np.arange(24).reshape(12, 2), "factor_names": "ab"},
            "expected 2 factor_names, got 1",
        ),
        (
            {"images": pictures(), "factors": np.arange(24).reshape(12, 2), "factor_names": ["a"]},
            "expected 2 factor_names, got 1",
        ),
        (
            {"idx": np.zeros((5, 2, 2), np.uint8), "palette": np.zeros((1, 3), np.uint8), "factor_sizes": [2, 3]},
            r"every combination of factor_sizes once, got 5 of \(2, 3\)",
        ),
    ],
)
def test_faults_are_one_line(arrays: dict[str, Any], line: str, tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=line) as fault:
        read_factors(write(tmp_path / "x.npz", **arrays))
    assert "\n" not in str(fault.value)


def test_factors_of_other_images_are_refused() -> None:
    made, other = shapes(size=8, positions=2), shapes(size=8, positions=1)
    with pytest.raises(HvaeError, match="give the file that the model was trained on"):
        made.of(other.images)
    dark = shapes(size=9, positions=2)
    with pytest.raises(HvaeError, match="got images of another set"):
        made.of(dark.images)


@pytest.mark.parametrize(
    "wrong",
    [
        {"idx": np.full((6, 2, 2), 9, np.uint8)},
        {"idx": np.zeros((6, 2, 2))},
        {"palette": np.zeros(3, np.uint8)},
        {"factor_sizes": np.array([2.0, 3.0])},
        {"factor_sizes": np.array([[2, 3]])},
        {"idx": np.zeros((0, 2, 2), np.uint8), "factor_sizes": np.array([0, 3])},
        {"idx": np.zeros((6, 20_000, 2), np.uint8), "palette": np.broadcast_to(np.uint8(0), (1, 1 << 40))},
    ],
)
def test_sprites_that_lie_are_refused_before_they_are_painted(wrong: dict[str, np.ndarray]) -> None:
    whole = {"idx": np.zeros((6, 2, 2), np.uint8), "palette": np.zeros((1, 3), np.uint8)}
    with pytest.raises(HvaeError, match=r"x.npz(: expected| takes at least)"):
        _sprites({**whole, "factor_sizes": np.array([2, 3]), **wrong}, "x.npz")
