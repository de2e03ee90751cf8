"""The generated microscope: one seed one set, and pictures that look like what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from hvae.config.data import DataConfig
from hvae.data import load
from hvae.data.cells import CHUNK, cells
from hvae.errors import HvaeError


def test_the_first_of_more_are_the_same_and_a_seed_decides() -> None:
    few, more = cells(5), cells(CHUNK + 3)
    assert np.array_equal(few, more[:5]) and not np.array_equal(few, cells(5, seed=1))
    assert not np.array_equal(more[0], more[CHUNK])


def test_they_are_dark_with_bright_threads_and_hardly_clipped() -> None:
    light = cells(64) / 255
    assert 0.05 < np.median(light) < 0.25 and np.quantile(light, 0.99) > 0.6
    assert (light == 1).mean() < 0.03 and (light == 0).mean() < 0.001
    # Blurred as by an optical system: neighbours are alike.
    assert np.corrcoef(light[..., 1:].ravel(), light[..., :-1].ravel())[0, 1] > 0.9


def test_the_set_is_known_by_name() -> None:
    data = load(DataConfig(name="cells", valid=100, test=200))
    assert data.shape == (1, 64, 64) and data.bits == 8 and len(data.train) == 1_700


@pytest.mark.parametrize(("number", "size"), [(0, 64), (3, 4)])
def test_no_picture_is_refused(number: int, size: int) -> None:
    with pytest.raises(HvaeError, match="at least 1 picture of 8 pixels"):
        cells(number, size=size)
