"""Generated pictures of the back of an eye: what is promised of them, and a finding that is there to be found."""

from __future__ import annotations

import numpy as np
import pytest

from hvae.config.data import DataConfig
from hvae.data import load
from hvae.data.fundus import MICRONS, NOISE, SIZE, SIZES, SPOT_DEPTH, _near, _spots, fundus, twins
from hvae.errors import HvaeError


def test_the_set_has_a_rare_class_and_balanced_test_data() -> None:
    data = load(DataConfig(name="fundus"))
    assert data.shape == (1, 64, 64) and data.classes == ("healthy", "microaneurysms")
    for name, counts in SIZES.items():
        labels = getattr(data, name).labels
        assert tuple(labels.bincount().tolist()) == counts
    first = {name: getattr(data, name).pictures([0]) for name in SIZES}
    assert not bool((first["train"] == first["test"]).all()) and not bool((first["train"] == first["valid"]).all())


def test_pictures_depend_on_seed_and_place_alone() -> None:
    assert np.array_equal(fundus(2, lesions=False), fundus(4, lesions=False)[:2])
    assert not np.array_equal(fundus(2, lesions=False), fundus(2, lesions=False, seed=1))
    with pytest.raises(HvaeError, match="at least 1"):
        fundus(0, lesions=True)


def test_twins_differ_by_their_spots_alone() -> None:
    pair = twins(20, seed=2)
    assert np.array_equal(pair.ill, fundus(20, lesions=True, seed=2))
    assert not (pair.healthy < pair.ill).any()
    inside = (pair.ill > 0) & (pair.healthy < 255)  # where nothing was cut off
    depth = (pair.healthy.astype(float) - pair.ill) / 255
    np.testing.assert_allclose(depth[inside], SPOT_DEPTH * pair.spots[inside], atol=1.01 / 255)
    with pytest.raises(HvaeError, match="at least 1"):
        twins(0)


def test_a_spot_is_as_wide_as_it_is_said() -> None:
    """Full width at half depth of 125 um: 1.33 pixels."""
    wide = 125 / MICRONS
    light = _near(np.array([[SIZE / 2, SIZE / 2]]), wide / 2.3548)
    assert light[SIZE // 2, SIZE // 2] == 1.0
    at = wide / 2
    expected = np.exp(-np.log(2) * (np.arange(3) / at) ** 2)  # 1/2 at half the width
    np.testing.assert_allclose(light[SIZE // 2, SIZE // 2 : SIZE // 2 + 3], expected, rtol=1e-3)


def test_spots_stand_out_of_the_noise_and_cover_next_to_nothing() -> None:
    covered = [_spots(np.random.default_rng(i)) for i in range(50)]
    assert min(SPOT_DEPTH * one.max() for one in covered) > 5 * NOISE
    assert max((one > 0.5).mean() for one in covered) < 0.005
    healthy, ill = (fundus(60, lesions=some)[:, 0] / 255 for some in (False, True))
    assert abs(healthy.mean() - ill.mean()) < 0.02
