"""Image files of others, and how one is opened and read: the same at every door.

No torch here: training, scoring and the codec ask the same questions.
"""

from __future__ import annotations

import os
import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from hvae.errors import HvaeError, by_reason
from hvae.files import open_regular
from hvae.screen.text import for_screen

# Pillow knows more formats; some of them start other programs, whatever the name of the file says.
# What JPEG opens may turn out to be MPO: a photograph with its preview.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MOST_PIXELS = 89_478_485
"""Pixels of the largest picture: a quarter of a gigabyte in colour."""
FURTHER, TURNED = "with further pages, of which the first is used", "turned as their EXIF orientation says"
NARROWED = "of 16-bit colour, read at 8 bits"
FLOATS, REPLACE = "it holds floats; save them as .npy", "replace it or take it out"
MOST_PAGES = 10_000
MOST_WORK, MOST_FOLD = 1 << 32, 400
"""Pixels of all pages, or of all scans, of a file: so many, or so many times its bytes."""
_HEAD, _MOST_COMMENTS = 1 << 16, 1000
_SCAN = b"\xff\xda"
MOST_PARTS, _STRIPS = 1 << 20, (273, 279, 324, 325)
"""Tags and strips of all pages of a TIFF, and which tags list strips."""
_TIFF: tuple[tuple[bytes, Literal["little", "big"], bool], ...] = (
    *((b"II*\0", "little", False), (b"II\0*", "little", False), (b"II+\0", "little", True)),
    *((b"MM\0*", "big", False), (b"MM*\0", "big", False), (b"MM\0+", "big", True), (b"MM\0+", "big", False)),
)
"""Beginnings that Pillow knows, and how it reads on; of the last one this differs between its versions."""
_TAIL = 1 << 16
_WIDTH, _HEIGHT, _ORIENTATION = 0x0100, 0x0101, 0x0112
_QUARTER_TURNS = (5, 6, 7, 8)
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EOFError),
    *(AssertionError, RuntimeError, MemoryError, struct.error, Image.DecompressionBombError),
)
"""What Pillow raises for damaged files, beside its own errors."""
_OWN_WORDS: dict[type[Exception], str] = {UnidentifiedImageError: f"it is none of {', '.join(FORMATS)}"}
_OWN_WORDS[Image.DecompressionBombError] = f"expected at most {MOST_PIXELS:,} pixels, got more than twice as many"

warnings.filterwarnings("ignore", module=r"PIL\.")  # of what is refused here, and of odd tags in files that it reads


def named_at_once(faults: Sequence[tuple[str, str]], most: int = 12, verb: str = "read") -> str:
    """One line that names the pictures that cannot be read, or what else `verb` says, with why: each reason once.

    >>> named_at_once([("a.png", "it is cut"), ("b.png", "it holds floats"), ("c.png", "it is cut")])
    'cannot read 3 pictures: a.png, c.png (it is cut), b.png (it holds floats)'
    """
    if len(faults) == 1:
        return f"cannot {verb} the picture {faults[0][0]}: {faults[0][1]}"
    each = ", ".join(f"{names} ({why})" for why, names in by_reason(faults[:most]).items())
    return f"cannot {verb} {len(faults):,} pictures: {each}{f' and {len(faults) - most:,} more' * (len(faults) > most)}"


def reason(name: str, fault: Exception) -> str:
    """Why a picture cannot be read, without its name, which is said elsewhere.

    >>> reason("a.png", HvaeError("cannot read the picture a.png: it is cut; replace it or take it out"))
    'it is cut'
    """
    text = " ".join(str(fault).split())
    for around in (f"cannot read the picture {name}: ", f"cannot read {name}: ", f"{name}: ", f"{name} "):
        text = text.removeprefix(around)
    return text.removesuffix(f"; {REPLACE}")


