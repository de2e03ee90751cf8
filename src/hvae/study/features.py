"""The latents of images as a file of features for other models, written row after row.

Shapes: `N` images; `D` features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.errors import entries, unknown
from hvae.records import JSON
from hvae.study.featurefiles import About, check_format, writing
from hvae.study.featurereading import shapes_of
from hvae.study.images import Images, without_chance
from hvae.study.latents import images
from hvae.study.places import check_place
from hvae.study.placing import at_once, place
from hvae.study.progress import Bars, Progress, bars

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.data.sources import Source
    from hvae.runs.images import Change, InputImages
    from hvae.study.conditions import Named
    from hvae.walk import Model


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureFile:
    """Where the features of `number` images are, of which levels, with how many numbers a level."""

    file: Path
    number: int
    about: About
    widths: Mapping[str, int]
    change: Change | None
    notes: tuple[str, ...]

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
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
) -> FeatureFile:
    """Write the latents of images as features, in memory that does not grow with their number.

    Arguments: `data`, as in `hvae.study.latents.encode_images`; `out`, an .npz or .parquet file, as
    `hvae.study.featurefiles` says; `levels`, in this order (all, top first, by default), `z9..z5` for those between;
    `pool`, "mean" over places, "flatten" or "none"; `draws`, 0 for the means of the posteriors, K for the mean of K
    joint draws; `number`, the first so many images (0: all); `seed` of the draws; `context` of a conditional model;
    `overrides`, keys of where the data are; `trust`, packages whose code the run may name; `progress`, who hears how
    far it is.  Raises HvaeError before any work for what cannot be written.
    """
    from hvae.explore.features import POOLS
    from hvae.explore.frame import at_least
    from hvae.weights import digest

    path = Path(out)
    check_format(path)
    check_place(path)
    if pool not in POOLS:
        raise unknown("pool", pool, POOLS)
    at_least(0, draws, "draws")
    where = place(run, overrides, trust)
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
    _write(path, model, some, about, levels, bars(progress))
    return _summary(path, inputs, about)


def _write(path: Path, model: Model, images: Images, about: About, levels: Sequence[str], progress: Bars) -> None:
    from hvae.explore.features import features

    batches, labels = images.batches(at_once(model)), images.split.labels
    batches_of_rows = features(model, batches, levels=levels, pool=about.pool, draws=about.draws, seed=about.seed)
    with writing(path, len(images), about) as sink, progress.bar("features") as tick:
        for done, some in enumerate(batches_of_rows, 1):
            rows = slice((done - 1) * batches.size, done * batches.size)
            sink.take(some, None if labels is None else labels[rows])
            tick(done, len(batches))


def _summary(path: Path, inputs: InputImages, about: About) -> FeatureFile:
    widths = {name: shape[0] if about.pool == "mean" and shape else prod(shape) for name, shape in about.levels.items()}
    return FeatureFile(
        file=path,
        number=len(inputs.split),
        about=about,
        widths=widths,
        change=inputs.change,
        notes=tuple(inputs.notes()),
    )
