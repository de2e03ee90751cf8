"""The measures by name: what stands in the way of each, and who takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hvae.cli.evaluation import costly, hierarchy, quick
from hvae.cli.evaluation.partial import Partial
from hvae.cli.evaluation.work import Work
from hvae.cli.voice import Voice
from hvae.config.evaluate import MEASURES
from hvae.errors import HvaeError
from hvae.runs.subject import Subject


@dataclass(frozen=True)
class Measure:
    """`take` it, unless an `obstacle` (a line; empty for none) is found, quickly and before any other is taken."""

    take: Callable[[Work], dict[str, Any]]
    obstacle: Callable[[Work], str]


def _nothing(work: Work) -> str:
    return ""


def measures(kept: Partial | None = None) -> Mapping[str, Measure]:
    """Every measure by name; the likelihood goes on from the batches that are kept, if any."""
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
    """The measures to take, and why others of a group are left out; nothing can be taken without data.

    Raises HvaeError for one that was asked for by its name and cannot be taken.
    """
    config, taken, left = work.config, {}, {}
    without_data = work.subject.no_data()
    for name in config.wanted:
        line = without_data or known[name].obstacle(work)
        if line and name in config.measures:
            raise HvaeError(f"evaluate.measures: {name} cannot be measured: {line}")
        if line:
            left[name] = line
        else:
            taken[name] = known[name]
    return taken, left


def with_measures(subject: Subject, names: Iterable[str], voice: Voice) -> Subject:
    """The subject with some more measures asked for, of which those that are not possible are left out."""
    work, known, config = Work(subject, voice), measures(), subject.run.config
    able = [name for name in names if not (subject.no_data() or known[name].obstacle(work))]
    asked = ",".join(dict.fromkeys([*config.evaluate.measures, *able]))
    return replace(subject, run=replace(subject.run, config=config.override({"evaluate.measures": asked})))
