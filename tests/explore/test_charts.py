from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from PIL import Image

from hvae.explore.charts import loss_curves, rate_bars, rate_curves, unit_bars, use_curves
from hvae.explore.theme import DARK, LIGHT, Theme

STEPS = list(range(0, 2000, 100))
FALLING = [50 / (1 + s) for s in STEPS]
SHARES = [min(1.0, s / 1000) for s in STEPS]
CHARTS: dict[str, Callable[[Theme], bytes]] = {
    "rates": lambda theme: rate_bars({"z3": 0.0, "z2": 3.0, "z1": 21.5}, theme),
    "units": lambda theme: unit_bars({"z3": (0, 4), "z2": (5, 8)}, theme),
    "curves": lambda theme: rate_curves(STEPS, {"z2": FALLING, "z1": FALLING[::-1]}, theme),
    "loss": lambda theme: loss_curves({"training": (STEPS, FALLING), "validation": ([0, 900], [90, 80])}, theme),
    "use": lambda theme: use_curves(STEPS, {"z2": SHARES, "z1": SHARES[::-1]}, {"z2": FALLING, "z1": SHARES}, theme),
    "use without information": lambda theme: use_curves([5], {"z1": [0.0]}, {}, theme),
    "deep use": lambda theme: use_curves(STEPS, *[{f"z{i}": SHARES for i in range(40, 0, -1)}] * 2, theme),
    "collapsed": lambda theme: rate_curves([1.0], {"z1": [0.0]}, theme),
    "silent": lambda theme: rate_bars({"z1": 0.0}, theme),
    "deep": lambda theme: rate_curves(STEPS, {f"z{i}": FALLING for i in range(40, 0, -1)}, theme),
}


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("name", list(CHARTS))
def test_a_picture_on_no_background_the_same_each_time(name: str) -> None:
    data = CHARTS[name](LIGHT)
    picture = decoded(data)
    assert picture.shape[2] == 4 and picture.shape[1] > 600
    assert picture[0, 0, 3] == 0 and picture[..., 3].max() == 255


def test_the_same_numbers_give_the_same_bytes_and_themes_differ() -> None:
    assert CHARTS["curves"](LIGHT) == CHARTS["curves"](LIGHT) != CHARTS["curves"](DARK)


def test_settings_of_the_process_stay() -> None:
    before = dict(matplotlib.rcParams)
    CHARTS["curves"](DARK)
    assert dict(matplotlib.rcParams) == before


def test_bars_are_as_long_as_their_numbers() -> None:
    theme = LIGHT
    picture = decoded(rate_bars({"z2": 5.0, "z1": 10.0}, theme))
    lengths = []
    for shade in theme.shades(2):
        colour = np.round(np.array(shade) * 255)
        lengths.append((np.abs(picture[..., :3].astype(float) - colour).max(-1) <= 1).any(0).sum())
    assert abs(lengths[1] / lengths[0] - 2.0) < 0.05


def test_shades_are_ordered_in_lightness_on_both_pages() -> None:
    for theme in (LIGHT, DARK):
        light = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in theme.shades(6)]
        assert light == sorted(light, reverse=theme is DARK)


def test_a_single_step_can_be_seen() -> None:
    """A line or an area through one point has no extent."""
    picture = decoded(rate_curves([30.0], {"z1": [5.0]}, LIGHT))
    colour = np.round(np.array(LIGHT.shades(1)[0]) * 255)
    stacked = picture[:, : picture.shape[1] // 2, :3].astype(float)
    assert (np.abs(stacked - colour).max(-1) <= 1).mean() > 0.1
