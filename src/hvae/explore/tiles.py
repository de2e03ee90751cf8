"""Images side by side in one PNG, with labels legible on light and dark pages.

Shapes: `R` rows; `M` images a row; `C H W` an image; pixels of the result are (height, width, 4) uint8.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from hvae.errors import HvaeError
from hvae.explore.views import viewed

GAP = 4
FONT_SIZE = 14
LEADING = 4
LABEL_GAP = 8
TILE = 72
# Greys that serve a white page and a near-black one, since nothing else is behind them: labels at a contrast of about
# 4 on both, and a plate that sets white tiles off a white page.
INK = (120, 126, 136, 255)
PLATE = (128, 134, 144, 110)


def pixels(image: Tensor) -> np.ndarray:
    """An image (C, H, W) in [0, 1] as (H, W', 3) uint8: grey, RGB, or any other number of channels side by side.

    Raises HvaeError for another number of axes, or for a value that is not finite.

    >>> import torch
    >>> pixels(torch.ones(1, 2, 2)).shape, pixels(torch.ones(4, 2, 2)).shape
    ((2, 2, 3), (2, 8, 3))
    """
    if image.ndim != 3:
        raise HvaeError(f"expected an image (C, H, W), got shape {tuple(image.shape)}; reshape the data to draw them")
    return faces(image[None])[0]


def faces(images: Tensor) -> np.ndarray:
    """Images (n, C, H, W) in [0, 1] as (n, H, W', 3) uint8, each as `pixels` has it, all of them at once.

    Raises HvaeError for a value that is not finite.
    """
    if not bool(images.isfinite().all()):
        raise HvaeError(
            "the picture holds values that are not finite: the weights have diverged; use an earlier checkpoint"
        )
    values = (images.detach().cpu().float().clamp(0, 1) * 255).round().byte().numpy()
    n, channels, height, width = values.shape
    if channels == 3:
        return values.transpose(0, 2, 3, 1)
    return np.repeat(values.transpose(0, 2, 1, 3).reshape(n, height, channels * width, 1), 3, 3)


def magnification(height: int, tile: int = TILE) -> int:
    """The integer factor that enlarges an image to about `tile` pixels without blur.

    >>> magnification(8), magnification(28), magnification(32), magnification(64)
    (9, 3, 2, 1)
    """
    return max(1, round(tile / height))


def tiled(images: Tensor, magnify: int = 1) -> np.ndarray:
    """Images (R, M, C, H, W) in [0, 1] as one array, (height, width, 4) uint8, with a gap of 4 pixels around each.

    Raises HvaeError for other axes.
    """
    if images.ndim != 5:
        raise HvaeError(f"expected images (R, M, C, H, W), got {tuple(images.shape)}; add axes for rows and columns")
    faces = [[np.kron(pixels(i), np.ones((magnify, magnify, 1), np.uint8)) for i in row] for row in images]
    h, w = faces[0][0].shape[:2]
    sheet = np.empty((len(faces) * (h + GAP) + GAP, len(faces[0]) * (w + GAP) + GAP, 4), np.uint8)
    sheet[:] = PLATE
    for r, row in enumerate(faces):
        for c, face in enumerate(row):
            place = sheet[GAP + r * (h + GAP) :, GAP + c * (w + GAP) :][:h, :w]
            place[..., :3], place[..., 3] = face, 255
    return sheet


def grid(images: Tensor, *, rows: Sequence[str] = (), columns: Sequence[str] = (), tile: int = TILE) -> bytes:
    """A PNG of images (R, M, C, H, W) in [0, 1], with a label for each row on its left and each column above it.

    Of signals (R, M, C, T) it has the curves, of volumes (R, M, C, D, H, W) the middle slices.

    Images are enlarged by an integer factor to about `tile` pixels.  Raises HvaeError when labels do not match images.

    >>> import torch
    >>> grid(torch.rand(2, 3, 1, 8, 8), rows=["original", "reconstruction"])[:4]
    b'\\x89PNG'
    """
    for labels, count, what in ((rows, images.shape[0], "rows"), (columns, images.shape[1], "columns")):
        if labels and len(labels) != count:
            raise HvaeError(f"expected {count} labels of {what}, got {len(labels)}")
    images = viewed(images, 2)
    sheet = tiled(images, magnification(images.shape[-2], tile))
    return png(_labelled(sheet, (len(images), images.shape[1]), rows, columns))


def gallery(images: Tensor, *, columns: int = 12, tile: int = TILE) -> bytes:
    """A PNG of images (N, C, H, W) in [0, 1] in rows of `columns`; a last row that is not full is left out."""
    columns = min(columns, len(images))
    full = len(images) // columns * columns
    return grid(images[:full].unflatten(0, (-1, columns)), tile=tile)


def stations(pictures: Tensor, *, ends: Sequence[Tensor] = (), tile: int = TILE) -> bytes:
    """A PNG of an interpolation (T, N, C, H, W) in [0, 1]: one row per pair of images, one column per step.

    With `ends`, the original images (N, C, H, W) are added at both sides.  Raises HvaeError for other axes.

    >>> import torch
    >>> stations(torch.rand(5, 2, 1, 8, 8))[:4]
    b'\\x89PNG'
    """
    if pictures.ndim not in (4, 5, 6):
        raise HvaeError(
            f"expected pictures (T, N, C, H, W), got {tuple(pictures.shape)}; give what interpolate returns"
        )
    shares = [f"{i / max(1, len(pictures) - 1):.2g}" for i in range(len(pictures))]
    if ends:
        first, last = ends
        pictures, shares = torch.cat([first[None], pictures, last[None]]), ["image", *shares, "image"]
    return grid(pictures.transpose(0, 1), columns=shares, tile=tile)


def png(picture: np.ndarray) -> bytes:
    """Pixels (height, width, 4) uint8 as a PNG file: the same pixels give the same bytes."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return out.getvalue()


def _labelled(sheet: np.ndarray, shape: tuple[int, int], rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    font = _font()
    left = math.ceil(max((font.getlength(text) for text in rows), default=-LABEL_GAP)) + LABEL_GAP
    lines = max((text.count("\n") for text in columns), default=0)
    tall = FONT_SIZE + lines * (FONT_SIZE + LEADING)
    above = tall + LABEL_GAP if columns else 0
    canvas = Image.new("RGBA", (left + sheet.shape[1], above + sheet.shape[0]))
    canvas.paste(Image.fromarray(sheet), (left, above))
    pen = ImageDraw.Draw(canvas)
    pitch = [(size - GAP) / count for size, count in zip(sheet.shape[:2], shape, strict=True)]
    for r, text in enumerate(rows):
        pen.text((left - LABEL_GAP, above + (r + 0.5) * pitch[0] + GAP / 2), text, INK, font, anchor="rm")
    for c, text in enumerate(columns):
        middle = (left + (c + 0.5) * pitch[1] + GAP / 2, tall / 2)
        pen.text(middle, text, INK, font, anchor="mm", spacing=LEADING, align="center")
    return np.asarray(canvas)


@cache
def _font() -> ImageFont.FreeTypeFont:
    # The font that comes with matplotlib: the labels look the same on every machine.
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", FONT_SIZE)
