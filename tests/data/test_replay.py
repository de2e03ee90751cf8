"""Files of replayed pictures that hold something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hvae.data.images import Split
from hvae.data.replay import with_replay, write_replay
from hvae.errors import HvaeError

LEVELS = np.zeros((3, 1, 8, 8), np.uint8)


@pytest.fixture
def split() -> Split:
    store = torch.zeros(5, 1, 8, 8, dtype=torch.uint8)
    return Split(store=store, rows=torch.arange(5), labels=torch.arange(5), depth=4)


def test_what_was_written_joins_the_split(tmp_path: Path, split: Split) -> None:
    write_replay(tmp_path / "a.npz", torch.ones(3, 1, 8, 8), 4)
    joined = with_replay(split, str(tmp_path / "a.npz"))
    assert len(joined) == 8 and joined.store[5:].eq(15).all()
    assert joined.labels is not None and joined.labels.tolist() == [0, 1, 2, 3, 4, -1, -1, -1]


def test_either_byte_order(tmp_path: Path, split: Split) -> None:
    np.savez(tmp_path / "a.npz", levels=np.full((2, 1, 8, 8), 3, ">i4"), bits=4)
    assert with_replay(split, str(tmp_path / "a.npz")).store[5:].eq(3).all()


@pytest.mark.parametrize(
    "arrays",
    [
        {"levels": LEVELS, "bits": np.array([4, 4])},
        {"levels": LEVELS, "bits": np.array("4")},
        {"levels": LEVELS, "bits": np.nan},
        {"levels": LEVELS, "bits": np.uint64(2**64 - 1)},
        {"levels": np.array(0), "bits": 4},
        {"levels": LEVELS.astype(str), "bits": 4},
        {"levels": np.full(LEVELS.shape, np.nan), "bits": 4},
        {"levels": np.full(LEVELS.shape, 0.5), "bits": 4},
        {"levels": LEVELS.astype(complex), "bits": 4},
        {"levels": LEVELS + 16, "bits": 4},
        {"levels": np.full(LEVELS.shape, 2**63, np.uint64), "bits": 4},
        {"levels": LEVELS[:0], "bits": 4},
        {"\x1b[31m": LEVELS},
    ],
)
def test_another_file_is_one_line(tmp_path: Path, split: Split, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(HvaeError, match=r"data\.replay"):
        with_replay(split, str(tmp_path / "a.npz"))
