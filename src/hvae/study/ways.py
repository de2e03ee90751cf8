"""Pictures on the way from one image to another, through the latents of a run, as a file.

Shapes: `T` stations of the way; `P` pairs of images; `C H W` an image.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.capacity import check_memory
from hvae.config.run import Overrides
from hvae.errors import HvaeError, entries, unknown
from hvae.files import replacing
from hvae.records import JSON
from hvae.runs.columns import columns_of
from hvae.study.images import is_split, without_chance
from hvae.study.latents import images
from hvae.study.places import check_place
from hvae.study.placing import REST, at_once, every, place
from hvae.study.progress import Bars, Progress, bars
from hvae.study.sequence_ways import SequenceWays, draw_sequence_ways
from hvae.study.sheets import check_picture, write
from hvae.study.tables import check_rows, write_table

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data.sources import Source
    from hvae.datum import Datum
    from hvae.draw import Draw
    from hvae.explore.sample import Temperature
    from hvae.runs.images import Change, InputImages
    from hvae.study.conditions import Named
    from hvae.walk import Model

COLD = 0.0
"""Temperature of the levels that do not go the way: their most probable values, so that nothing else moves."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Ways:
    """Stations (T, P, C, H, W) on the ways from one image to another, and how they were drawn."""

    file: Path
    stations: Tensor
    levels: tuple[str, ...]
    path: str
    temperature: Mapping[str, float]
    mode: bool
    seed: int
    change: Change | None
    notes: tuple[str, ...]

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae interpolate --json` gives."""
        return {
            "file": str(self.file),
            "pairs": self.stations.shape[1],
            "steps": len(self.stations),
            "levels": list(self.levels),
            "path": self.path,
            "temperature": dict(self.temperature),
            "mode": self.mode,
            "seed": self.seed,
            "brought": self.change.to_dict() if self.change else None,
        }


def draw_ways(
    run: str | Path | LoadedRun,
    data: str | Path | Source,
    out: str | Path,
    *,
    pairs: int = 4,
    steps: int = 8,
    levels: Sequence[str] = (),
    path: str = "linear",
    temperature: Temperature | None = None,
    mode: bool = False,
    seed: int = 0,
    context: Named | None = None,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
) -> Ways | SequenceWays:
    """Draw the way from one image to another: a .png sheet, one row a pair, or an .npy array of the stations; from one
    row of a table to another, or from one sequence to another, a file of their kind, pair after pair.

    Arguments: `data`, as in `hvae.study.latents.encode_images`, evenly over a split or the first of a user's own;
    `pairs` of images, `steps` stations a way with its two ends; `levels` that go the way (all by default) along `path`,
    "linear" or "spherical"; `temperature` of the other levels, all or by name (0 by default); `mode`, the most probable
    latents of the ends; `seed` of the draws; `context` of a conditional model, which holds all the way; `overrides`,
    keys of where the data are; `trust`, packages whose code the run may name.  Raises HvaeError before any work.
    """
    from hvae.explore.latents import PATHS
    from hvae.explore.sample import at_temperature

    file = Path(out)
    if path not in PATHS:
        raise unknown("path", path, PATHS)
    where = place(run, overrides, trust)
    moved, heat = division(where.run.model, levels, temperature)
    if where.run.model.timed:
        return draw_sequence_ways(
            *(where, data, file),
            pairs=pairs,
            points=steps,
            levels=moved,
            path=path,
            temperature=heat,
            mode=mode,
            seed=seed,
            context=entries(context),
            progress=progress,
        )
    check_place(file, data)
    _check(file, where.run, pairs, steps)
    course = _Course(tuple(moved), at_temperature(heat, [*moved, *heat]), path, mode, seed, steps)
    inputs = _ends(where.run, data, where.overrides, pairs, entries(context))
    some, count = without_chance(inputs), pairs * steps
    first, second = (some.batch(range(end, 2 * pairs, 2)) for end in (0, 1))  # (P, C, H, W) each
    check_memory(4 * count * prod(where.run.model.shape), f"{count:,} points", "ask for fewer --steps or --pairs")
    stations = course.between(where.model(), first, second, bars(progress))
    if columns_of(where.run) is not None and file.suffix.lower() != ".npy":
        write_table(file, stations.transpose(0, 1).flatten(0, 1), where.run)
    else:
        save(file, stations, (first.x, second.x))
    return Ways(
        file=file,
        stations=stations,
        levels=course.levels,
        path=path,
        temperature=heat,
        mode=mode,
        seed=seed,
        change=inputs.change,
        notes=tuple(inputs.notes()),
    )


@dataclass(frozen=True, eq=False)
class _Course:
    """How ways go: which levels, along which path, and what draws the others."""

    levels: tuple[str, ...]
    rest: Draw
    path: str
    mode: bool
    seed: int
    steps: int

    def between(self, model: Model, first: Datum, second: Datum, progress: Bars) -> Tensor:
        """The stations (T, P, C, H, W) from each of the first images to the second."""
        from hvae import draw, explore
        from hvae.explore.latents import PATHS

        with progress.bar("interpolating") as tick:
            return explore.interpolate(
                *(model, first, second, self.steps),
                levels=self.levels,
                path=PATHS[self.path],
                draw=draw.mode if self.mode else draw.posterior,
                rest=self.rest,
                seed=self.seed,
                chunk=at_once(model),
                progress=tick,
            ).cpu()


def _check(file: Path, run: LoadedRun, pairs: int, steps: int) -> None:
    """Raises HvaeError, before any work, for a file that cannot hold the ways."""
    from hvae.explore.tiles import magnification
    from hvae.explore.views import view_shape

    columns, shape = columns_of(run), view_shape(run.model.shape)
    if columns is not None:
        return check_rows(file, pairs * steps, len(columns))
    if file.suffix not in (".png", ".npy"):
        raise HvaeError(f"--out: expected a file name that ends in .png or .npy, got {file}")
    # The two images themselves stand at the ends.
    check_picture(pairs * (steps + 2), shape, file, magnification(shape[1]) if len(shape) == 3 else 1)


def _ends(run: LoadedRun, source: str | Path | Source, overrides: Overrides, count: int, context: Named) -> InputImages:
    """The images of so many pairs: evenly over a split, the first of a user's own.  HvaeError if there are fewer."""
    spread = is_split(source)
    inputs = images(run, source, overrides, sys.maxsize if spread else 2 * count, context, "interpolate")
    if len(inputs.split) < 2 * count:
        few = f"expected at least {2 * count} images for --pairs {count}, got {len(inputs.split)} from {source}"
        raise HvaeError(f"{few}; take fewer pairs, or other data")
    # Evenly over a split, which may be sorted by class; images of one's own are as many as one wants.
    apart = len(inputs.split) // (2 * count)
    return inputs.some(range(0, 2 * count * apart, apart)) if spread else inputs


def division(
    model: Model, choice: Sequence[str], temperature: Temperature | None
) -> tuple[list[str], dict[str, float]]:
    """The levels that go the way, and the temperature of each of the others; both top first.

    Raises HvaeError for a level that the model does not have, and for a temperature that nothing would be drawn at.
    """
    from hvae.explore.frame import check_levels, levels

    names = levels(model)
    moved = list(choice) or names
    by_level = _by_level(temperature)
    own = [name for name in by_level if name != REST]
    check_levels([*moved, *own], names)
    for name in own:
        if name in moved:
            raise HvaeError(f"--temperature.{name}: {name} goes the way and is not drawn; leave it out of --levels")
    temperatures = {name: t for name, t in every({REST: COLD, **by_level}, model).items() if name not in moved}
    if REST in by_level and not temperatures:
        raise HvaeError("--temperature: all levels are interpolated and none is drawn; name fewer with --levels")
    return [name for name in names if name in moved], temperatures


def _by_level(temperature: Temperature | None) -> dict[str, float]:
    if temperature is None:
        return {}
    return dict(temperature) if isinstance(temperature, Mapping) else {REST: temperature}


def save(path: Path, way: Tensor, ends: tuple[Tensor, Tensor]) -> None:
    """The ways (T, P, C, H, W) as a sheet with the images (P, C, H, W) at both ends, or as numbers without them."""
    from hvae.explore.tiles import stations

    if path.suffix == ".npy":
        return write(path, way)
    content = stations(way, ends=ends)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
