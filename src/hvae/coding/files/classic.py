"""Model-free compression: the smallest of PNG, lossless WebP and zlib, for seeds and as a fallback.

Shapes: `N` images of one size, side by side in one blob; `C` channels; `H W` space; (N, D) for flat vectors.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from hvae.errors import HvaeError

Levels = NDArray[np.uint8]

_ZLIB, _PNG, _WEBP = 0, 1, 2
_WEBP_SIDE = 16383
_MODES = {1: "L", 3: "RGB"}
_PIECE = 1 << 16
"""Values whose bits are spread out at once, a byte each; a multiple of 8, so that each piece begins with a byte."""


def squeeze(levels: Levels, bits: int) -> bytes:
    """Levels, (N, C, H, W) or (N, D), in the fewest bytes that one of the formats needs; a byte says which.

    >>> levels = np.zeros((2, 1, 4, 4), dtype=np.uint8)
    >>> bool((restore(squeeze(levels, 1), levels.shape, 1) == levels).all())
    True
    """
    blobs = [bytes([_ZLIB]) + zlib.compress(_packed(levels, bits), 9)]
    if levels.ndim == 4 and levels.shape[1] in _MODES:
        strip = _strip(levels)
        blobs.append(bytes([_PNG]) + png(strip, bits))
        if max(strip.shape[:2]) <= _WEBP_SIDE and features.check("webp"):
            blobs.append(bytes([_WEBP]) + webp(strip))
    return min(blobs, key=len)


def restore(blob: bytes, shape: Sequence[int], bits: int) -> Levels:
    """The levels of a shape, (N, ...), from their blob.  Raises HvaeError when they do not fit."""
    if not blob or blob[0] not in (_ZLIB, _PNG, _WEBP):
        raise HvaeError("an image kept without the model is of no known format; the file is damaged")
    try:
        levels = _unpacked(blob[1:], shape, bits) if blob[0] == _ZLIB else _unstrip(blob[1:], blob[0], shape)
    except Image.DecompressionBombError as fault:
        raise HvaeError("an image kept without the model declares more pixels than any; the file is damaged") from fault
    except (OSError, ValueError, zlib.error, SyntaxError) as fault:
        raise HvaeError(f"an image kept without the model cannot be read ({fault}); the file is damaged") from fault
    if levels.size and int(levels.max()) >> bits:
        raise HvaeError(f"an image kept without the model has more than {bits} bits; the file is damaged")
    return levels


def sizes(levels: Levels, bits: int) -> dict[str, int]:
    """Bytes of one picture (C, H, W) in each format that can hold it: what a codec is compared with."""
    if levels.ndim != 3 or levels.shape[0] not in _MODES:
        return {}
    strip = _strip(levels[None])
    counts = {"png": len(png(strip, bits))}
    fits = max(strip.shape[:2]) <= _WEBP_SIDE and features.check("webp")
    return counts | ({"webp": len(webp(strip))} if fits else {})


def png(strip: Levels, bits: int) -> bytes:
    """A picture (H, W, C) as PNG; one bit a pixel where that is all there is."""
    image = _image(strip)
    if bits == 1 and strip.shape[2] == 1:
        image = Image.fromarray(strip[:, :, 0] * np.uint8(255)).convert("1", dither=Image.Dither.NONE)
    return _saved(image, format="PNG", optimize=True)


def webp(strip: Levels) -> bytes:
    """A picture (H, W, C) as lossless WebP."""
    return _saved(_image(strip).convert("RGB"), format="WEBP", lossless=True, quality=80, method=4)


def _saved(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, **options)  # type: ignore[arg-type]
    return out.getvalue()


def _image(strip: Levels) -> Image.Image:
    return Image.fromarray(strip[:, :, 0] if strip.shape[2] == 1 else np.ascontiguousarray(strip))


def _strip(levels: Levels) -> Levels:
    """(N, C, H, W) -> (N H, W, C): the images below each other."""
    n, c, h, w = levels.shape
    return levels.transpose(0, 2, 3, 1).reshape(n * h, w, c)


def _unstrip(body: bytes, kind: int, shape: Sequence[int]) -> Levels:
    n, c, h, w = shape
    if c not in _MODES:
        raise ValueError(f"no picture has {c} channels")
    image = Image.open(io.BytesIO(body), formats=["PNG" if kind == _PNG else "WEBP"])
    # Before anything is unpacked: a file may claim any size.
    if image.size != (w, n * h):
        raise ValueError(f"expected {w} x {n * h} pixels, got {image.size[0]} x {image.size[1]}")
    single = image.mode == "1"
    pixels = np.asarray(image.convert(_MODES[c]), dtype=np.uint8).reshape(n, h, w, c)
    return (pixels // 255 if single else pixels).transpose(0, 3, 1, 2)


def _packed(levels: Levels, bits: int) -> bytes:
    """The bits of each value, and no others."""
    flat = levels.reshape(-1)
    return b"".join(_narrow(flat[at : at + _PIECE], bits) for at in range(0, len(flat), _PIECE))


def _narrow(piece: Levels, bits: int) -> bytes:
    if bits == 8:
        return piece.tobytes()
    return np.packbits(np.unpackbits(piece[:, None], axis=1)[:, 8 - bits :]).tobytes()  # (N, 8) -> (N, bits)


def _unpacked(body: bytes, shape: Sequence[int], bits: int) -> Levels:
    count = math.prod(shape)
    size = (count * bits + 7) // 8
    unzip = zlib.decompressobj()
    raw = unzip.decompress(body, size + 1)
    if len(raw) != size or not unzip.eof:
        raise ValueError(f"expected {size} bytes")
    packed = np.frombuffer(raw, dtype=np.uint8)
    if bits == 8:
        return packed.reshape(tuple(shape))
    levels = np.empty(count, dtype=np.uint8)
    for at in range(0, count, _PIECE):
        levels[at : at + _PIECE] = _wide(packed[at * bits // 8 :], min(_PIECE, count - at), bits)
    return levels.reshape(tuple(shape))


def _wide(packed: Levels, count: int, bits: int) -> Levels:
    """The next `count` values, each of so many bits."""
    flags = np.unpackbits(packed[: (count * bits + 7) // 8], count=count * bits).reshape(count, bits)
    return np.packbits(np.pad(flags, ((0, 0), (8 - bits, 0))), axis=1)[:, 0]  # (N, 8) -> (N,)
