"""Lossless reading and writing of image files; what would lose a pixel's value is refused.

What the model codes are levels of grey or colour.  Beside it, in a classic format, go opacity and the low bytes of
16 bits (as their difference, by exclusive or, from the high bytes, which the model codes: nothing where 8 bits were
merely widened).  A grey image may go to a model of colour, as three equal channels.  Palettes become colours, and one
transparent colour becomes opacity; only the pixels are kept, nothing else that a file says.

Shapes: `C` channels; `H W` a picture; pixels (H, W, C) of 8 or 16 bits.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from hvae.coding.files.classic import Levels
from hvae.coding.files.pictures import KINDS, MODES, Picture
from hvae.errors import HvaeError
from hvae.files import open_regular, replacing
from hvae.picturefiles import FLOATS, FURTHER, TURNED, has_more_pages, is_turned, opened, orientation, upright
from hvae.screen.text import for_screen

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


class MisfitError(HvaeError):
    """A picture that a model of fewer channels or levels cannot code without loss."""


_PNG = b"\x89PNG\r\n\x1a\n"
_DEEP = {"LA;16B": "LA;16", "RGB;16B": "RGB;16", "RGBA;16B": "RGBA;16"}
_VEILED = {"1": "LA", "L": "LA", "RGB": "RGBA", "I;16": "LA;16", "RGB;16": "RGBA;16"}


def open_picture(path: str | Path, channels: int, bits: int) -> Picture:
    """Read an image file as levels for a model of `channels` and `bits`, with the planes it does not code.

    It is turned as its EXIF orientation says, of several pages the first is taken, and colours in other spaces become
    RGB; the picture's `changes` say so.  Raises HvaeError for unreadable files, and MisfitError for what would be
    lossy: colour for a grey model, values between the levels of a model of few bits.
    """
    path = Path(path)
    with opened(path) as image:
        changes = [FURTHER] * has_more_pages(image)
        losses, mode, pixels = _pixels(image, path)
    colours, rest = _parted(pixels, mode)
    name = for_screen(path)
    if len(colours) not in (1, channels):
        raise MisfitError(f"{name}: it has {len(colours)} channels and the model {channels}")
    levels = _levels(colours, bits, name)
    whole = levels if len(levels) == channels else np.repeat(levels, channels, 0)
    return Picture(path.name, whole, MODES.index(mode), rest, (*changes, *losses))


def memory_of(path: str | Path) -> int:
    """Bytes that the pixels of an image file take, by its header; 0 where it cannot be read."""
    try:
        with opened(Path(path)) as image:
            return image.width * image.height * len(image.getbands()) * (2 if image.mode.startswith("I") else 1)
    except HvaeError:
        return 0  # whoever opens it says why


def _pixels(image: Image.Image, path: Path) -> tuple[list[str], str, Pixels]:
    """What was changed on the way, the mode, and pixels (H, W, C)."""
    depth, clear = _depth(path) if image.format == "PNG" else 8, image.info.get("transparency")
    if depth == 16 and image.mode != "I;16":
        mode, pixels, orient = _deep(image, path)
        return [TURNED] * (orient in TURNS), *_veiled(mode, TURNS.get(orient, np.asarray)(pixels), clear, depth)
    is_tagged = is_turned(image)  # Pillow forgets it of some formats once they are turned
    turned = upright(image)
    changes = [TURNED] * (is_tagged or turned is not image)
    plain = _plain(turned)
    if plain.mode not in KINDS:
        changes.append(f"converted from {plain.mode} to RGB")
        plain = plain.convert("RGB")
    if plain.mode == "I;16":
        pixels = np.asarray(plain)[:, :, None]
    else:
        values = np.asarray(plain.convert("L") if plain.mode == "1" else plain, dtype=np.uint8)
        pixels = values if values.ndim == 3 else values[:, :, None]
    return changes, *_veiled(plain.mode, pixels, clear, depth)


def _plain(image: Image.Image) -> Image.Image:
    """Palettes as the colours that they stand for, and whole numbers of 16 bits in one mode."""
    if image.mode == "F":
        raise ValueError(FLOATS)
    if image.mode in ("P", "PA"):
        clear = image.mode == "PA" or image.info.get("transparency") is not None
        return image.convert("RGBA" if clear else "RGB")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"expected values from 0 to 65535, got {values.min()} to {values.max()}")
    return Image.fromarray(values.astype(np.uint16))


# What Pillow does to whole images, for pixels (H, W, C) that it does not know.
TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels[::-1], 1),
    8: lambda pixels: np.rot90(pixels, 1),
}


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
    with open_regular(path) as f:
        return f.read(25)[-1]


def _deep(image: Image.Image, path: Path) -> tuple[str, Pixels, int]:
    """A PNG of 16 bits and several channels, of which Pillow gives the high bytes unless asked otherwise; and how it is
    turned."""
    assert isinstance(image, ImageFile), "images of files are decoded tile by tile"
    raw = str(image.tile[0].args) if image.tile else ""
    if raw not in _DEEP:
        raise HvaeError(f"expected {path} to be grey or RGB if it has 16 bits, got another mode; convert it first")
    if raw == "LA;16B":
        both, orient = _raw(path, "RGBA")  # two channels of 16 bits lie as four of 8
        high, low = both[:, :, ::2], both[:, :, 1::2]
    else:
        # One order of bytes, and the other.
        (high, orient), (low, _) = _raw(path, raw), _raw(path, raw[:-1] + "L")
    return _DEEP[raw], (high.astype(np.uint16) << 8 | low).astype(np.uint16), orient


def _raw(path: Path, order: str) -> tuple[Levels, int]:
    """The pixels of a file as if its bytes lay in another order, (H, W, C), and its EXIF orientation."""
    with opened(path) as image:
        assert isinstance(image, ImageFile)
        image.tile = [part._replace(args=order) for part in image.tile]
        return np.asarray(image, dtype=np.uint8), orientation(image)


def _parted(pixels: Pixels, mode: str) -> tuple[Levels, Levels | None]:
    """What a model may code, (C, H, W), and what is kept beside it, (R, H, W)."""
    planes, kind = pixels.transpose(2, 0, 1), KINDS[mode]
    high = (planes >> 8 if kind.deep else planes).astype(np.uint8)
    low = (planes & 255).astype(np.uint8) ^ high if kind.deep else high[:0]
    rest = np.concatenate([high[kind.colours :], low])
    assert len(rest) == kind.rest, "every plane is somewhere"
    return high[: kind.colours], rest if kind.rest else None


def _levels(pixels: Levels, bits: int, name: str) -> Levels:
    top = 2**bits - 1
    levels: Levels = np.rint(np.arange(256) * (top / 255)).astype(np.uint8)[pixels]
    if not np.array_equal(_bytes(levels, bits), pixels):
        raise MisfitError(f"{name}: it has values between the {top + 1} levels that the model knows")
    return levels


def _bytes(levels: Levels, bits: int) -> Levels:
    # By a table: doubles of a whole picture would take eight times its memory.
    values: Levels = np.rint(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8)[levels]
    return values


def save_picture(path: str | Path, picture: Picture, bits: int) -> None:
    """Write a picture as PNG, whole or not at all; an array as .npy.  Raises HvaeError for a name of another end."""
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
