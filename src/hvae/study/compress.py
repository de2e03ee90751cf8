"""Pictures or sequences to one small file, with the model of a run: what `hvae compress` does."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hvae.checkpoints import LoadedRun, load
from hvae.coding import Compressed, CompressedSeries, Lossy, LossySeries, Picture, Settings, quantised, sizes
from hvae.coding.files.pictures import check_name, is_cut
from hvae.errors import HvaeError, entries, short
from hvae.files import replacing
from hvae.heap import enough_memory
from hvae.records import JSON
from hvae.runs.sequences import form_of
from hvae.screen.numbers import counted
from hvae.study import series
from hvae.study.codecs import (
    Quality,
    Tile,
    calibrated,
    codec_of,
    depth_of,
    is_lossy,
    lossy_codec_of,
    stored_book,
    tile_shape,
)
from hvae.study.conditions import Named
from hvae.study.inputs import BAD, Input, Source, check_sources, gathered, is_split
from hvae.study.misfits import BITS, CHANNELS
from hvae.study.places import check_file
from hvae.study.progress import Count, Tell, quiet, silent
from hvae.study.tables import is_mixed

_RIVALS = ("png", "webp")


@dataclass(frozen=True, eq=False, kw_only=True)
class Compression:
    """A file that was written, and what went into it."""

    file: Path
    pictures: int
    bytes_in: int
    """Of the files, where all inputs are some; else of the values at their bit depth."""
    bytes_in_of: str
    """What these bytes are of, in words."""
    result: Compressed | Lossy | CompressedSeries | LossySeries
    rivals: Mapping[str, int] = field(default_factory=dict)
    """Bytes that other lossless formats take, by name: picture by picture, or all arrays that are no pictures at once;
    empty for a lossy file."""

    @property
    def noun(self) -> str:
        """What was compressed, many of them."""
        return "sequences" if isinstance(self.result, CompressedSeries | LossySeries) else "pictures"

    @property
    def bytes_out(self) -> int:
        """Of the file."""
        return len(self.result.content)

    @property
    def ratio(self) -> float:
        """Bytes in for each byte out."""
        return self.bytes_in / self.bytes_out

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        sizes: JSON = {"bytes_in": self.bytes_in, "bytes_in_of": self.bytes_in_of}
        sizes |= {"bytes_out": self.bytes_out, "ratio": self.ratio}
        rivals = {} if isinstance(self.result, Lossy | LossySeries) else {"rivals": dict(self.rivals)}
        return {"file": str(self.file), self.noun: self.pictures, **sizes, **self.result.to_dict(), **rivals}


def compress(
    run: LoadedRun | str | Path,
    pictures: Source | Sequence[Source],
    path: str | Path,
    *,
    number: int | None = None,
    quality: Quality | None = None,
    tile: Tile | None = None,
    fineness: float | None = None,
    calibrate: bool = False,
    settings: Settings | None = None,
    context: Named | None = None,
    data: Mapping[str, str] | None = None,
    progress: Count = silent,
    tell: Tell = quiet,
) -> Compression:
    """Compress pictures, or sequences, with the model of a run into one .hvz file, whole or not at all.

    Sequences are piano rolls and films in arrays, WAV files that come back to the bit, or a split of the run's own.

    Arguments: `run`, one that is loaded, or its folder; `pictures`, image files, folders, .npy files, arrays
    (N, *shape) of uint8 levels, or "test", "valid" or "train" for the run's own data, of which the first `number`;
    `quality`, for a lossy run alone: how many of its levels to keep, or "all"; `tile`, what pictures are cut into;
    `fineness` and `calibrate`, how fine the bins are and whether to keep them in the run's folder; `settings` of the
    blocks; `context`, one value for all pictures of each condition of a conditional model; `data`, keys of the run's
    data configuration, as in {"data.root": "..."}, "data.bad": "skip" to go on without files that cannot be read, and
    "data.channels" and "data.bits" of the run to bring files to them with loss, as training does;
    `tell`, called with what was left out or changed.

    Raises HvaeError before any work for a place that cannot be written and for options that say nothing.
    """
    job = _Job(number, quality, tile, fineness, calibrate, settings or Settings(), entries(context), data or {})
    sources = [pictures] if isinstance(pictures, str | Path | np.ndarray) else list(pictures)
    file = check_file(path)
    _check(job, sources, run)
    with enough_memory():
        loaded = run if isinstance(run, LoadedRun) else load(run)
        place = str(run.folder if isinstance(run, LoadedRun) else run)
        if is_mixed(loaded):
            raise HvaeError(f"{place} is a model of the rows of a table, and pictures and sequences alone are coded")
        _check_wishes(loaded, job.data)
        result = _way(loaded, quality)(loaded, place, sources, job, progress, tell)
        with replacing(file) as temporary:
            temporary.write_bytes(result.result.content)
    return replace(result, file=file)


@dataclass(frozen=True, eq=False)
class _Job:
    """The options of one call."""

    number: int | None
    quality: Quality | None
    tile: Tile | None
    fineness: float | None
    calibrate: bool
    settings: Settings
    context: Named
    data: Mapping[str, str]


def _check(job: _Job, sources: Sequence[Source], run: LoadedRun | str | Path) -> None:
    check_name(str(run.folder if isinstance(run, LoadedRun) else run))
    check_sources(sources, job.number)
    lossless = {"tile": job.tile, "fineness": job.fineness, "calibrate": job.calibrate}
    for name in (name for name, value in lossless.items() if value and job.quality is not None):
        raise HvaeError(f"--{name} is for compressing without loss; leave it out, or --quality")
    own = job.calibrate or any(map(is_split, sources))
    for key in (key for key in job.data if key not in (BAD, CHANNELS, BITS) and not (own and key.startswith("data."))):
        raise HvaeError(
            f"--{key} says nothing here: only --data.* counts, and for files --{BAD}, --{CHANNELS} and --{BITS}; "
            "leave it out"
        )


def _check_wishes(run: LoadedRun, data: Mapping[str, str]) -> None:
    for key in (key for key in (CHANNELS, BITS) if key in data and run.model.timed):
        raise HvaeError(f"--{key} is for pictures, and {run.folder} is of sequences; leave it out")
    for key, own in ((CHANNELS, run.model.shape[0]), (BITS, run.bits)):
        if data.get(key, str(own)) != str(own):
            raise HvaeError(f"--{key}: expected {own}, as the run has, got {short(data[key])}; or leave it out")


def _way(run: LoadedRun, quality: Quality | None) -> Callable[..., Compression]:
    """How this run compresses.  Raises HvaeError unless a quality is given exactly where pictures or codes lose."""
    if run.model.timed and not quantised(run.model):
        return _in_time
    lossy = is_lossy(run, quality)
    return _sounds if run.model.timed else _lossy if lossy else _lossless


def _lossless(
    run: LoadedRun, place: str, sources: Sequence[Source], job: _Job, progress: Count, tell: Tell
) -> Compression:
    settings = job.settings if job.fineness is None else replace(job.settings, fineness=job.fineness)
    codec = codec_of(run, place, job.context)
    inputs = gathered(sources, run, job.number, job.data, tell)
    codec = codec.sized(tile_shape(job.tile, inputs.pictures, codec.shape))
    book = calibrated(run, codec, settings.fineness, job.data) if job.calibrate else stored_book(run, job.fineness)
    result = codec.compress(inputs.pictures, settings, book=book, tick=progress)
    return _compression(inputs, result, run.bits, _rivals(inputs.pictures, codec.bits))


def _in_time(
    run: LoadedRun, place: str, sources: Sequence[Source], job: _Job, progress: Count, tell: Tell
) -> Compression:
    """Sequences in the order of time."""
    blocks = (job.settings.block, job.settings.rows) != (Settings.block, Settings.rows)
    only_pictures = {"quality": job.quality, "tile": job.tile, "calibrate": job.calibrate, "block, --batch": blocks}
    for name in (name for name, value in only_pictures.items() if value):
        raise HvaeError(f"--{name} is for pictures, and {run.folder} is of sequences; leave it out")
    codec, form = series.codec_of(run, place, job.context), form_of(run)
    data = series.gathered(sources, run, job.number, job.data, tell)
    fineness = job.fineness or job.settings.fineness
    result = codec.compress(data.series, fineness=fineness, verify=job.settings.verify, tick=progress)
    return _of_series(data, result, run.bits, series.rivals(data, form, run.bits))


def _sounds(
    run: LoadedRun, place: str, sources: Sequence[Source], job: _Job, progress: Count, tell: Tell
) -> Compression:
    """Recordings by their codes."""
    assert job.quality is not None, "a lossy run has a quality by now"
    codec = series.sound_codec_of(run, place, job.context)
    keep = depth_of(job.quality, codec.levels)
    data = series.gathered(sources, run, job.number, job.data, tell)
    result = codec.compress(data.series, keep, verify=job.settings.verify, tick=progress)
    return _of_series(data, result, run.bits)


def _of_series(
    data: series.Given, result: CompressedSeries | LossySeries, bits: int, rivals: Mapping[str, int] | None = None
) -> Compression:
    values = sum(len(one.samples()) for one in data.series)
    own = counted(data.files, "file") if data.files else f"{counted(values, 'value')} of {counted(bits, 'bit')}"
    return Compression(
        file=Path(),
        pictures=len(data.series),
        bytes_in=data.size if data.files else -(-values * bits // 8),
        bytes_in_of=own,
        result=result,
        rivals=rivals or {},
    )


def _compression(
    inputs: Input, result: Compressed | Lossy, bits: int, rivals: Mapping[str, int] | None = None
) -> Compression:
    size, of = inputs.weight(bits)
    return Compression(
        file=Path(),
        pictures=len(inputs.pictures),
        bytes_in=size,
        bytes_in_of=of,
        result=result,
        rivals=rivals or {},
    )


def _lossy(
    run: LoadedRun, place: str, sources: Sequence[Source], job: _Job, progress: Count, tell: Tell
) -> Compression:
    assert job.quality is not None, "a lossy run has a quality by now"
    codec = lossy_codec_of(run, place, job.context)
    keep = depth_of(job.quality, codec.levels)
    inputs = gathered(sources, run, job.number, job.data, tell)
    result = codec.compress(inputs.pictures, keep, verify=job.settings.verify, tick=progress)
    return _compression(inputs, result, run.bits)


def _rivals(pictures: Sequence[Picture], bits: int) -> dict[str, int]:
    """Picture by picture in formats of pictures; of signals and volumes all at once, a byte a value."""
    if not is_cut(pictures[0].levels.shape):
        return {"gzip": len(gzip.compress(b"".join(p.levels.tobytes() for p in pictures), 9))}
    each = [{} if p.rest is not None else sizes(p.levels[: p.kind.colours or None], bits) for p in pictures]
    return {name: sum(one[name] for one in each) for name in _RIVALS if all(name in one for one in each)}
