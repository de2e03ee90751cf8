"""What a run grows into: the model with levels more on top, or below the lowest one.

Shapes: none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hvae.config.families import FAMILIES
from hvae.config.model import GrowingConfig, LadderConfig
from hvae.config.run import RunConfig
from hvae.errors import HvaeError, short
from hvae.study.building import outline

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun


@dataclass(frozen=True, kw_only=True)
class More:
    """Levels to add, on top and at the next finer scale, each of `latent` dimensions or channels."""

    levels: int
    below: int
    latent: int


def check_growth(run: LoadedRun, more: More, freeze: bool) -> None:
    """Raises HvaeError for a run that cannot grow as it is asked to."""
    config = run.config.model
    if not isinstance(config, GrowingConfig):
        able = [name for name, family in FAMILIES.items() if issubclass(family.config, GrowingConfig)]
        raise HvaeError(f"{run.folder} is of the family {config.family}, which cannot grow; {', '.join(able)} can")
    if config.condition.kind != "none":
        raise HvaeError(f"{run.folder} is told a condition, which samples do not replay; grow a run without one")
    if freeze and not more.levels + more.below:
        raise HvaeError("--freeze trains what is added alone, and --levels 0 adds nothing; leave one of them out")
    if more.below:
        _next_scale(run)


def _next_scale(run: LoadedRun) -> int:
    """The finest scale without a level that has none below it but such ones.  Raises HvaeError where there is none."""
    config = run.config.model
    if not isinstance(config, LadderConfig):
        raise HvaeError(
            f"{run.folder} is of the family {config.family}, which grows on top alone; ladder and pixelvae grow below, "
            "take --levels in place of --below"
        )
    by_scale = (*config.finer, *config.groups[len(config.finer) :])
    lowest = next(scale for scale, count in enumerate(by_scale) if count)
    if not lowest:
        raise HvaeError(
            f"{run.folder} has levels at the data's resolution (model.groups {short(config.groups)}, model.finer "
            f"{short(config.finer)}), and there is no finer scale; take --levels in place of --below"
        )
    return lowest - 1


def bigger(run: LoadedRun, more: More) -> GrowingConfig:
    """The model of a run with more levels; what was there already keeps its names and its shapes."""
    model = run.config.model
    assert isinstance(model, GrowingConfig)
    taller = replace(model, grown=(*model.grown, *[more.latent] * more.levels))
    return _deeper(taller, _next_scale(run), more) if more.below and isinstance(taller, LadderConfig) else taller


def _deeper(config: LadderConfig, scale: int, more: More) -> LadderConfig:
    """With levels at a finer scale than any that has some."""
    counts = list(config.finer) or [0] * next(at for at, count in enumerate(config.groups) if count)
    latents = list(config.scale_latents)
    counts[scale], latents[scale] = more.below, more.latent
    return replace(config, finer=tuple(counts), latents=tuple(latents))


def added(run: LoadedRun, config: RunConfig) -> tuple[str, ...]:
    """The names of the new levels, the lowest first."""
    from hvae.walk import names

    own = names(run.model)
    every = names(outline(config.model, tuple(run.model.shape), run.bits))
    return tuple(reversed([name for name in every if name not in own]))


def parts(run: LoadedRun, config: RunConfig) -> tuple[str, ...]:
    """The parts of the grown model that the old one does not have, as `train.only` names them."""
    own = dict(run.model.named_parameters())
    every = outline(config.model, tuple(run.model.shape), run.bits).named_parameters()
    return tuple(dict.fromkeys(".".join(name.split(".")[:3]) for name, _ in every if name not in own))
