"""What is done to whole arrays of images before they are stored: colour, size, bit depth.

Shapes: `N` images; `C` channels; `H W` space.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from hvae.data.progress import progress
from hvae.errors import HvaeError

Array = np.ndarray[Any, np.dtype[Any]]


def level_type(bits: int) -> type[np.integer[Any]]:
    """The integer type that stores `bits` bits: uint8 up to 8, int32 above (torch's uint16 cannot be computed with)."""
    return np.uint8 if bits <= 8 else np.int32


def recolour(levels: Array, channels: int) -> Array:
    """Bring (N, C, H, W) to 1 or 3 channels; 0 leaves them.

    Grey is the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, rounded.

    >>> recolour(np.full((1, 3, 1, 1), 200, np.uint8), 1).item()
    200
    """
    own = levels.shape[1]
    if channels in (0, own):
        return levels
    if own == 1:
        return np.repeat(levels, channels, axis=1)  # (N, 3, H, W)
    if own == 3:
        red, green, blue = (levels[:, c : c + 1].astype(np.int32) for c in range(3))
        return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(levels.dtype)  # (N, 1, H, W)
    raise HvaeError(f"images with {own} channels cannot become {channels}; set data.channels=0 to keep them")


def quantise(levels: Array, depth: int, bits: int, what: str) -> Array:
    """From `depth` bits a value to `bits`: floor(k / 2^(depth - bits)); 0 leaves them.

    Raises HvaeError when more bits are asked than there are: empty levels would make likelihoods look better.

    >>> quantise(np.array([0, 127, 128, 255], np.uint8), 8, 1, "x").tolist()
    [0, 0, 1, 1]
    """
    if bits in (0, depth):
        return levels
    if bits > depth:
        advice = "; save whole numbers of 0 and 1 as 0 and 255 where these are black and white" * (depth == 1)
        raise HvaeError(f"expected at most data.bits={depth}, which is what {what} holds, got {bits}{advice}")
    return (levels >> (depth - bits)).astype(level_type(bits))


def fit(levels: Array, size: tuple[int, int] | None, crop: str, bits: int) -> Array:
    """Bring every image of (N, C, H, W) to `size`; None leaves them."""
    if size is None or levels.shape[2:] == tuple(size):
        return levels
    images = progress(levels, "resizing", total=len(levels))
    return np.stack([fit_one(image, size, crop, bits) for image in images])  # (N, C, H', W')


def fit_one(image: Array, size: tuple[int, int], crop: str, bits: int) -> Array:
    """One image (C, H, W) to (C, H', W'): padded with zeros, or scaled with an antialiased bicubic filter."""
    if image.shape[1:] == tuple(size):
        return image
    if crop == "pad":
        return _padded(image, size)
    box = centred(image.shape[1:], size) if crop == "center" else None
    return np.stack([_scaled(plane, size, box, bits) for plane in image])


def _padded(image: Array, size: tuple[int, int]) -> Array:
    missing = [want - have for want, have in zip(size, image.shape[1:], strict=True)]
    if min(missing) < 0:
        have = "x".join(map(str, image.shape[1:]))
        raise HvaeError(f"data.crop=pad cannot shrink a {have} image to {size[0]}x{size[1]}; use crop=center or none")
    return np.pad(image, [(0, 0), *((m // 2, m - m // 2) for m in missing)])


def centred(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest box in the middle of a picture of `shape` that has the form of `size`: left, top, right, bottom."""
    height, width = shape
    tall, wide = min(height, width * size[0] / size[1]), min(width, height * size[1] / size[0])
    left, top = (width - wide) / 2, (height - tall) / 2
    return left, top, left + wide, top + tall


def _scaled(plane: Array, size: tuple[int, int], box: tuple[float, float, float, float] | None, bits: int) -> Array:
    # Pillow filters 8-bit planes in fixed point and float planes exactly; deeper ones must not be cut to 8 bits.
    image = Image.fromarray(plane if bits <= 8 else plane.astype(np.float32))
    scaled = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC, box=box))
    # A bicubic filter overshoots at edges: without the clip a 4-bit image could hold a 17th level.
    return np.clip(np.rint(scaled), 0, 2**bits - 1).astype(level_type(bits))
