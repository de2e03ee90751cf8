"""The walks of a restoration: as many pictures, or tiles of larger ones, at once as fit, and the draws of each.

Shapes: `N` pictures; `R` rows, which are pictures or tiles of them; `K` draws; `...` a datum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hvae.seeds import part_seed
from hvae.study.placing import at_once
from hvae.study.progress import Bars

if TYPE_CHECKING:
    from hvae.restoration import Restored, Tiling, View, Way
    from hvae.study.tasks import Task
    from hvae.walk import Model


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much work a picture is worth: draws, steps of a refinement, sweeps of a chain; whether pixels are drawn; how
    many views the draws are spread over."""

    draws: int
    steps: int
    sweeps: int
    pixels: bool
    views: int = 1


def rows_of(target: Task) -> int:
    """Rows that a model restores: pictures, or the tiles of all of them."""
    return len(target.observation) * (len(target.tiling.places) if target.tiling else 1)


def walked(model: Model, target: Task, way: Way, effort: Effort, seed: int, progress: Bars) -> tuple[Restored, int]:
    """The draws of all pictures, those of each view in turn, and how many walks of the model each row of them took."""
    import torch

    from hvae.restoration import VIEWS, Restored

    views = VIEWS[: effort.views]
    each = replace(effort, draws=effort.draws // len(views))
    passes = len(views) * way.passes(each.draws)
    with progress.bar("restoring") as tick:
        count = _Count(tick, -(-rows_of(target) // at_once(model)) * passes)
        parts = [_viewed(view, model, target, way, each, seed, count) for view in views]
    draws, joint = (
        torch.stack([getattr(part, name) for part in parts], 2).flatten(1, 2) for name in ("draws", "joint")
    )
    return Restored(draws=draws, joint=joint), passes


def _viewed(
    view: View, model: Model, target: Task, way: Way, effort: Effort, seed: int, count: Callable[[], None]
) -> Restored:
    """The draws of all pictures as a view shows them, turned back; each view's noise is the same to the model."""
    tiling = target.tiling
    turned = replace(
        target,
        observation=target.observation.mapped(view),
        tiling=tiling and replace(tiling, picture=view.size(tiling.picture)),
    )
    restored = _walked(model, turned, way, effort, seed, count)
    return replace(restored, draws=view.back(restored.draws))


def _walked(model: Model, target: Task, way: Way, effort: Effort, seed: int, count: Callable[[], None]) -> Restored:
    import torch

    from hvae.condition import rows
    from hvae.restoration import Restored, restore
    from hvae.walk import device_of

    tiling = target.tiling
    observation = target.observation.mapped(tiling.cut) if tiling else target.observation
    like, each = next(model.parameters()), len(observation) // len(target.observation)
    values = rows(model.conditions, target.context, len(target.observation), device_of(model))
    values = {name: value.repeat_interleave(each, 0) for name, value in values.items()}
    size, parts = at_once(model), []
    for start in range(0, len(observation), size):
        some = slice(start, start + size)
        part = restore(
            model,
            observation[some].to(like),
            _tiled(way, tiling, range(len(observation))[some], seed),
            draws=effort.draws,
            context={name: value[some] for name, value in values.items()},
            pixels=effort.pixels,
            seed=part_seed(seed, start),
            tick=count,
        )
        parts.append((part.draws.cpu(), part.joint.cpu()))
    draws, joint = (torch.cat(some) for some in zip(*parts, strict=True))
    return _joined(Restored(draws=draws, joint=joint), tiling)


def _tiled(way: Way, tiling: Tiling | None, rows: range, seed: int) -> Way:
    """The same way, whose draws of tiles share their noise where they overlap."""
    from hvae.restoration import Refine, shared

    if tiling is None:
        return way
    assert isinstance(way, Refine)
    return replace(way, change=shared(tiling, rows, seed))


def _joined(restored: Restored, tiling: Tiling | None) -> Restored:
    """Pictures from their tiles; their log p(seen, z) is the sum over tiles, what overlaps counted in each."""
    if tiling is None:
        return restored
    joint = restored.joint.unflatten(0, (-1, len(tiling.places))).sum(1)
    return replace(restored, draws=tiling.joined(restored.draws), joint=joint)


class _Count:
    """Counts pieces of work for a progress bar."""

    def __init__(self, tick: Callable[..., None], total: int) -> None:
        self.tick, self.done, self.total = tick, 0, total

    def __call__(self) -> None:
        self.done += 1
        self.tick(self.done, self.total)
