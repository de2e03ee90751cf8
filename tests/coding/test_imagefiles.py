"""Image files: every mode that Pillow can write comes back pixel by pixel, or is refused in one line."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tiny_codecs import tiny

from hvae.coding import CLASSIC, Codec, read, without_model
from hvae.coding.files.imagefiles import _deep_png, open_picture, save_picture
from hvae.coding.files.pictures import MODES, Picture
from hvae.errors import HvaeError
from hvae.picturefiles import FURTHER, TURNED

RNG = np.random.default_rng(0)
SIZE = (7, 9)


def noisy(*channels: int, top: int = 256) -> np.ndarray:
    return RNG.integers(0, top, (*SIZE, *channels)).astype(np.uint8 if top <= 256 else np.uint16)


def pillow(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format=form, **options)  # type: ignore[arg-type]
    return out.getvalue()


GREY, COLOUR = Image.fromarray(noisy()), Image.fromarray(noisy(3))
CLEAR, VEILED = Image.fromarray(noisy(4)), Image.fromarray(noisy(2))
BINARY = Image.fromarray(noisy(top=2) * np.uint8(255)).convert("1")
DEEP, WIDENED = noisy(top=65536), noisy().astype(np.uint16) * np.uint16(257)

# Name: the file, the mode it becomes, channels and bits of the model.
FILES: dict[str, tuple[bytes, str, int, int]] = {
    "grey": (pillow(GREY), "L", 1, 8),
    "grey for a model of colour": (pillow(GREY), "L", 3, 8),
    "colour": (pillow(COLOUR), "RGB", 3, 8),
    "bits": (pillow(BINARY), "1", 1, 1),
    "bits for a model of colour": (pillow(BINARY), "1", 3, 8),
    "grey and opacity": (pillow(VEILED), "LA", 1, 8),
    "grey and opacity for a model of colour": (pillow(VEILED), "LA", 3, 8),
    "colour and opacity": (pillow(CLEAR), "RGBA", 3, 8),
    "colour and opacity, webp": (pillow(CLEAR, "WEBP", lossless=True, exact=True), "RGBA", 3, 8),
    "bitmap": (pillow(COLOUR, "BMP"), "RGB", 3, 8),
    "tiff": (pillow(COLOUR, "TIFF"), "RGB", 3, 8),
    "16 bits": (pillow(Image.fromarray(DEEP)), "I;16", 1, 8),
    "16 bits for a model of colour": (pillow(Image.fromarray(DEEP)), "I;16", 3, 8),
    "16 bits, tiff": (pillow(Image.fromarray(DEEP), "TIFF"), "I;16", 1, 8),
    "16 bits, widened": (pillow(Image.fromarray(WIDENED)), "I;16", 1, 8),
    "16 bits, wide integers": (pillow(Image.fromarray(DEEP.astype(np.int32)), "TIFF"), "I;16", 1, 8),
    "16 bits of grey and opacity": (_deep_png(noisy(2, top=65536)), "LA;16", 1, 8),
    "16 bits of grey and opacity for a model of colour": (_deep_png(noisy(2, top=65536)), "LA;16", 3, 8),
    "16 bits of colour": (_deep_png(noisy(3, top=65536)), "RGB;16", 3, 8),
    "16 bits of colour and opacity": (_deep_png(noisy(4, top=65536)), "RGBA;16", 3, 8),
}
# Palettes and single transparent colours: what they look like comes back.
SHOWN: dict[str, tuple[bytes, str, int]] = {
    "palette": (pillow(COLOUR.quantize(8)), "RGB", 3),
    "palette with a clear colour": (pillow(COLOUR.quantize(8), transparency=3), "RGBA", 3),
    "gif": (pillow(GREY, "GIF"), "RGB", 3),
    "a clear colour": (pillow(COLOUR, transparency=COLOUR.getpixel((2, 3))), "RGBA", 3),
    "a clear grey": (pillow(GREY, transparency=GREY.getpixel((2, 3))), "LA", 1),
    "jpeg": (pillow(COLOUR, "JPEG"), "RGB", 3),
}


def pixels(path: Path) -> tuple[str, np.ndarray]:
    """Mode and pixels by another road than the package's: as Pillow has them, and 16-bit colour from the raw bytes."""
    content = path.read_bytes()
    if content[24:26] in (b"\x10\x02", b"\x10\x04", b"\x10\x06"):
        return "deep", unfiltered(content)
    with Image.open(path) as image:
        return image.mode.replace("I;16B", "I;16").replace("I;16", "I"), np.asarray(image).astype(np.int64)


