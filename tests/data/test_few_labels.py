"""Training data of which only some keep their label."""

from __future__ import annotations

import pytest
import torch

from hvae.config.data import DataConfig
from hvae.data import load
from hvae.errors import HvaeError


def test_as_many_of_each_class_keep_their_label_and_the_seed_says_which() -> None:
    whole = load(DataConfig(name="digits"))
    few = load(DataConfig(name="digits", labels=30))
    assert whole.train.labels is not None and few.train.labels is not None and few.valid.labels is not None
    known = few.train.labels >= 0
    assert few.train.labels[known].bincount().tolist() == [3] * 10
    assert torch.equal(few.train.labels[known], whole.train.labels[known])
    assert torch.equal(few.train.rows, whole.train.rows) and bool((few.valid.labels >= 0).all())
    again, other = (load(DataConfig(name="digits", labels=30, labels_seed=seed)).train.labels for seed in (0, 1))
    assert again is not None and other is not None
    assert torch.equal(again, few.train.labels) and not torch.equal(other, few.train.labels)
    assert "30 labels of training images kept (seed 0)" in few.provenance.transforms


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_labelled_images_are_a_share_of_all(share: float) -> None:
    few = load(DataConfig(name="digits", labels=30, labelled=share))
    labels = few.train.labels
    assert labels is not None
    assert float((labels >= 0).float().mean()) == pytest.approx(share, abs=0.02)
    assert (labels < 0).sum() == len(load(DataConfig(name="digits")).train) - 30
    assert few.provenance.sizes["train"] == len(load(DataConfig(name="digits")).train)


def test_what_cannot_be_is_one_line(tmp_path) -> None:  # type: ignore[no-untyped-def]
    import numpy as np

    for labels, line in ((15, "multiple of 10"), (5, "multiple of 10"), (100_000, "images of each class")):
        with pytest.raises(HvaeError, match=line):
            load(DataConfig(name="digits", labels=labels))
    np.save(tmp_path / "a.npy", np.zeros((20, 1, 4, 4), np.uint8))
    for config in ({"labels": 10}, {"labelled": 0.5}):
        with pytest.raises(HvaeError, match="have no labels"):
            load(DataConfig(name="npy", path=str(tmp_path / "a.npy"), **config))
    with pytest.raises(HvaeError, match="data.labelled"):
        DataConfig(name="digits", labelled=1.0)
    with pytest.raises(HvaeError, match="data.labels"):
        DataConfig(name="jsb", labels=10)
