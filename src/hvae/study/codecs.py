"""The codec that a run is, its bins, and the size of its tiles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from hvae.checkpoints import LoadedRun
from hvae.coding import Book, Codec, LossyCodec, Picture, quantised
from hvae.condition import Context
from hvae.errors import HvaeError, short
from hvae.files import read_regular, write_text
from hvae.records import MOST_BYTES, parsed
from hvae.study.conditions import Named, complete, meanings, numbers
from hvae.study.inputs import split_of

BINS = "bins.json"
"""The bins of a run's latents, calibrated on its training data."""
_CALIBRATION = 64

Quality = int | Literal["all"]
"""How many levels of a lossy run to keep, counted from the top."""
Tile = int | tuple[int, int] | Literal["whole"]
"""What pictures are cut into: squares of a side, height and width, or the size that all pictures have."""


def codec_of(run: LoadedRun, place: str, context: Named) -> Codec:
    """The codec without loss that a run is; `place` is where a reader may look for it first."""
    values = _context(run, context)
    return Codec(run.model, bits=run.bits, description=_identity(run), run=place, build=run.build, context=values)


def lossy_codec_of(run: LoadedRun, place: str, context: Named) -> LossyCodec:
    """The lossy codec that a run is; `place` is where a reader may look for it first."""
    values = _context(run, context)
    return LossyCodec(run.model, bits=run.bits, description=_identity(run), run=place, build=run.build, context=values)


def _context(run: LoadedRun, context: Named) -> Context:
    """The context in numbers.  Raises HvaeError for one that the model does not have, or that it must have."""
    values = numbers(run.model, context, meanings(run))
    complete(run.model, values)
    return values


def _identity(run: LoadedRun) -> dict[str, object]:
    return {key: run.description[key] for key in ("config", "shape", "bits")}


def is_lossy(run: LoadedRun, quality: Quality | None) -> bool:
    """Whether to compress with loss.

    Raises HvaeError unless a quality is given exactly where the run is lossy.
    """
    levels = quantised(run.model)
    if levels and quality is None:
        raise HvaeError(
            f"{run.folder} is a lossy codec: expected --quality all, or 1 to {len(levels)} of its levels; got none"
        )
    if quality is not None and not levels:
        raise HvaeError(
            f"{run.folder} compresses without loss and has no --quality; leave it out, "
            "or train a lossy codec such as photos-lossy-small"
        )
    return bool(levels)


def depth_of(quality: Quality, levels: Sequence[str]) -> int | None:
    """How many levels to keep, None for all.  Raises HvaeError for a quality that the run does not have."""
    if quality == "all":
        return None
    if not isinstance(quality, int) or not 1 <= quality <= len(levels):
        raise HvaeError(f"--quality: expected all, or 1 to {len(levels)} levels from the top, got {quality}")
    return quality


def tile_shape(tile: Tile | None, pictures: Sequence[Picture], own: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of tiles for a model of shape `own`.  Raises HvaeError for "whole" of pictures of several sizes."""
    if tile is None:
        return own
    if tile != "whole":
        return (own[0], *_sides(tile))
    sizes = {picture.levels.shape[1:] for picture in pictures}
    if len(sizes) == 1:
        return (own[0], *sizes.pop())
    raise HvaeError(
        f"--tile whole: expected pictures of one size, got {len(sizes)} sizes; name a size such as 64, or compress "
        "them one size a file"
    )


def _sides(tile: Tile) -> tuple[int, int]:
    sides = tile if isinstance(tile, tuple) else (tile, tile)
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise HvaeError(f"--tile: expected a side, a height and a width, or whole, got {short(tile)}")
    return cast(tuple[int, int], sides)


def calibrated(run: LoadedRun, codec: Codec, fineness: float, data: Mapping[str, str]) -> Book:
    """Bins from the run's training data, also written into its folder for all files to come."""
    split = split_of("train", run, data)
    book = codec.calibrate(split.levels(range(min(_CALIBRATION, len(split)))).numpy(), fineness)
    write_text(run.folder / BINS, json.dumps(book.to_dict(), indent=2) + "\n")
    return book


def stored_book(run: LoadedRun, fineness: float | None) -> Book | None:
    """The bins that were calibrated for this run, if they were.  Raises HvaeError for a fineness beside them."""
    place = run.folder / BINS
    if not place.is_file():
        return None
    if fineness is not None:
        raise HvaeError(f"--fineness: {place} has the bins already; leave it out, or write them again with --calibrate")
    return _read(place)


def _read(place: Path) -> Book:
    try:
        return Book.from_dict(parsed(read_regular(place, MOST_BYTES).decode()))
    except ValueError as fault:
        raise HvaeError(f"{place} cannot be used: {fault}; write it again with --calibrate") from fault
