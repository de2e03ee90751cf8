"""The measures by name: what stands in the way of each, and who takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hvae.cli.evaluation import costly, hierarchy, quick
from hvae.cli.evaluation.partial import Partial
from hvae.cli.evaluation.work import Work
from hvae.config.evaluate import MEASURES
from hvae.errors import HvaeError


@dataclass(frozen=True)
class Measure:
    """`take` it, unless an `obstacle` (a line; empty for none) is found, quickly and before any other is taken."""

    take: Callable[[Work], dict[str, Any]]
    obstacle: Callable[[Work], str]


def _nothing(work: Work) -> str:
    return ""


def measures(kept: Partial) -> Mapping[str, Measure]:
    """Every measure by name; the likelihood goes on from the batches that are kept."""
    found = {
        "likelihood": Measure(partial(quick.likelihood, partial=kept), _nothing),
        "activity": Measure(quick.activity, quick.few),
        "mutual": Measure(quick.mutual, quick.cannot_replay),
        "reconstruction": Measure(quick.reconstruction, _nothing),
        "contribution": Measure(quick.contribution, _nothing),
        "maps": Measure(quick.maps, quick.no_places),
        "coarse-to-fine": Measure(quick.coarse_to_fine, quick.no_hierarchy),
        "hierarchical": Measure(hierarchy.hierarchical, hierarchy.one_level),
        "classes": Measure(costly.classes, costly.no_classes),
        "quality": Measure(costly.quality, costly.no_comparison),
        "disentanglement": Measure(costly.disentanglement, costly.no_factors),
    }
    assert list(found) == list(MEASURES)
    return found


def possible(work: Work, known: Mapping[str, Measure]) -> tuple[dict[str, Measure], dict[str, str]]:
    """The measures to take, and why others of a group are left out.

    Raises HvaeError for one that was asked for by its name and cannot be taken.
    """
    config, taken, left = work.config, {}, {}
    for name in config.wanted:
        line = known[name].obstacle(work)
        if line and name in config.measures:
            raise HvaeError(f"evaluate.measures: {name} cannot be measured: {line}")
        if line:
            left[name] = line
        else:
            taken[name] = known[name]
    if not taken:
        raise HvaeError(f"nothing of {', '.join(config.measures)} can be measured: {next(iter(left.values()))}")
    return taken, left