@contextmanager
def opened(source: Path | BytesIO, name: str = "") -> Iterator[Image.Image]:
    """An image of a regular file or of bytes, not yet decoded; within the block every fault of Pillow is one line.

    Raises HvaeError for a file that is not a picture, is damaged, or has more than `MOST_PIXELS`.
    """
    name = name or for_screen(source if isinstance(source, Path) else "picture")
    try:
        with (
            open_regular(source) if isinstance(source, Path) else source as file,
            _looked_at(file) as image,
        ):
            yield image
    except HvaeError:
        raise
    except UNREADABLE as fault:
        why = _OWN_WORDS.get(type(fault)) or " ".join(str(fault).split()) or type(fault).__name__
        raise HvaeError(f"cannot read the picture {name}: {why}; {REPLACE}") from fault


def _looked_at(file: BufferedReader | BytesIO) -> Image.Image:
    """The image of an open file, once it is certain that neither its header nor its pixels make endless work."""
    head = file.read(_HEAD)
    if head[:1] == b"P":
        _check_netpbm(head, file)
    for mark, order, wide in _TIFF:
        if head.startswith(mark):
            _check_tiff(order, wide, file)
    file.seek(0)
    image = Image.open(file, formats=FORMATS)
    _check_size(image)
    if image.format in ("JPEG", "MPO"):
        # Each scan is as much work as the whole picture, and takes a hundred bytes.
        _check_work(image.width * image.height * _count(_SCAN, file), file)
    return image


def _check_netpbm(head: bytes, file: BufferedReader | BytesIO) -> None:
    """Raises ValueError for a Netpbm file whose header does not end, or with comments among its numbers.

    Pillow reads the header by bytes, and takes out each comment by a copy of all numbers around it.
    """
    fields = 2 if head[1:2] in b"14" else 3
    bare = re.sub(rb"#[^\r\n]*", b"", head)
    if len(head) == _HEAD and not re.match(rb"\S+(\s+\S+){%d}\s" % fields, bare):
        raise ValueError(f"its header does not end within {_HEAD:,} bytes")
    if head[1:2] in b"123" and _count(b"#", file) > _MOST_COMMENTS:
        raise ValueError(f"expected at most {_MOST_COMMENTS:,} comments, got more")


def _check_tiff(order: Literal["little", "big"], wide: bool, file: BufferedReader | BytesIO) -> None:
    """Raises ValueError for a TIFF whose directories, together, list more tags and strips than pictures have.

    Pillow makes an object of each when it opens a page.  Places take 4 bytes in a file, 8 in a wide one.
    """

    def number(place: int, size: int) -> int:
        file.seek(place)
        content = file.read(size)
        return int.from_bytes(content, order) if len(content) == size else 0

    size, head = (8, 8) if wide else (4, 2)
    one = struct.Struct({"little": "<", "big": ">"}[order] + ("HHQQ" if wide else "HHII"))
    place, places, parts = number(size, size), set[int](), 0
    while place and place not in places and len(places) <= MOST_PAGES:
        places.add(place)
        tags = number(place, head)
        parts += tags
        if parts <= MOST_PARTS:
            content = file.read(one.size * tags)
            whole = content[: len(content) // one.size * one.size]
            parts += sum(count for tag, _, count, _ in one.iter_unpack(whole) if tag in _STRIPS)
        if parts > MOST_PARTS:
            raise ValueError(f"expected at most {MOST_PARTS:,} tags and strips, got {parts:,}")
        place = number(place + head + one.size * tags, size)


def _count(mark: bytes, file: BufferedReader | BytesIO) -> int:
    """How often a mark of one or two bytes stands in a file, whose place stays as it is."""
    at, total, last = file.tell(), 0, b""
    file.seek(0)
    while block := file.read(1 << 20):
        total += (last + block).count(mark)
        last = block[-1:] * (len(mark) - 1)
    file.seek(at)
    return total


def _check_work(pixels: int, file: BufferedReader | BytesIO) -> None:
    """Raises ValueError when so many pixels are to be decoded as no real file of its size holds."""
    at, size = file.tell(), file.seek(0, os.SEEK_END)
    file.seek(at)
    if pixels > max(MOST_WORK, MOST_FOLD * size):
        raise ValueError(f"{size:,} bytes that make {pixels:,} pixels of work; it is damaged, or no real picture")


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"expected at most {MOST_PIXELS:,} pixels, got {image.height:,} x {image.width:,}")


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says; itself where that says nothing."""
    image.load()  # a PNG may say it after its pixels
    # Pillow's own function makes a copy of what stays as it is.
    return ImageOps.exif_transpose(image) if is_turned(image) else image


def is_turned(image: Image.Image) -> bool:
    """Whether its EXIF orientation turns or mirrors the image."""
    return orientation(image) in range(2, 9)


def size_upright(image: Image.Image) -> tuple[int, int]:
    """Height and width once it is upright."""
    if orientation(image) not in _QUARTER_TURNS:
        return image.size[::-1]
    if image.format == "TIFF":  # Pillow says the size after turning, its older versions the one before
        return image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]  # type: ignore[attr-defined, no-any-return]
    return image.size


def orientation(image: Image.Image) -> int:
    """By EXIF: 1, or anything but 2 to 8, as it is; 2 to 8 mirrored or turned."""
    # By the method of the base class: that of PNG would decode the pixels.
    return Image.Image.getexif(image).get(_ORIENTATION, 1)


def is_narrowed(image: Image.Image) -> bool:
    """Whether a file, not yet decoded, has colours of 16 bits, of which Pillow gives the upper 8."""
    tiles = image.tile if isinstance(image, ImageFile) else []
    return not image.mode.startswith("I") and any(";16" in str(tile.args) for tile in tiles)


def has_more_pages(image: Image.Image) -> bool:
    """Whether a file holds further pages or frames; the preview of a phone's photograph is none."""
    return image.format != "MPO" and bool(getattr(image, "is_animated", False))


