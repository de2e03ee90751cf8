"""The pictures of a file, with the model of the run that wrote it: what `hvae decompress` does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from hvae.checkpoints import LoadedRun, load
from hvae.coding import CLASSIC, IN_TIME, LOSSY_IN_TIME, File, Picture, Series, opened, read, without_model
from hvae.counts import whole
from hvae.errors import HvaeError, entries
from hvae.files import read_regular
from hvae.heap import enough_memory
from hvae.records import JSON
from hvae.runs.sequences import form_of
from hvae.study import series
from hvae.study.codecs import codec_of, lossy_codec_of
from hvae.study.conditions import Named
from hvae.study.places import check_place
from hvae.study.progress import Count, Tell, quiet, silent
from hvae.study.writing import check_destination, write_pictures


@dataclass(frozen=True, eq=False, kw_only=True)
class Decompression:
    """The files that were written; of a lossy file, by how many of its levels each picture is shown."""

    out: Path
    files: tuple[Path, ...]
    pictures: int
    seconds: float
    levels: int | None
    levels_written: int | None
    noun: str = "pictures"

    @property
    def complete(self) -> bool:
        """Whether every level that was written is shown; always of a file without loss."""
        return self.levels == self.levels_written

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        depth = {"levels": self.levels, "levels_written": self.levels_written, "complete": self.complete}
        files = [*map(str, self.files)]
        return {"out": str(self.out), "files": files, self.noun: self.pictures, "seconds": self.seconds, **depth}


def decompress(
    path: str | Path,
    folder: str | Path,
    run: LoadedRun | str | Path | None = None,
    *,
    only: int | None = None,
    levels: int | None = None,
    workers: int = 1,
    context: Named | None = None,
    progress: Count = silent,
    tell: Tell = quiet,
) -> Decompression:
    """Write the pictures of an .hvz file: one to a .png (an array to a .npy), any number to a new folder; sequences to
    an .npz of their levels, sound to WAV files.

    Arguments: `run`, the run that wrote the file, where the file says it was if left out; `only`, the picture of this
    index alone; `levels`, of a lossy file, by its top so many levels; `workers`, processes that share the blocks (0: as
    many as pay); `context`, that of the compression.

    Raises HvaeError, and writes nothing, unless all that would be written is what was compressed.
    """
    started, file, out = time.perf_counter(), Path(path), Path(folder)
    check_place(out, path)
    for option, count in (("workers", workers), ("only", only), ("levels", levels)):
        if count is not None:
            whole(f"--{option}", count)
    with enough_memory():
        part = _opened(file, levels)
        job = _Job(file, run, only, levels, workers, entries(context), progress, tell)
        if part.file.header.order in (IN_TIME, LOSSY_IN_TIME):
            return _sequences(part, out, job, started)
        check_destination(out, part.file.header, only)
        result = _decoded(part, job)
        files = write_pictures(result.items, out, part.file.header.bits)
    return Decompression(
        out=out,
        files=tuple(files),
        pictures=len(result.items),
        seconds=time.perf_counter() - started,
        levels=result.levels,
        levels_written=result.written,
    )


def _sequences(part: _Part, out: Path, job: _Job, started: float) -> Decompression:
    """The sequences of a file, written."""
    file = part.file
    loaded, place = _run_of(file, job)
    form = form_of(loaded)
    count = 1 if job.only is not None else sum(item.count for item in file.header.items)
    series.check_destination(out, form, loaded.bits, count)
    result = _heard(file, loaded, place, job) if part.is_lossy else _exact(file, loaded, place, job)
    files = series.write_series(result.items, out, form, loaded.bits)
    seconds = time.perf_counter() - started
    return Decompression(
        out=out,
        files=tuple(files),
        pictures=len(result.items),
        seconds=seconds,
        levels=result.levels,
        levels_written=result.written,
        noun="sequences",
    )


def _exact(file: File, run: LoadedRun, place: str, job: _Job) -> _Shown[Series]:
    """The sequences of a file without loss."""
    return _Shown(series.codec_of(run, place, job.context).decompress(file, job.only, job.progress))


def _heard(file: File, run: LoadedRun, place: str, job: _Job) -> _Shown[Series]:
    """The recordings of a lossy file, as far as it goes."""
    codec = series.sound_codec_of(run, place, job.context)
    here, whole = codec.depth(file, job.only, job.levels)
    _say_cut(job, here, whole)
    return _Shown(codec.decompress(file, job.only, job.levels, job.progress), here, whole)


def _say_cut(job: _Job, here: int, whole: int) -> None:
    if job.levels is None and here < whole:
        job.tell(f"note: the file was cut; a preview by the top {here} of its {whole} levels")


@dataclass(frozen=True, eq=False)
class _Job:
    """The options of one call."""

    path: Path
    run: LoadedRun | str | Path | None
    only: int | None
    levels: int | None
    workers: int
    context: Named
    progress: Count
    tell: Tell


class _Part(NamedTuple):
    """A file, whole or the beginning of a lossy one."""

    file: File
    is_lossy: bool


_Item = TypeVar("_Item", Picture, Series)


class _Shown(NamedTuple, Generic[_Item]):
    """What comes out of a file; how many levels of how many it shows, where it has levels."""

    items: Sequence[_Item]
    levels: int | None = None
    written: int | None = None


def _opened(path: Path, levels: int | None) -> _Part:
    content = read_regular(path)
    part = opened(content)
    if part is None and levels is not None:
        raise HvaeError(f"--levels: {path} was compressed without loss and has no previews; leave it out")
    return _Part(part, True) if part is not None else _Part(read(content), False)


def _decoded(part: _Part, job: _Job) -> _Shown[Picture]:
    if part.file.header.order == CLASSIC and not job.run:
        return _Shown(without_model(part.file, job.only))
    loaded, place = _run_of(part.file, job)
    if part.is_lossy:
        return _previewed(part.file, loaded, place, job)
    codec = codec_of(loaded, place, job.context)
    return _Shown(codec.decompress(part.file, job.only, job.progress, job.workers))


def _run_of(file: File, job: _Job) -> tuple[LoadedRun, str]:
    """The run that wrote a file, and its place."""
    run = job.run or _place_of(file, job.path)
    return (run, str(run.folder)) if isinstance(run, LoadedRun) else (load(run), str(run))


def _previewed(file: File, run: LoadedRun, place: str, job: _Job) -> _Shown[Picture]:
    """The pictures of a lossy file, as far as it goes."""
    codec = lossy_codec_of(run, place, job.context)
    here, whole = codec.depth(file, job.only, job.levels)
    _say_cut(job, here, whole)
    return _Shown(codec.decompress(file, job.only, job.levels, job.progress), here, whole)


def _place_of(file: File, path: Path) -> str:
    """Where the run was when the file was made, seen from here or from the file."""
    name = file.header.run
    for candidate in (Path(name), path.parent / name, path.parent / Path(name).name):
        if name and "\0" not in name and candidate.exists():
            return str(candidate)
    raise HvaeError(f"{path} was made with the run {name or '(untold)'}, which is not here; give it with --run RUN")
