"""Pictures as a file: one alone, several side by side on a sheet, or all of them as numbers."""

from __future__ import annotations

import io
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.errors import HvaeError
from hvae.files import replacing

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".npy")
COLUMNS = 8
MOST_TIMES, MOST_PIXELS = 64, 200_000_000
QUALITY = 95
ENLARGE = "pictures N times as large, each pixel a square; auto: tiny ones; 1: each keeps its own pixels"


def check_suffix(path: Path) -> None:
    """Raises HvaeError for the name of a file that is neither a picture nor numbers."""
    if path.suffix.lower() not in SUFFIXES:
        raise HvaeError(f"--out: expected a file name that ends in {', '.join(SUFFIXES)}, got {path}")


def times(wish: str, number: int, shape: tuple[int, ...]) -> int:
    """How many times as large pictures (C, H, W) become.  Raises HvaeError for what would be no picture any more.

    >>> times("auto", 16, (1, 8, 8)), times("auto", 16, (3, 64, 64)), times("auto", 10**6, (1, 8, 8))
    (9, 1, 1)
    """
    from hvae.explore.tiles import magnification
    from hvae.explore.views import view_shape

    shape = view_shape(shape)
    if wish == "auto":
        tiny = magnification(shape[1]) if len(shape) == 3 else 1
        return tiny if tiny**2 * number * prod(shape[1:]) <= MOST_PIXELS else 1
    if not wish.isdecimal() or not 1 <= int(wish[:9]) <= MOST_TIMES:
        raise HvaeError(f"--enlarge: expected auto, or 1 to {MOST_TIMES} times, got {wish[:40]}")
    if int(wish) ** 2 * number * prod(shape[1:]) > MOST_PIXELS:
        larger = "x".join(f"{int(wish) * side:,}" for side in shape[1:])
        raise HvaeError(
            f"--enlarge {wish}: expected at most {MOST_PIXELS:,} pixels, got {number:,} pictures of {larger}; "
            "enlarge less, or draw fewer"
        )
    return int(wish)


def check_picture(number: int, shape: tuple[int, ...], path: Path, enlarged: int = 1) -> None:
    """Raises HvaeError for what a picture file cannot show: vectors, and more pixels than a viewer could open."""
    if path.suffix.lower() == ".npy":
        return
    from hvae.explore.views import view_shape

    if len(shape) == 1:
        raise HvaeError(
            f"the data of this run are vectors {shape}, which are no pictures; give --out a file name that ends in .npy"
        )
    height, width = (enlarged * side for side in view_shape(shape)[1:])
    if number * height * width > MOST_PIXELS:
        raise HvaeError(
            f"--out {path}: expected at most {MOST_PIXELS:,} pixels, got {number:,} pictures of {height:,}x{width:,}; "
            "ask for fewer, or give a file name that ends in .npy"
        )


def write(path: Path, pictures: Tensor, enlarge: str = "auto") -> None:
    """Pictures (N, C, H, W) in [0, 1] as one PNG or JPEG, `enlarge` times as large, or as a NumPy file.

    Of signals and volumes a PNG has their curves and middle slices; a NumPy file has them whole.
    """
    check_suffix(path)
    content = _numbers(pictures) if path.suffix.lower() == ".npy" else _image(path, pictures, enlarge)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _numbers(pictures: Tensor) -> bytes:
    import numpy as np

    out = io.BytesIO()
    np.save(out, pictures.cpu().numpy())
    return out.getvalue()


def _image(path: Path, pictures: Tensor, enlarge: str) -> bytes:
    import numpy as np
    from PIL import Image

    from hvae.explore.tiles import pixels
    from hvae.explore.views import viewed

    pictures = viewed(pictures, 1)
    size = times(enlarge, len(pictures), tuple(pictures.shape[1:]))
    if len(pictures) == 1:
        array = np.kron(pixels(pictures[0]), np.ones((size, size, 1), np.uint8))
    else:
        array = sheet(pictures, size)
    image, out = Image.fromarray(array), io.BytesIO()
    if path.suffix.lower() == ".png":
        image.save(out, "PNG", optimize=True)
    else:
        _on_white(image).save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()


def sheet(pictures: Tensor, magnify: int) -> np.ndarray:
    """Pictures (N, C, H, W) in rows of 8, (height, width, 4) uint8; the last row may be shorter: none is left out."""
    import numpy as np

    from hvae.explore.tiles import GAP, tiled

    rows = [tiled(row[None], magnify) for row in pictures.cpu().split(COLUMNS)]
    width = rows[0].shape[1]
    whole = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    # Each row brings a gap above and below; between two rows one is enough.
    return np.concatenate([whole[0], *(row[GAP:] for row in whole[1:])])


def _on_white(image: Image.Image) -> Image.Image:
    """What JPEG can hold: no transparency."""
    from PIL import Image

    if image.mode != "RGBA":
        return image.convert("RGB")
    page = Image.new("RGB", image.size, "white")
    page.paste(image, mask=image.getchannel("A"))
    return page