def unfiltered(content: bytes) -> np.ndarray:
    """Rows of a PNG that uses no filter but "up" and none."""
    at = content.index(b"IDAT")
    raw = zlib.decompress(content[at + 4 : at + 4 + int.from_bytes(content[at - 4 : at], "big")])
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(SIZE[0], -1)
    assert set(rows[:, 0]) <= {0, 2}
    found = rows[:, 1:].copy()
    for i in range(1, len(found)):
        found[i] += found[i - 1] if rows[i, 0] == 2 else 0
    return found.view(">u2").astype(np.int64)


@pytest.fixture
def round_trip(tmp_path: Path) -> Callable[..., tuple[Path, Path, Picture]]:
    def go(content: bytes, channels: int, bits: int) -> tuple[Path, Path, Picture]:
        before, after = tmp_path / "a.png", tmp_path / "b.png"
        before.write_bytes(content)
        picture = open_picture(before, channels, bits)
        save_picture(after, picture, bits)
        return before, after, picture

    return go


@pytest.mark.parametrize("name", list(FILES))
def test_files_come_back_in_their_mode(name: str, round_trip: Callable[..., tuple[Path, Path, Picture]]) -> None:
    content, mode, channels, bits = FILES[name]
    before, after, picture = round_trip(content, channels, bits)
    assert picture.levels.shape == (channels, *SIZE) and MODES[picture.mode] == mode
    assert picture.levels.max() < 2**bits
    (old_mode, old), (new_mode, new) = pixels(before), pixels(after)
    assert old_mode == new_mode and np.array_equal(old, new)


@pytest.mark.parametrize("name", list(SHOWN))
def test_pixels_come_back_as_they_are_shown(name: str, round_trip: Callable[..., tuple[Path, Path, Picture]]) -> None:
    content, mode, channels = SHOWN[name]
    before, after, picture = round_trip(content, channels, 8)
    assert MODES[picture.mode] == mode
    with Image.open(before) as old, Image.open(after) as new:
        assert np.array_equal(np.asarray(old.convert("RGBA")), np.asarray(new.convert("RGBA")))


def test_pillow_agrees_with_what_is_written_of_16_bits_of_colour(tmp_path: Path) -> None:
    values = noisy(3, top=65536)
    (tmp_path / "a.png").write_bytes(_deep_png(values))
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), values >> 8)  # all that Pillow reads


def test_low_bytes_that_say_nothing_cost_nothing(tmp_path: Path) -> None:
    Image.fromarray(WIDENED).save(tmp_path / "a.png")
    rest = open_picture(tmp_path / "a.png", 1, 8).rest
    assert rest is not None and not rest.any()


