from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hvae.errors import HvaeError
from hvae.metrics.complexity import png_bits
from hvae.metrics.detection import detection, threshold

NUMBERS = st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=30).map(torch.tensor)


def test_by_hand() -> None:
    found = detection(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([2.5, 5.0]))
    # Pairs in the right order: 2 of 4 and 4 of 4.
    assert found.auroc == pytest.approx(6 / 8)
    # 80 % of two foreign data are both: the threshold is 2.5, which two normal data exceed.
    assert found.fpr80 == pytest.approx(0.5)
    # Balanced: at 5.0 the precision is 1, at 2.5 it is 1 / (1 + 1/2).
    assert found.auprc == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert (found.positive, found.normal, found.foreign) == ("foreign", 4, 2)


@settings(max_examples=20, deadline=None)
@given(NUMBERS, NUMBERS)
def test_a_score_against_itself_and_reversed(a: torch.Tensor, b: torch.Tensor) -> None:
    assert detection(a, a).auroc == pytest.approx(0.5)
    assert detection(a, b).auroc + detection(-a, -b).auroc == pytest.approx(1)
    assert detection(a, b).auroc + detection(b, a).auroc == pytest.approx(1)
    assert detection(a, b).auprc_normal == pytest.approx(detection(-b, -a).auprc)
    pairs = (b[:, None] > a).double() + 0.5 * (b[:, None] == a).double()
    assert detection(a, b).auroc == pytest.approx(float(pairs.mean()))


def test_unequal_numbers_weigh_the_same() -> None:
    a, b = torch.arange(10.0), torch.arange(5.0, 15.0)
    few, many = detection(a, b), detection(a, b.repeat(7))
    assert few.auprc == pytest.approx(many.auprc) and few.auprc_normal == pytest.approx(many.auprc_normal)
    assert detection(torch.zeros(50), torch.zeros(5)).auprc == pytest.approx(0.5)


def test_what_is_not_finite_is_most_foreign() -> None:
    found = detection(torch.tensor([0.0, 1e30]), torch.tensor([math.inf, math.nan]))
    assert found.auroc == 1.0
    assert detection(torch.tensor([0.0, 1.0]), torch.tensor([-math.inf, 0.5])).auroc == pytest.approx(0.25)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=200), st.sampled_from([0.5, 0.9, 0.95]))
def test_a_threshold_keeps_its_promise_on_the_data_it_was_made_from(values: list[float], quantile: float) -> None:
    normal = torch.tensor(values, dtype=torch.float64)
    at = threshold(normal, quantile)
    assert float((normal > at).double().mean()) <= 1 - quantile + 1e-9
    assert at in values


def test_faults_are_one_line() -> None:
    with pytest.raises(HvaeError, match="2 normal and 2 foreign data or more, got 2 and 1"):
        detection(torch.zeros(2), torch.zeros(1))
    with pytest.raises(HvaeError, match=r"quantile between 0 and 1, got 95"):
        threshold(torch.zeros(100), 95)
    with pytest.raises(HvaeError, match="expected 20 normal data or more for the quantile 0.95, got 19"):
        threshold(torch.zeros(19), 0.95)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16), (2, 16, 16)])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_noise_takes_about_its_bits_and_nothing_little(shape: tuple[int, ...], bits: int) -> None:
    noise = torch.randint(2**bits, (3, *shape)).double() / (2**bits - 1)
    flat = png_bits(torch.zeros(3, *shape), bits)
    assert (png_bits(noise, bits) > bits * math.prod(shape)).all()
    assert (flat < 1500 * shape[0]).all() and len(flat) == 3


def test_deep_images_and_vectors() -> None:
    deep = torch.randint(2**12, (2, 1, 16, 16)).double() / (2**12 - 1)
    assert (png_bits(deep, 12) > 12 * 256).all()
    x = torch.rand(2, 50)
    exact = 8 * len(zlib.compress((x[1].double() * 255).round().numpy().astype(np.uint8).tobytes(), 9))
    assert float(png_bits(x, 8)[1]) == exact
