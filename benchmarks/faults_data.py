"""Hostile folders and files of data: what a disk, a phone, a careless colleague or somebody who means harm may leave.

Each maker fills an empty folder; `faults` then trains on it for two steps.  Used by benchmarks/faults.py.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

Outcome = TypeVar("Outcome")
RNG = np.random.default_rng(0)
PNG = b"\x89PNG\r\n\x1a\n"


def picture(*shape: int) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, shape or (16, 16), dtype=np.uint8))


def encoded(form: str, image: Image.Image | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    (image or picture(16, 16, 3)).save(out, form, **options)
    return out.getvalue()


def good(folder: Path, count: int = 24) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        picture().save(folder / f"{i:02d}.png")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *between: bytes, pixels: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return PNG + head + b"".join(between) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


def npy(shape: tuple[int, ...], kind: str = "|u1", body: bytes = b"") -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": kind, "fortran_order": False, "shape": shape})
    return out.getvalue() + body


def zipped(path: Path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("train.npy", content)


def linked(folder: Path) -> None:
    good(folder)
    for name, to in {"self": ".", "other": ".", "up": "..", "loop": "loop"}.items():
        (folder / name).symlink_to(to)


def deep(folder: Path) -> None:
    good(folder)
    below = folder
    for _ in range(400):
        below = below / "d"
        below.mkdir()


def piped(folder: Path) -> None:
    good(folder)
    os.mkfifo(folder / "x.png")


def bound(folder: Path) -> None:
    good(folder)
    here = os.getcwd()
    os.chdir(folder)  # the address of a socket may not be long
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("s.png")
    os.chdir(here)


def named(folder: Path) -> None:
    good(folder)
    for i, name in enumerate((b"caf\xe9.png", b"a\nb.png", b"\x1b[31m.png", "\u202egnp.png".encode(), b"=cmd|'.png")):
        shutil.copy(folder / f"{i:02d}.png", os.fsencode(folder) + b"/" + name)


def many(folder: Path) -> None:
    good(folder)
    for i in range(20_000):
        (folder / f"n{i}.txt").touch()


def damaged(form: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        good(folder)
        whole = encoded(form)
        for i in range(8):
            content = bytearray(whole[: RNG.integers(len(whole) // 4, len(whole))])
            content[RNG.integers(8, len(content))] ^= 255
            (folder / f"x{i}.{form.lower()}").write_bytes(content)

    return make


def of(**files: bytes) -> Callable[[Path], None]:
    """Good pictures, and these files, whose names end in what follows the last underscore."""

    def make(folder: Path) -> None:
        good(folder)
        for name, content in files.items():
            (folder / name.replace("_", ".")).write_bytes(content)

    return make


def frames(folder: Path) -> None:
    some = [Image.fromarray(np.full((16, 16), i % 256, np.uint8)) for i in range(12_000)]
    good(folder)
    some[0].save(folder / "x.gif", save_all=True, append_images=some[1:])


EXIF = Image.Exif()
EXIF[0x0112] = 6
ZEROS = bytes(100 << 20)
TEXTS = [chunk(b"zTXt", b"k%d\0\0" % i + zlib.compress(ZEROS[: 1 << 25], 9)) for i in range(4)]

FOLDERS: dict[str, Callable[[Path], object]] = {
    "links to itself": linked,
    "400 folders deep": deep,
    "a pipe": piped,
    "a socket": bound,
    "names of all kinds": named,
    "20,000 other files": many,
    "12,000 frames": frames,
    "four of 13,300 pixels": of(**{f"x{i}_png": png(13_300, 13_300, pixels=ZEROS[:9999]) for i in range(4)}),
    "a bomb in text": of(x_png=png(16, 16, *TEXTS, pixels=bytes(17 * 16))),
    "a bomb in pixels": of(x_png=png(16, 16, pixels=ZEROS)),
    "an endless device": lambda folder: (good(folder), (folder / "x.png").symlink_to("/dev/zero")),
    "a class named train": lambda folder: [good(folder / name) for name in ("train", "bus", "car")],
    "train, test and a class": lambda folder: [good(folder / name) for name in ("train", "test", "car")],
    "an empty test": lambda folder: (good(folder / "train"), (folder / "test").mkdir()),
    "nothing": lambda folder: None,
    "PostScript": of(x_png=b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"),
    "CMYK": of(x_jpg=encoded("JPEG", picture(16, 16, 3).convert("CMYK"))),
    "a phone's photograph": of(x_jpg=encoded("JPEG", exif=EXIF)),
    "floats": of(x_tif=encoded("TIFF", Image.fromarray(np.zeros((16, 16), np.float32)))),
    "other sizes": of(x_png=encoded("PNG", picture(7, 9))),
    "empty files": of(x_png=b"", y_jpg=b"", z_tif=b""),
    **{f"damaged {form}": damaged(form) for form in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM")},
}
FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "an array of a terabyte": ("x.npy", lambda path: path.write_bytes(npy((10**6, 1000, 1000), body=bytes(99)))),
    "an archive of a terabyte": ("x.npz", lambda path: zipped(path, npy((10**6, 1000, 1000), body=bytes(99)))),
    "a bomb of an archive": ("x.npz", lambda path: zipped(path, npy((6400, 128, 128), body=ZEROS))),
    "a bomb of IDX": ("x.gz", lambda path: path.write_bytes(gzip.compress(b"\0\0\x08\x01\x06\x40\0\0" + ZEROS))),
    "IDX of all memory": ("x", lambda path: path.write_bytes(b"\0\0\x08\x03" + b"\xff" * 12)),
    "objects": ("x.npy", lambda path: path.write_bytes(npy((3,), "|O", b"cos\nsystem\n(S'true'\ntR."))),
    "an array that is a pipe": ("x.npy", lambda path: os.mkfifo(path)),
    "an array of holes": ("x.npy", lambda path: (path.write_bytes(npy((1 << 40,))), os.truncate(path, 1 << 40))),
    "labels beyond 64 bits": (
        "x.npz",
        lambda path: np.savez(path, train=np.zeros((9, 8, 8), np.uint8), train_labels=np.full(9, 2**64 - 1, np.uint64)),
    ),
}
TINY = ("--train.steps", 2, "--train.batch", 4, "--evaluate.measures", "likelihood", "--evaluate.limit", 2)


def faults(count: int, work: Path, command: Callable[..., Outcome]) -> Iterator[tuple[str, Outcome]]:
    """Train on the first `count` of them, once as they are and, for folders, once without what cannot be read."""
    for i, (what, make) in enumerate([*FOLDERS.items()][:count]):
        folder = work / f"folder{i}"
        folder.mkdir()
        make(folder)
        for bad in ("stop", "skip"):
            words = ("--data.name", "folder", "--data.path", folder, "--data.bad", bad, "--out", work / f"run{i}{bad}")
            yield f"{what}, {bad}", command("train", "digits", *words, *TINY)
        shutil.rmtree(folder)
    for i, (what, (name, write)) in enumerate([*FILES.items()][: max(0, count - len(FOLDERS))]):
        path = work / f"{i}{name}"
        write(path)
        words = ("--data.name", "npy" if path.suffix in (".npy", ".npz") else "idx", "--data.path", path)
        yield what, command("train", "digits", *words, "--out", work / f"of{i}", *TINY)