@pytest.mark.parametrize(
    "name",
    [
        "colour and opacity",
        "16 bits of colour and opacity",
        "16 bits for a model of colour",
        "16 bits of grey and opacity for a model of colour",
    ],
)
@pytest.mark.parametrize("classic", [False, True])
def test_codecs_keep_what_the_model_does_not_code(
    name: str, classic: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the model or without it; together with pictures that have nothing beside."""
    codec = tiny("colour")
    monkeypatch.setattr(
        Codec,
        "_smaller",
        lambda self, content, order, p: (self._classic(p), "classic") if classic else (content, order),
    )
    (tmp_path / "a.png").write_bytes(FILES[name][0])
    odd = open_picture(tmp_path / "a.png", 3, 8)
    plain = RNG.normal(128, 6, (3, 30, 30)).round().astype(np.uint8)
    pictures = [odd, Picture("plain", plain, MODES.index("RGB")), odd]
    made = codec.compress(pictures)
    file = read(made.content)
    assert (file.header.order == CLASSIC) == classic
    found = [codec.decompress(file), [codec.decompress(file, only=i)[0] for i in range(3)]]
    for back in [*found, without_model(file)] if classic else found:
        for a, b in zip(pictures, back, strict=True):
            assert a.mode == b.mode and np.array_equal(a.levels, b.levels)
            assert (a.rest is None) == (b.rest is None)
            assert a.rest is None or b.rest is None or np.array_equal(a.rest, b.rest)
    assert made.dims == sum(p.values for p in pictures)


def test_dimensions_are_those_of_the_picture(tmp_path: Path) -> None:
    for name, channels in (("grey for a model of colour", 1), ("colour and opacity", 4), ("16 bits of colour", 3)):
        (tmp_path / "a.png").write_bytes(FILES[name][0])
        assert open_picture(tmp_path / "a.png", 3, 8).values == channels * SIZE[0] * SIZE[1]


def test_what_would_lose_something_is_refused_in_one_line(tmp_path: Path) -> None:
    content = {
        "float.tiff": pillow(Image.fromarray(np.zeros(SIZE, np.float32)), "TIFF"),
        "long.tiff": pillow(Image.fromarray(np.full(SIZE, 70_000, np.int32)), "TIFF"),
        "colour.png": FILES["colour"][0],
        "grey.png": FILES["grey"][0],
        "text.png": b"no image",
        "empty.png": b"",
        "cut.png": FILES["colour"][0][:80],
        "cut-deep.png": FILES["16 bits of colour"][0][:80],
        "veiled-deep.png": png(9, 7, 16, 4),
        "huge.png": png(100_000, 100_000, 8, 2),
        "short-veil.png": FILES["grey"][0][:33] + chunk(b"tRNS", b"\0") + FILES["grey"][0][33:],
    }
    for name, found in content.items():
        (tmp_path / name).write_bytes(found)
    for name, channels, bits, words in (
        ("float.tiff", 1, 8, "it holds floats; save them as .npy"),
        ("long.tiff", 1, 8, "expected values from 0 to 65535, got 70000 to 70000"),
        ("colour.png", 1, 8, "has 3 channels and the model 1"),
        ("grey.png", 1, 1, "between the 2 levels that the model knows"),
        ("text.png", 1, 8, "cannot read the picture"),
        ("empty.png", 1, 8, "cannot read the picture"),
        ("cut.png", 3, 8, "cannot read the picture"),
        ("cut-deep.png", 3, 8, "cannot read the picture"),
        ("veiled-deep.png", 3, 8, "cannot read the picture"),
        ("short-veil.png", 1, 8, "cannot read the picture"),
        ("huge.png", 3, 8, "cannot read the picture"),
        ("none.png", 1, 8, "none.png: No such file"),
        (".", 1, 8, "expected a regular file, got a folder"),
    ):
        with pytest.raises(HvaeError, match=words) as refused:
            open_picture(tmp_path / name, channels, bits)
        assert "\n" not in str(refused.value)


def test_what_differs_from_the_file_is_said(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = {
        "cmyk.jpg": (pillow(COLOUR.convert("CMYK"), "JPEG"), "converted from CMYK to RGB"),
        "moving.gif": (pillow(GREY, "GIF", save_all=True, append_images=[COLOUR.convert("L")]), FURTHER),
        "stack.tif": (pillow(GREY, "TIFF", save_all=True, append_images=[COLOUR.convert("L")]), FURTHER),
        "phone.jpg": (pillow(COLOUR, "JPEG", exif=exif), TURNED),
        "phone.tif": (pillow(COLOUR, "TIFF", exif=exif), TURNED),
    }
    for name, (found, words) in content.items():
        (tmp_path / name).write_bytes(found)
        picture = open_picture(tmp_path / name, 3, 8)
        assert picture.changes == (words,), name
        assert picture.levels.shape[1:] == (SIZE if words != TURNED else SIZE[::-1]), name


@pytest.mark.parametrize("orient", range(1, 9))
def test_pictures_lie_as_training_has_them(tmp_path: Path, orient: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orient
    GREY.save(tmp_path / "grey.png", exif=exif)
    whole = _deep_png(noisy(3, top=65536))
    after = chunk(b"eXIf", exif.tobytes()[6:])
    (tmp_path / "deep.png").write_bytes(whole[:33] + after + whole[33:])
    (tmp_path / "plain.png").write_bytes(whole)
    seen = ImageOps.exif_transpose(Image.open(tmp_path / "grey.png"))
    assert np.array_equal(open_picture(tmp_path / "grey.png", 1, 8).levels[0], np.asarray(seen))
    deep, plain = (open_picture(tmp_path / f"{name}.png", 3, 8).levels for name in ("deep", "plain"))
    planes = [ImageOps.exif_transpose(with_exif(Image.fromarray(plane), exif)) for plane in plain]
    assert np.array_equal(deep, np.stack([np.asarray(plane) for plane in planes]))


def with_exif(image: Image.Image, exif: Image.Exif) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "PNG", exif=exif)
    return Image.open(out)


def png(width: int, height: int, depth: int, kind: int) -> bytes:
    """The beginning of a PNG that claims these numbers, with data for a few pixels."""
    return MAGIC + head(width, height, depth, kind) + FILES["16 bits of colour"][0][33:]


MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def head(width: int, height: int, depth: int, kind: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))


def veiled(values: np.ndarray, depth: int, clear: list[int]) -> bytes:
    """A PNG of raw values (H, W, C) of so many bits, with one transparent colour."""
    flags = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(*values.shape, 2), axis=3)[..., -depth:]
    rows = np.packbits(flags.reshape(len(values), -1), axis=1)
    body = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    size = values.shape[1], values.shape[0]
    parts = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return MAGIC + head(*size, depth, {1: 0, 3: 2}[values.shape[2]]) + parts


@pytest.mark.parametrize(("depth", "channels"), [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)])
def test_one_transparent_colour_is_opacity_in_every_depth(
    depth: int, channels: int, round_trip: Callable[..., tuple[Path, Path, Picture]]
) -> None:
    """The file names the colour in its own depth, whatever Pillow makes of its pixels."""
    values = RNG.integers(0, 2**depth, (*SIZE, channels))
    values[2:4, 3:6] = clear = values[0, 0]
    _, after, picture = round_trip(veiled(values, depth, clear.tolist()), channels, 8)
    full = 65535 if depth == 16 else 255
    opacity = np.where((values == clear).all(2, keepdims=True), 0, full)
    expected = np.concatenate([values * full // (2**depth - 1), opacity], 2)
    _, found = pixels(after)
    assert np.array_equal(found.reshape(expected.shape), expected)
    deep = ";16" if depth == 16 else ""
    assert MODES[picture.mode] == {1: "LA", 3: "RGBA"}[channels] + deep
    again = open_picture(after, channels, 8)
    assert again.mode == picture.mode and np.array_equal(again.levels, picture.levels)


def test_only_lossless_names_are_written(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=r"ends in \.png"):
        save_picture(tmp_path / "a.jpg", Picture("a", np.zeros((1, 2, 2), dtype=np.uint8), 2), 8)
    save_picture(tmp_path / "a.npy", Picture("a", np.zeros((1, 2, 2), dtype=np.uint8), 0), 8)
    assert np.load(tmp_path / "a.npy").shape == (1, 2, 2)
