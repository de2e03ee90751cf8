"""The latents of images as a file of features for other models, written row after row.

Shapes: `N` images; `D` features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.counts import whole
from hvae.errors import entries, unknown
from hvae.records import JSON
from hvae.study.backends import PLAIN, check_backend, engine_of
from hvae.study.featurefiles import About, Sink, check_format, writing
from hvae.study.featurereading import shapes_of
from hvae.study.images import ImageBatches, without_chance
from hvae.study.latents import images
from hvae.study.places import check_place
from hvae.study.placing import at_once, place
from hvae.study.progress import Bars, Progress, Tell, Tick, bars, silent

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data.sources import Source
    from hvae.engine import Use
    from hvae.runs.images import Change, InputImages
    from hvae.site import Pin
    from hvae.study.conditions import Named


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureFile:
    """Where the features of `number` images are, of which levels, with how many numbers a level; `noun`, of them."""

    file: Path
    number: int
    about: About
    widths: Mapping[str, int]
    change: Change | None
    notes: tuple[str, ...]
    use: Use
    noun: str = "images"

    @property
    def width(self) -> int:
        """Numbers of one image, D."""
        return sum(self.widths.values())

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae features --json` gives."""
        return {
            "file": str(self.file),
            "number": self.number,
            "levels": {name: list(shape) for name, shape in self.about.levels.items()},
            "widths": dict(self.widths),
            "pool": self.about.pool,
            "draws": self.about.draws,
            "seed": self.about.seed,
            "brought": self.change.to_dict() if self.change else None,
            **({"backend": self.use.to_dict()} if self.use.is_other else {}),
        }


def write_features(
    run: str | Path | LoadedRun,
    data: str | Path | Source,
    out: str | Path,
    *,
    levels: Sequence[str] = (),
    pool: str = "mean",
    draws: int = 0,
    number: int = 0,
    seed: int = 0,
    context: Named | None = None,
    backend: str = PLAIN,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
    tell: Tell = silent,
) -> FeatureFile:
    """Write the latents of images as features, in memory that does not grow with their number.

    Arguments: `data`, as in `hvae.study.latents.encode_images`; `out`, an .npz or .parquet file, as
    `hvae.study.featurefiles` says; `levels`, in this order (all, top first, by default), `z9..z5` for those between;
    `pool`, "mean" over places, "flatten" or "none"; `draws`, 0 for the means of the posteriors, K for the mean of K
    joint draws; `number`, the first so many images (0: all); `seed` of the draws; `context` of a conditional model;
    `backend`, what computes: torch, onnxruntime, openvino or compile; `overrides`, keys of where the data are; `trust`,
    packages whose code the run may name; `progress`, who hears how far it is, and `tell`, where torch computes instead
    of a back end.  Raises HvaeError before any work for what cannot be written.
    """
    from hvae.explore.features import POOLS, features
    from hvae.weights import digest

    path = Path(out)
    check_format(path)
    check_place(path, data)
    if pool not in POOLS:
        raise unknown("pool", pool, POOLS)
    for name, count in (("draws", draws), ("number", number), ("seed", seed)):
        whole(f"--{name}", count)
    check_backend(backend)
    where = place(run, overrides, trust)
    engine = engine_of(where.run, backend, tell)
    shapes = shapes_of(levels, where.run.model)
    inputs = images(where.run, data, where.overrides, number or 10**9, entries(context), "features")
    some, model = without_chance(inputs), where.model()
    about = About(
        levels=shapes,
        pool=pool,
        draws=draws,
        seed=seed,
        weights=digest(model.state_dict()),
        images=str(data) if isinstance(data, str | Path) else inputs.origin.provenance.source,
    )
    batches = some.batches(at_once(model))
    rows = features(model, batches, levels=levels, pool=pool, draws=draws, seed=seed, engine=engine)
    with writing(path, len(some), about) as sink, bars(progress).bar("features") as tick:
        _take(sink, rows, batches, tick)
    return _summary(path, inputs, about, engine.use, where.run.noun)


def _take(sink: Sink, rows: Iterable[Mapping[Pin, Tensor]], batches: ImageBatches, tick: Tick) -> None:
    """Write batch after batch, with its labels where they are known."""
    labels = batches.images.split.labels
    for done, some in enumerate(rows, 1):
        place = slice((done - 1) * batches.size, done * batches.size)
        sink.take(some, None if labels is None else labels[place])
        tick(done, len(batches))


def _summary(path: Path, inputs: InputImages, about: About, use: Use, noun: str) -> FeatureFile:
    widths = {name: shape[0] if about.pool == "mean" and shape else prod(shape) for name, shape in about.levels.items()}
    return FeatureFile(
        file=path,
        number=len(inputs.split),
        about=about,
        widths=widths,
        change=inputs.change,
        notes=tuple(inputs.notes()),
        use=use,
        noun=noun,
    )
