"""Where a picture of any size is unusual for a model of small ones: maps without seams, and a row a tile."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.capacity import in_units
from hvae.config.run import Overrides
from hvae.counts import wholes
from hvae.errors import HvaeError, short
from hvae.files import free, making, write_text
from hvae.records import JSON
from hvae.runs.form import drawn
from hvae.runs.subject import Subject, Tell, open_run
from hvae.study.conditions import complete, meanings, numbers
from hvae.study.places import check_place
from hvae.study.progress import Bars, Progress, Tick, bars, silent
from hvae.study.scoring import checks
from hvae.study.scoring.judge import Judge
from hvae.study.scoring.request import Request
from hvae.study.scoring.scores import NORMAL, POSITIVE, as_csv
from hvae.study.slides.maps import MapFile, bytes_of
from hvae.study.slides.slide import Slide, Stored, brought, stored
from hvae.study.slides.tiles import Tiles
from hvae.trust import trusting, vouched

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data.transforms import Array
    from hvae.study.conditions import Named

ANOMALY = "anomaly"
"""The map that is at each place the highest of all others."""
MOST_REDUCTION = 1024


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduced:
    """A picture at one magnification: the scores of its tiles (T,), their reasons, and top left corners (T, 2) in
    values of the whole picture; of each map, in `maps`, the highest value in standard deviations."""

    reduction: int
    size: tuple[int, int]
    corners: tuple[tuple[int, int], ...]
    scores: Mapping[str, Tensor]
    reasons: tuple[str, ...]
    maps: Mapping[str, float]

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return {
            "reduction": self.reduction,
            "size": list(self.size),
            "tiles": len(self.reasons),
            "foreign": sum(map(bool, self.reasons)),
            "highest": dict(self.maps),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class SlideScores:
    """What `hvae score --tile` has found, finest magnification first, and the folder with its files."""

    out: Path
    by: str
    threshold: float
    quantile: float
    reduced: tuple[Reduced, ...]

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return {
            "out": str(self.out),
            "by": self.by,
            "threshold": self.threshold,
            "quantile": self.quantile,
            "magnifications": [one.to_dict() for one in self.reduced],
        }

    def rows(self) -> list[list[str]]:
        """A row a tile as texts, the header first: where it lies, decision, reason, and all scores."""
        header = ["index", "reduction", "y", "x", "decision", "reason", *self.reduced[0].scores]
        lines = [line for one in self.reduced for line in _lines(one)]
        return [header, *([str(i), *line] for i, line in enumerate(lines))]


def _lines(one: Reduced) -> list[list[str]]:
    columns = [[f"{value:.6g}" for value in column.tolist()] for column in one.scores.values()]
    each = zip(one.corners, one.reasons, *columns, strict=True)
    return [
        [str(one.reduction), str(y), str(x), POSITIVE if reason else NORMAL, reason, *scores]
        for (y, x), reason, *scores in each
    ]


def score_slide(
    run: str | Path | LoadedRun,
    picture: str | Path | Array,
    *,
    out: str | Path,
    magnifications: Sequence[int] = (1,),
    by: str = "",
    quantile: float = 0.95,
    samples: int = 1,
    normal: int = 1000,
    seed: int = 0,
    context: Named | None = None,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
    tell: Tell | None = None,
) -> SlideScores:
    r"""Score one picture of any size by its overlapping tiles, and map where it is unusual, level by level.

    $$\mathrm{map}_l(i, j) = \frac{r_l(i, j) - \mathrm{mean}_l}{\mathrm{deviation}_l},\qquad
      \mathrm{anomaly}(i, j) = \max_l \mathrm{map}_l(i, j)$$

    with r the nats that level l (or the data) spends at a place of a tile, and mean and deviation of training data at
    the same place of theirs; tiles fade into each other where they overlap, by a quarter.  What is held in memory is a
    row of tiles, the table of them, and of a picture file its pixels.

    Arguments: `picture`, a picture file, an .npy file or an array, uint8 or uint16, (H, W), (C, H, W) or (H, W, C);
    `out`, a new folder: for each magnification k and map `xk-NAME.npy` (float16, standard deviations) and a small
    `.png`, `tiles.csv` with a row a tile, and `scores.json`; `magnifications`, by how much the picture is reduced (1:
    as it is), always judged by the training data as they are; the others as of `hvae.score`.

    Raises HvaeError in one line, before the work, for what cannot be scored.
    """
    request = Request(
        data=picture if isinstance(picture, str | Path) else "the picture",
        by=by,
        quantile=quantile,
        samples=samples,
        normal=normal,
        seed=seed,
        context=context or {},
        overrides=overrides or {},
        trust=vouched(trust, overrides or {}),
    )
    reduced = wholes("--magnifications", magnifications, None)
    with trusting(*trust):
        return _scored(run, picture, request, reduced, Path(out), bars(progress), tell or silent)


def _scored(
    run: str | Path | LoadedRun,
    picture: str | Path | Array,
    request: Request,
    magnifications: tuple[int, ...],
    out: Path,
    progress: Bars,
    tell: Tell,
) -> SlideScores:
    checks.options(request)
    _check_magnifications(magnifications)
    check_place(out)
    free(out)
    source = stored(picture)
    subject = open_run(run, request.overrides, tell, request.trust)
    context = _context(subject, request)
    tiles = {k: _tiles(subject, source, k, context) for k in sorted(magnifications)}
    if line := brought(source, subject.run.model.shape[0], subject.run.bits):
        tell(line)
    judge = Judge(request, subject, progress)
    with making(out) as folder:
        _check_disk(folder, tiles, subject)
        reduced = tuple(_reduced(judge, some, k, folder) for k, some in tiles.items())
        scores = SlideScores(out=out, by=judge.by, threshold=judge.limit, quantile=request.quantile, reduced=reduced)
        write_text(folder / "tiles.csv", as_csv(scores.rows(), ()))
        write_text(folder / "scores.json", json.dumps(scores.to_dict(), indent=2) + "\n")
    return scores


def _check_magnifications(magnifications: tuple[int, ...]) -> None:
    """Raises HvaeError for reductions that are none."""
    some = {k for k in magnifications if 1 <= k <= MOST_REDUCTION}
    if not some or len(some) < len(magnifications):
        raise HvaeError(
            f"--magnifications: expected different whole numbers from 1 to {MOST_REDUCTION}, as in 1,2,4, got "
            f"{short(','.join(map(str, magnifications)) or 'none')}"
        )


def _context(subject: Subject, request: Request) -> dict[str, Tensor]:
    """What is said of the picture, one row."""
    from hvae.condition import rows
    from hvae.walk import device_of

    model = subject.run.model
    values = numbers(model, request.context, meanings(subject.run, lambda: subject.data.classes))
    complete(model, values)
    return rows(model.conditions, values, 1, device_of(model))


def _tiles(subject: Subject, source: Stored, reduction: int, context: Mapping[str, Tensor]) -> Tiles:
    """Raises HvaeError for a model of anything but pictures, and for a picture that cannot be brought before it."""
    from hvae.restoration import Tiling

    shape, bits = tuple(subject.run.model.shape), subject.run.bits
    if len(shape) != 3 or subject.run.model.timed:
        raise HvaeError(f"--tile: expected a run of pictures, got one of data of shape {shape}; leave --tile out")
    if drawn(subject.run.config.data):
        raise HvaeError("--tile: this run was trained on drawn bits, and a picture has none; name a run of grey values")
    if bits > source.depth:
        raise HvaeError(f"--tile: expected a picture of {bits} bits a value, got one of {source.depth}")
    channels = source.shape[0]
    if shape[0] not in (1, 3, channels):
        raise HvaeError(f"--tile: expected a picture of {shape[0]} channels, got one of {channels}")
    slide = Slide(source, shape[0], bits, reduction)
    if min(slide.size) < 1:
        raise HvaeError(f"--magnifications: {reduction} leaves nothing of a picture of {source.shape[1:]}; take less")
    return Tiles(slide, Tiling(slide.size, (shape[1], shape[2])), context)


def _check_disk(folder: Path, tiles: Mapping[int, Tiles], subject: Subject) -> None:
    from hvae.walk import names

    most = len(names(subject.run.model)) + 2
    needed, room = sum(most * bytes_of(some.slide.size) for some in tiles.values()), shutil.disk_usage(folder).free
    if needed > room:
        raise HvaeError(f"--out: the maps take up to {in_units(needed)}, and {in_units(room)} are free; choose another")


def _reduced(judge: Judge, tiles: Tiles, reduction: int, folder: Path) -> Reduced:
    """The scores of the tiles, and the maps of one magnification, which are written."""
    what = f"the picture, 1:{reduction}"
    scores = judge.scores(tiles, what)
    with judge.progress.bar(f"maps of {what}") as tick:
        highest = _mapped(judge, tiles, folder, f"x{reduction}", tick)
    return Reduced(
        reduction=reduction,
        size=tiles.slide.size,
        corners=tuple((reduction * y, reduction * x) for y, x in tiles.tiling.places),
        scores=scores,
        reasons=tuple(judge.reasons(scores)),
        maps=highest,
    )


def _mapped(judge: Judge, tiles: Tiles, folder: Path, prefix: str, tick: Tick) -> dict[str, float]:
    """Write every map while it is made; the highest value of each."""
    import torch

    from hvae.metrics.maps import heat
    from hvae.restoration import Bands

    model, usual, size = judge.subject.run.model, judge.usual_maps, judge.subject.config.batch
    names, total = [*usual.mean], len(tiles.tiling.tops)
    bands, files = Bands(tiles.tiling), {}
    with ExitStack() as stack:
        for name in (*names, ANOMALY):
            files[name] = stack.enter_context(MapFile(folder, f"{prefix}-{name}", tiles.slide.size))
        for done, band in enumerate(tiles.bands(), 1):
            maps = [heat(model, datum, usual) for datum in tiles.data(band, size)]
            ready = bands.add(torch.cat([torch.stack([one[name] for name in names], 1) for one in maps]))
            for name, rows in zip((*names, ANOMALY), (*ready, ready.amax(0)), strict=True):
                files[name].add(rows)
            tick(done, total)
    return {name: file.most for name, file in files.items()}
