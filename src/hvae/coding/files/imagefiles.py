"""Image files as pictures and back, without loss of a pixel's value, or a refusal.

What the model codes are levels of grey or colour.  Beside it, in a classic format, go opacity and the low bytes of
16 bits (as their difference, by exclusive or, from the high bytes, which the model codes: nothing where 8 bits were
merely widened).  A grey image may go to a model of colour, as three equal channels.  Palettes become colours, and one
transparent colour becomes opacity; only the pixels are kept, nothing else that a file says.

Shapes: `C` channels; `H W` a picture; pixels (H, W, C) of 8 or 16 bits.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from hvae.coding.files.classic import Levels
from hvae.coding.files.pictures import KINDS, MODES, Picture
from hvae.errors import HvaeError
from hvae.files import replacing

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_PNG = b"\x89PNG\r\n\x1a\n"
_DEEP = {"LA;16B": "LA;16", "RGB;16B": "RGB;16", "RGBA;16B": "RGBA;16"}
_VEILED = {"1": "LA", "L": "LA", "RGB": "RGBA", "I;16": "LA;16", "RGB;16": "RGBA;16"}
_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error, MemoryError)
"""What Pillow raises for damaged files, beside its own errors."""


def open_picture(path: str | Path, channels: int, bits: int) -> Picture:
    """An image file as levels that a model of so many channels and bits knows, and the rest of it.

    Raises HvaeError for what would lose something: several frames, colour for a grey model, values between the levels
    of a model of few bits, modes that are neither grey nor RGB.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            mode, pixels = _pixels(image, path)
    except (*_UNREADABLE, Image.DecompressionBombError) as fault:
        if isinstance(fault, HvaeError):
            raise
        raise HvaeError(f"{path} cannot be read as an image: {fault}") from fault
    colours, rest = _parted(pixels, mode)
    if len(colours) not in (1, channels):
        raise HvaeError(
            f"{path} has {len(colours)} channels and the model {channels}; convert it, or use a model of such images"
        )
    levels = _levels(colours, bits, path)
    whole = levels if len(levels) == channels else np.repeat(levels, channels, 0)
    return Picture(path.name, whole, MODES.index(mode), rest)


def _pixels(image: Image.Image, path: Path) -> tuple[str, Pixels]:
    """Mode and pixels (H, W, C)."""
    # A second frame of MPO is a phone's preview of the first; of all others it is content.
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise HvaeError(f"{path} holds several images; split it into files of one each")
    depth, clear = _depth(path) if image.format == "PNG" else 8, image.info.get("transparency")
    if depth == 16 and image.mode != "I;16":
        return _veiled(*_deep(image, path), clear, depth)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if clear is not None or image.mode == "PA" else "RGB")
    if image.mode.startswith("I;16") or (image.mode == "I" and not (np.asarray(image) >> 16).any()):
        return _veiled("I;16", np.asarray(image).astype(np.uint16)[:, :, None], clear, depth)
    if image.mode not in KINDS:
        raise HvaeError(f"expected {path} to be grey or RGB, of 8 or 16 bits, got mode {image.mode}; convert it first")
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image, dtype=np.uint8)
    return _veiled(image.mode, pixels if pixels.ndim == 3 else pixels[:, :, None], clear, depth)


def _veiled(mode: str, pixels: Pixels, clear: int | tuple[int, ...] | None, depth: int) -> tuple[str, Pixels]:
    """One transparent colour, told in the `depth` of the file, as opacity of each pixel (of 8 or 16 bits by now)."""
    if clear is None or mode not in _VEILED:
        return mode, pixels
    # Pillow would compare what the file says with values that it has already widened.
    top, full = 2**depth - 1, int(np.iinfo(pixels.dtype).max)
    colour = (np.atleast_1d(clear) & top) * full // top
    opacity = np.where((pixels != colour).any(2, keepdims=True), full, 0).astype(pixels.dtype)
    return _VEILED[mode], np.concatenate([pixels, opacity], 2)


def _depth(path: Path) -> int:
    """Bits a channel, as the header of a PNG has them; Pillow does not say."""
    with open(path, "rb") as f:
        return f.read(25)[-1]