def pages(image: Image.Image) -> Iterator[int]:
    """Turn to each page of a file, one after the other.  Raises ValueError when there are more than `MOST_PAGES`."""
    yield 0
    if not has_more_pages(image):
        return
    pixels = image.width * image.height
    for page in range(1, MOST_PAGES + 1):
        try:
            image.seek(page)
        except EOFError:
            return
        if page == MOST_PAGES:
            raise ValueError(f"expected at most {MOST_PAGES:,} pages, got more; split the file")
        _check_size(image)
        pixels += image.width * image.height
        _check_work(pixels, image.fp)  # type: ignore[attr-defined]
        yield page


def must_be_decoded(image: Image.Image, file: BufferedReader | BytesIO) -> bool:
    """Whether only decoding tells what a file holds: it seems cut, or is a PNG with EXIF data after its pixels."""
    at, size = file.tell(), file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    file.seek(0)
    head = file.read(8)
    file.seek(at)
    least = {
        "WEBP": int.from_bytes(head[4:8], "little"),
        "BMP": int.from_bytes(head[2:6], "little"),
        "PPM": image.width * image.height * len(image.getbands()) // (8 if image.mode == "1" else 1),
    }
    last = {"PNG": b"IEND", "JPEG": b"\xff\xd9", "MPO": b"\xff\xd9"}
    form = image.format or ""
    late = form == "PNG" and b"eXIf" in tail
    is_short = least.get(form, 0) > size or (form == "TIFF" and _strips_end(image) > size)
    has_end = last.get(form, b"") in tail and (form != "GIF" or tail.rstrip(b"\0").endswith(b";"))
    return late or is_short or not has_end


def _strips_end(image: Image.Image) -> int:
    """Where the last strip or tile of a TIFF ends."""
    tags = getattr(image, "tag_v2", {})
    pairs = [(_numbers(tags.get(place)), _numbers(tags.get(size))) for place, size in ((273, 279), (324, 325))]
    return max((start + size for starts, sizes in pairs for start, size in zip(starts, sizes, strict=False)), default=0)


def _numbers(tag: object) -> tuple[int, ...]:
    return tag if isinstance(tag, tuple) else (tag,) if isinstance(tag, int) else ()
