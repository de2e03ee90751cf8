"""Near copies of training data, and what synthetic pictures do for a classifier."""

from __future__ import annotations

import pytest
import torch

from hvae.errors import HvaeError
from hvae.metrics.copies import CopyDetector
from hvae.metrics.gain import check_counts, gain


def test_copies_of_data_are_found_and_new_data_are_not() -> None:
    torch.manual_seed(0)
    data, new = torch.rand(600, 1, 6, 6), torch.rand(200, 1, 6, 6)
    detector = CopyDetector(data)
    assert detector(data[:50]).all()
    assert detector(data[:50] + 1e-3 * torch.randn(50, 1, 6, 6)).all()
    assert detector(new).double().mean() < 0.05, "the threshold is the 1 % quantile of how near data are to each other"


def test_equal_data_do_not_make_the_threshold_zero() -> None:
    data = torch.cat([torch.eye(8), torch.eye(8)])
    assert CopyDetector(data).threshold == pytest.approx(2**0.5)


def test_one_datum_tells_nothing() -> None:
    with pytest.raises(HvaeError, match="2 training data or more"):
        CopyDetector(torch.zeros(1, 4))


def pictures(rare: int, common: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two noisy classes, a bright left half or a bright right one."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0] * rare + [1] * common)
    x = 0.8 * torch.rand(rare + common, 1, 6, 6, generator=generator)
    x[:rare, :, :, :3] += 0.1
    x[rare:, :, :, 3:] += 0.1
    return x.clamp(0, 1), labels


def test_more_data_of_a_rare_class_raise_balanced_accuracy() -> None:
    result = gain(pictures(6, 200, 0), pictures(200, 6, 1), pictures(150, 150, 2), ["a", "b"], seeds=3, steps=150)
    assert result.difference.low95 > 0
    assert result.by_class["a"][1] > result.by_class["a"][0]
    assert result.difference.mean == pytest.approx(result.with_synthetic.mean - result.without.mean)


def test_useless_data_gain_nothing() -> None:
    none = torch.zeros(0, 1, 6, 6), torch.zeros(0, dtype=torch.long)
    result = gain(pictures(30, 30, 0), none, pictures(40, 40, 2), ["a", "b"], seeds=2, steps=40)
    assert result.difference.mean == 0 and result.difference.standard_error == 0


def test_a_judge_needs_pictures_of_each_class() -> None:
    with pytest.raises(HvaeError, match="5 pictures of each class to be tested on, got 2 of b"):
        check_counts(torch.tensor([0] * 5 + [1] * 5), torch.tensor([0] * 5 + [1] * 2), ["a", "b"])
    with pytest.raises(HvaeError, match="seeds: expected at least 2"):
        gain(pictures(9, 9, 0), pictures(9, 9, 1), pictures(9, 9, 2), ["a", "b"], seeds=1)
