"""From encoded pictures to one array of levels: look at every header, settle one form for all, decode once, keep it.

Shapes: `C` channels; `H W` space.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from hvae.caches import cache_folder
from hvae.config.data import DataConfig
from hvae.data.pictures import Header, Looked, Picture, Plan, look_at, pooled, settle
from hvae.data.transforms import Array, centred, fit_one, level_type, quantise, recolour
from hvae.errors import HvaeError
from hvae.files import replacing, write_text
from hvae.picturefiles import REPLACE, named_at_once, opened, reason, upright

# So many pages of one file are decoded by one thread after the other; finding a page takes longer the later it comes.
TOGETHER = 256
# Above so many pixels pictures are decoded one at a time: eight threads would take eight times the memory.
LARGE = 1 << 24


@dataclass(frozen=True)
class Account:
    """What became of the files: for each image of a split the index of its file, `rows`; files that cannot be read,
    `bad`, with why; files of which further pages are not read; pictures that were turned, and such of more bits than
    are read; and the state of the decoded files, by split."""

    rows: Mapping[str, Sequence[int]]
    bad: Sequence[tuple[str, str]]
    further: int
    turned: int
    narrowed: int
    stamps: Mapping[str, Sequence[int]]


class Decoded(NamedTuple):
    """Levels by split (mapped files, (N, C, H, W)), the plan they follow, and what became of each file."""

    levels: Mapping[str, Array]
    plan: Plan
    account: Account


def decoded(splits: Mapping[str, Sequence[Picture]], config: DataConfig, listing: Any) -> Decoded:
    """All pictures of all splits as levels, from the cache when the same `listing` was decoded the same way before.

    `listing` is whatever identifies the pictures' contents; it must be JSON.  Raises HvaeError for pictures that
    cannot be read unless the config skips them, all of them named at once; for sizes or depths that differ while the
    config settles none; and for a full disk.
    """
    wish = [config.size, config.crop, config.channels, config.bits, config.pages]
    key = hashlib.sha256(json.dumps(["levels", 3, wish, listing]).encode()).hexdigest()[:24]
    folder = cache_folder() / "decoded" / key
    plan, account = _remembered(folder) or _decode(splits, config, folder)
    _check_bad(account.bad, sum(map(len, splits.values())), config)
    empty = [split for split, rows in account.rows.items() if not rows]
    if empty:
        raise HvaeError(f"no picture of {' and '.join(empty)} can be read: {named_at_once(account.bad)}")
    return Decoded({split: np.load(folder / f"{split}.npy", mmap_mode="c") for split in splits}, plan, account)


def _remembered(folder: Path) -> tuple[Plan, Account] | None:
    """What was decoded into the cache before, when all of it is there as it was written."""
    try:
        plan, account = json.loads((folder / "plan.json").read_text())
        record = Plan(**{**plan, "size": tuple(plan["size"])}), Account(**account)
        is_whole = all(_stamp(folder / f"{split}.npy") == was for split, was in record[1].stamps.items())
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return record if is_whole else None


def _stamp(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _decode(splits: Mapping[str, Sequence[Picture]], config: DataConfig, folder: Path) -> tuple[Plan, Account]:
    everything = [picture for split in splits.values() for picture in split]
    looked = look_at(everything, config.pages == "all")
    bad = [(picture.name, one.fault) for picture, one in zip(everything, looked, strict=True) if one.fault]
    _check_bad(bad, len(everything), config)
    headers = [(p.name, header) for p, one in zip(everything, looked, strict=True) for header in one.headers]
    if not headers:
        raise HvaeError(f"no picture can be read: {named_at_once(bad)}")
    plan, rows, start = settle(headers, config), {}, 0
    for split, some in splits.items():
        block = _write(folder / f"{split}.npy", some, looked[start : start + len(some)], plan)
        rows[split], start = block.rows, start + len(some)
        bad += block.bad
    account = Account(
        rows=rows,
        bad=bad,
        further=sum(one.further for one in looked),
        turned=sum(header.turned for _, header in headers),
        narrowed=sum(header.narrowed for _, header in headers),
        stamps={split: _stamp(folder / f"{split}.npy") for split in splits},
    )
    write_text(folder / "plan.json", json.dumps([asdict(plan), asdict(account)]))
    return plan, account


def _check_bad(bad: Sequence[tuple[str, str]], total: int, config: DataConfig) -> None:
    if bad and config.bad == "stop":
        ways = "replace or remove, or set data.bad=skip" if len(bad) < total else REPLACE
        raise HvaeError(f"{named_at_once(bad)}; {ways}")


def decode_one(picture: Picture, config: DataConfig) -> tuple[Array, int, Looked]:
    """The first page of one picture in the form a config asks for, (C, H, W), its bits, and what its file says.

    Nothing is kept in the cache.  Raises HvaeError for a file that is not a picture,
    and for a picture that cannot have the form.
    """
    (looked,) = look_at([picture])
    if looked.fault:
        raise HvaeError(named_at_once([(picture.name, looked.fault)]))
    plan = settle([(picture.name, looked.headers[0])], config)
    with opened(picture.source(), picture.name) as image:
        return _levels(image, plan, picture.name), plan.bits, looked


def _levels(image: Image.Image, plan: Plan, where: str) -> Array:
    """One picture by the plan: (C, H, W)."""
    levels, depth = _values(upright(image), plan)
    shaped = fit_one(recolour(levels[None], plan.channels)[0], plan.size, plan.crop, depth)
    return quantise(shaped, depth, plan.bits, where)


def _values(image: Image.Image, plan: Plan) -> tuple[Array, int]:
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError(f"expected values from 0 to 65535, got {deep.min()} to {deep.max()}")
        clear = image.info.get("transparency", -1)  # one value that stands for nothing: white, as below
        return np.where(deep == clear, 65535, deep).astype(np.int32)[None], 16  # (1, H, W)
    if "A" in image.mode or "transparency" in image.info:
        # What lies under transparent pixels is arbitrary, and nobody sees it: white paper shows what people see.
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    mode = "RGB" if plan.channels == 3 else "L"
    image = image if image.mode == mode else image.convert(mode)
    if plan.crop != "pad" and image.size[::-1] != plan.size:
        # As `fit_one` does it, without a second copy of all pixels.
        box = centred(image.size[::-1], plan.size) if plan.crop == "center" else None
        image = image.resize(plan.size[::-1], Image.Resampling.BICUBIC, box)
    flat = np.asarray(image)
    return (flat.transpose(2, 0, 1) if plan.channels == 3 else flat[None]), 8  # (C, H, W)


class _Some(NamedTuple):
    """Pages of one file that are decoded together: its number in the split, the first of them, and their headers."""

    file: int
    picture: Picture
    first: int
    headers: tuple[Header, ...]


class _Written(NamedTuple):
    """The index of the file of each image that was written, and the files whose images could not be."""

    rows: list[int]
    bad: list[tuple[str, str]]


def _write(path: Path, pictures: Sequence[Picture], looked: Sequence[Looked], plan: Plan) -> _Written:
    kind = np.dtype(level_type(plan.bits))
    parts = [
        _Some(i, picture, first, one.headers[first : first + TOGETHER])
        for i, (picture, one) in enumerate(zip(pictures, looked, strict=True))
        for first in range(0, len(one.headers), TOGETHER)
    ]
    written = _Written([], [])
    # Plain writes and not a mapping: on a full disk a write fails with an error, a mapping kills the process.
    with replacing(path) as temporary, open(temporary, "wb") as file:
        _write_head(file, kind, (sum(len(part.headers) for part in parts), plan.channels, *plan.size))
        decode = pooled(lambda part: _pages(part, plan), parts, f"decoding {path.stem}", _is_large)
        for part, (images, fault) in zip(parts, decode, strict=True):
            for image in images:
                file.write(image.tobytes())
            written.rows.extend([part.file] * len(images))
            written.bad.extend([(part.picture.name, fault)] * bool(fault))
        file.seek(0)
        _write_head(file, kind, (len(written.rows), plan.channels, *plan.size))
    return written


def _write_head(file: Any, kind: np.dtype[Any], shape: tuple[int, ...]) -> None:
    # The format leaves room for the first number to change.
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _is_large(part: _Some) -> bool:
    return max(header.size[0] * header.size[1] for header in part.headers) > LARGE


def _pages(part: _Some, plan: Plan) -> tuple[list[Array], str]:
    """Some pages of a file by the plan, and why one could not be read; those before it are there."""
    images: list[Array] = []
    try:
        with opened(part.picture.source(), part.picture.name) as image:
            for page in range(part.first, part.first + len(part.headers)):
                if page:
                    image.seek(page)
                images.append(_levels(image, plan, part.picture.name))
    except (HvaeError, OSError) as fault:
        return images, reason(part.picture.name, fault)
    return images, ""
