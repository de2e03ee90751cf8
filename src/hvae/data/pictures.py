"""From encoded pictures to one array of levels: look at every header, settle one form for all, decode once, keep it.

Shapes: `C` channels; `H W` space.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from hvae.config.data import DataConfig
from hvae.data.fetch import cache_folder
from hvae.data.progress import progress
from hvae.data.transforms import Array, fit_one, level_type, quantise, recolour
from hvae.errors import HvaeError
from hvae.files import replacing, write_text

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
# What Pillow raises for files that are not, or not wholly, pictures.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, Image.DecompressionBombError)
CHUNK = 512
_QUARTER_TURNS = (5, 6, 7, 8)
_ORIENTATION = 0x0112


class Picture(NamedTuple):
    """One encoded picture: its name for messages, and how to open it (lazily: the header only)."""

    name: str
    open: Callable[[], Image.Image]


class Header(NamedTuple):
    """What a picture says of itself before it is decoded."""

    size: tuple[int, int]
    colour: bool
    depth: int
    clear: bool


@dataclass(frozen=True)
class Plan:
    """The one form that every picture is brought to."""

    size: tuple[int, int]
    channels: int
    bits: int
    crop: str
    clear: bool


class Decoded(NamedTuple):
    """Levels by split (mapped files, (N, C, H, W)), and the plan they follow."""

    levels: Mapping[str, Array]
    plan: Plan


def decoded(splits: Mapping[str, Sequence[Picture]], config: DataConfig, listing: Any) -> Decoded:
    """All pictures of all splits as levels, from the cache when the same `listing` was decoded the same way before.

    `listing` is whatever identifies the pictures' contents; it must be JSON.  Raises HvaeError for a picture that
    cannot be read, for sizes or depths that differ while the config settles none, and for a full disk.
    """
    wish = [config.size, config.crop, config.channels, config.bits]
    key = hashlib.sha256(json.dumps(["levels", 1, wish, listing]).encode()).hexdigest()[:24]
    folder = cache_folder() / "decoded" / key
    # Each file appears whole or not at all; a half-cleaned cache is decoded again.
    if not all((folder / name).exists() for name in ("plan.json", *(f"{split}.npy" for split in splits))):
        pictures = [picture for split in splits.values() for picture in split]
        plan = settle(look_at(pictures), config)
        for split, some in splits.items():
            _write(folder / f"{split}.npy", some, plan)
        write_text(folder / "plan.json", json.dumps(asdict(plan)))
    plan = Plan(**json.loads((folder / "plan.json").read_text()))
    return Decoded({split: np.load(folder / f"{split}.npy", mmap_mode="c") for split in splits}, plan)


def settle(headers: Sequence[tuple[str, Header]], config: DataConfig) -> Plan:
    """One size, number of channels and bit depth for all, from the config or, where it is silent, from agreement."""
    size = config.size or _agreed(headers, "size", "set data.size=[H, W] and data.crop")
    shallow = min(headers, key=lambda item: item[1].depth)
    bits = config.bits or _agreed(headers, "depth", "set data.bits=8")
    if bits > shallow[1].depth:
        raise HvaeError(f"expected at most data.bits={shallow[1].depth}, which is what {shallow[0]} holds, got {bits}")
    channels = config.channels or (3 if any(header.colour for _, header in headers) else 1)
    return Plan(tuple(size), channels, bits, config.crop, any(header.clear for _, header in headers))


def _agreed(headers: Sequence[tuple[str, Header]], field: str, advice: str) -> Any:
    name, first = headers[0]
    for other, header in headers:
        if getattr(header, field) != getattr(first, field):
            raise HvaeError(
                f"expected pictures of one {field}, got {name} with {_shown(getattr(first, field))} and {other} with "
                f"{_shown(getattr(header, field))}; {advice}"
            )
    return getattr(first, field)


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else f"{value} bits"


def look_at(pictures: Sequence[Picture]) -> list[tuple[str, Header]]:
    """The name and header of each picture, none of them decoded.  Raises HvaeError for one that cannot be read."""
    found = _pooled(_header, pictures, "looking at pictures")
    return [(picture.name, header) for picture, header in zip(pictures, found, strict=True)]


def _header(picture: Picture) -> Header:
    try:
        with picture.open() as image:
            if image.mode == "F":
                raise ValueError("it holds floats; save them as .npy")
            turned = image.getexif().get(_ORIENTATION) in _QUARTER_TURNS
            size = image.size if turned else image.size[::-1]
            clear = "A" in image.mode or "transparency" in image.info
            return Header(size, image.mode not in GREY_MODES, 16 if image.mode.startswith("I") else 8, clear)
    except UNREADABLE as fault:
        raise _unreadable(picture, fault) from fault


def _unreadable(picture: Picture, fault: BaseException) -> HvaeError:
    why = " ".join(str(fault).split()) or type(fault).__name__
    return HvaeError(f"cannot read the picture {picture.name}: {why}; replace it or take it out")


def _pixels(picture: Picture, plan: Plan) -> Array:
    """One picture by the plan: (C, H, W)."""
    try:
        with picture.open() as image:
            levels, depth = _levels(ImageOps.exif_transpose(image), plan)
    except UNREADABLE as fault:
        raise _unreadable(picture, fault) from fault
    shaped = fit_one(recolour(levels[None], plan.channels)[0], plan.size, plan.crop, depth)
    return quantise(shaped, depth, plan.bits, picture.name)


def _levels(image: Image.Image, plan: Plan) -> tuple[Array, int]:
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError(f"expected values from 0 to 65535, got {deep.min()} to {deep.max()}")
        return deep.astype(np.int32)[None], 16  # (1, H, W)
    if "A" in image.mode or "transparency" in image.info:
        # What lies under transparent pixels is arbitrary, and nobody sees it: white paper shows what people see.
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    flat = np.asarray(image.convert("RGB" if plan.channels == 3 else "L"))
    return (flat.transpose(2, 0, 1) if plan.channels == 3 else flat[None]), 8  # (C, H, W)


def _write(path: Path, pictures: Sequence[Picture], plan: Plan) -> None:
    kind = np.dtype(level_type(plan.bits))
    shape = (len(pictures), plan.channels, *plan.size)
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    # Plain writes and not a mapping: on a full disk a write fails with an error, a mapping kills the process.
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for image in _pooled(lambda picture: _pixels(picture, plan), pictures, f"decoding {path.stem}"):
            file.write(image.tobytes())


def _pooled(work: Callable[[Picture], Any], pictures: Sequence[Picture], what: str) -> Iterator[Any]:
    # Threads, because Pillow decodes without the lock; in chunks, so that results never outrun the writer.
    def results() -> Iterator[Any]:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(pictures), CHUNK):
                yield from pool.map(work, pictures[start : start + CHUNK])

    return progress(results(), what, total=len(pictures))
