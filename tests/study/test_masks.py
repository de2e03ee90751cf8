"""Masks as people paint them: one brush in all forms of painting programs, and words for all kinds of data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hvae.study.masks import advice, hidden

RIGHT = np.zeros((8, 8), np.uint8)
RIGHT[:, 4:] = 255


def layered(paint: int, under: int) -> Image.Image:
    """The right half painted on a layer that is transparent elsewhere, with some colour under it."""
    alpha = Image.fromarray(RIGHT)
    picture = Image.fromarray(np.where(RIGHT > 0, paint, under).astype(np.uint8)).convert("RGBA")
    picture.putalpha(alpha)
    return picture


def paletted() -> Image.Image:
    picture = Image.fromarray(RIGHT // 255).convert("P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    return picture


def see_through() -> Image.Image:
    """All of the palette is white; its first colour is transparent."""
    picture = Image.fromarray(RIGHT // 255).convert("P")
    picture.putpalette([255] * 6)
    picture.info["transparency"] = 0
    return picture


FORMS: dict[str, Callable[[], Image.Image]] = {
    "grey.png": lambda: Image.fromarray(RIGHT),
    "one-bit.png": lambda: Image.fromarray(RIGHT > 0),
    "deep.png": lambda: Image.fromarray(RIGHT.astype(np.uint16) * 257),
    "deep.tif": lambda: Image.fromarray(RIGHT.astype(np.int32) * 257),
    "dim.png": lambda: Image.fromarray(np.where(RIGHT > 0, 65535, 300).astype(np.uint16)),
    "colour.png": lambda: Image.fromarray(RIGHT).convert("RGB"),
    "inks.tif": lambda: Image.fromarray(RIGHT).convert("RGB").convert("CMYK"),
    "lossy.jpg": lambda: Image.fromarray(RIGHT),
    "palette.png": paletted,
    "see-through-palette.png": see_through,
    "layer-on-black.png": lambda: layered(255, 0),
    "layer-on-white.png": lambda: layered(255, 255),
    "layer.webp": lambda: layered(255, 0),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_brush_is_the_same_in_every_form(name: str, tmp_path: Path) -> None:
    FORMS[name]().save(tmp_path / name)
    expected = torch.from_numpy(RIGHT > 0).expand(2, 3, 8, 8)
    assert torch.equal(hidden(tmp_path / name, 2, (3, 8, 8), 0), expected)


def test_advice_names_what_the_data_are() -> None:
    assert "a box" in advice("picture") and "a box" not in advice("volume") + advice("signal") + advice("row")
    assert "empty cells" in advice("row") and "NaN" in advice("signal")
