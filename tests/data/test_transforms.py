from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvae.data.transforms import fit, fit_one, level_type, quantise, recolour
from hvae.errors import HvaeError


def random(shape: tuple[int, ...], bits: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**bits, shape).astype(level_type(bits))


@given(found=st.integers(1, 16), bits=st.integers(1, 16))
@settings(max_examples=60, deadline=None)
def test_quantising_keeps_the_leading_bits(found: int, bits: int) -> None:
    levels = np.arange(2**found).astype(level_type(found))
    if bits > found:
        with pytest.raises(HvaeError, match=f"expected at most data.bits={found}"):
            quantise(levels, found, bits, "x")
        return
    cut = quantise(levels, found, bits, "x")
    assert cut.dtype == level_type(bits)
    assert (cut == levels // 2 ** (found - bits)).all()
    assert np.unique(cut).tolist() == list(range(2**bits))  # every level is reached: no empty bins


def test_grey_is_luma_and_back_again_repeats() -> None:
    red = np.zeros((1, 3, 1, 1), np.uint8)
    red[0, 0] = 255
    assert recolour(red, 1).item() == 76  # 0.299 x 255
    grey = random((2, 1, 3, 3))
    assert (recolour(recolour(grey, 3), 1) == grey).all()
    assert recolour(grey, 0) is grey


def test_luma_of_16_bits_does_not_overflow() -> None:
    assert recolour(np.full((1, 3, 1, 1), 65535, np.int32), 1).item() == 65535


def test_other_numbers_of_channels_are_refused() -> None:
    with pytest.raises(HvaeError, match="2 channels cannot become 3"):
        recolour(random((1, 2, 3, 3)), 3)


@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16])
@pytest.mark.parametrize("size", [(3, 9), (13, 5)])
@pytest.mark.parametrize("crop", ["none", "center"])
def test_scaled_images_stay_within_their_levels(bits: int, size: tuple[int, int], crop: str) -> None:
    levels = fit(random((4, 2, 8, 6), bits), size, crop, bits)
    assert levels.shape == (4, 2, *size) and levels.dtype == level_type(bits)
    assert levels.min() >= 0 and levels.max() <= 2**bits - 1


@pytest.mark.parametrize("bits", [8, 16])
def test_a_flat_image_stays_flat(bits: int) -> None:
    image = np.full((1, 9, 7), 2**bits - 3, level_type(bits))
    for crop in ("none", "center"):
        assert (fit_one(image, (4, 5), crop, bits) == 2**bits - 3).all()


def test_center_cuts_before_it_scales() -> None:
    image = np.zeros((1, 4, 12), np.uint8)
    image[:, :, 4:8] = 200  # the middle square of three
    assert (fit_one(image, (4, 4), "center", 8) == 200).all()
    assert fit_one(image, (4, 4), "none", 8).min() == 0


def test_pad_scales_nothing() -> None:
    image = random((1, 2, 3))
    padded = fit_one(image, (5, 6), "pad", 8)
    assert padded.shape == (1, 5, 6) and padded.sum() == image.sum()
    assert (padded[:, 1:3, 1:4] == image).all()
    with pytest.raises(HvaeError, match="cannot shrink a 2x3 image to 2x2"):
        fit_one(image, (2, 2), "pad", 8)


def test_the_right_size_is_left_alone() -> None:
    levels = random((2, 1, 4, 4))
    assert fit(levels, (4, 4), "center", 8) is levels and fit(levels, None, "none", 8) is levels