def _deep(image: Image.Image, path: Path) -> tuple[str, Pixels]:
    """A PNG of 16 bits and several channels, of which Pillow gives the high bytes unless asked otherwise."""
    assert isinstance(image, ImageFile), "images of files are decoded tile by tile"
    raw = str(image.tile[0].args) if image.tile else ""
    if raw not in _DEEP:
        raise HvaeError(f"expected {path} to be grey or RGB if it has 16 bits, got another mode; convert it first")
    if raw == "LA;16B":
        both = _raw(path, "RGBA")  # two channels of 16 bits lie as four of 8
        high, low = both[:, :, ::2], both[:, :, 1::2]
    else:
        high, low = _raw(path, raw), _raw(path, raw[:-1] + "L")  # one order of bytes, and the other
    return _DEEP[raw], (high.astype(np.uint16) << 8 | low).astype(np.uint16)


def _raw(path: Path, order: str) -> Levels:
    """The pixels of a file as if its bytes lay in another order, (H, W, C)."""
    with Image.open(path) as image:
        assert isinstance(image, ImageFile)
        image.tile = [part._replace(args=order) for part in image.tile]
        return np.asarray(image, dtype=np.uint8)


def _parted(pixels: Pixels, mode: str) -> tuple[Levels, Levels | None]:
    """What a model may code, (C, H, W), and what is kept beside it, (R, H, W)."""
    planes, kind = pixels.transpose(2, 0, 1), KINDS[mode]
    high = (planes >> 8 if kind.deep else planes).astype(np.uint8)
    low = (planes & 255).astype(np.uint8) ^ high if kind.deep else high[:0]
    rest = np.concatenate([high[kind.colours :], low])
    assert len(rest) == kind.rest, "every plane is somewhere"
    return high[: kind.colours], rest if kind.rest else None


def _levels(pixels: Levels, bits: int, path: Path) -> Levels:
    top = 2**bits - 1
    levels: Levels = np.rint(np.arange(256) * (top / 255)).astype(np.uint8)[pixels]
    if not np.array_equal(_bytes(levels, bits), pixels):
        raise HvaeError(f"{path} has values between the {top + 1} levels that the model knows; use a model of 8 bits")
    return levels


def _bytes(levels: Levels, bits: int) -> Levels:
    # By a table: doubles of a whole picture would take eight times its memory.
    found: Levels = np.rint(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8)[levels]
    return found


def save_picture(path: str | Path, picture: Picture, bits: int) -> None:
    """Write a picture as PNG, whole or not at all; an array as .npy."""
    path, mode = Path(path), MODES[picture.mode]
    suffix = ".npy" if mode == "array" else ".png"
    if path.suffix.lower() != suffix:
        raise HvaeError(f"expected a file name that ends in {suffix}, got {path}: what comes out is lossless")
    with replacing(path) as temporary, open(temporary, "wb") as f:
        if mode == "array":
            np.save(f, picture.levels)
        elif picture.kind.deep and picture.kind.colours + picture.kind.alpha > 1:
            f.write(_deep_png(_joined(picture, bits)))
        else:
            _image(_joined(picture, bits), mode).save(f, format="PNG")


def _joined(picture: Picture, bits: int) -> Pixels:
    """The pixels (H, W, C) that `_parted` took apart; plane by plane, since pictures may be as large as memory."""
    kind, rest = picture.kind, picture.rest
    pixels = np.empty((*picture.levels.shape[1:], kind.colours + kind.alpha), np.uint16 if kind.deep else np.uint8)
    for c in range(pixels.shape[2]):
        aside = c - kind.colours
        assert aside < 0 or rest is not None, "a mode with opacity has planes beside its levels"
        high = _bytes(picture.levels[c], bits) if rest is None or aside < 0 else rest[aside]  # (H, W)
        pixels[:, :, c] = high
        if kind.deep and rest is not None:
            pixels[:, :, c] = high.astype(np.uint16) << 8 | (rest[kind.alpha + c] ^ high)
    return pixels


def _image(pixels: Pixels, mode: str) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
    return image.convert("1", dither=Image.Dither.NONE) if mode == "1" else image


def _deep_png(pixels: Pixels) -> bytes:
    """A PNG of 16 bits and several channels, which Pillow cannot write: rows as differences from those above."""
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    above = np.pad(rows, ((1, 0), (0, 0)))[:-1]
    filtered = np.concatenate([np.full((height, 1), 2, dtype=np.uint8), rows - above], 1)
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = {b"IHDR": head, b"IDAT": zlib.compress(filtered.tobytes(), 9), b"IEND": b""}
    return _PNG + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts.items()
    )
