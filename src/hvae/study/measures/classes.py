"""How well the codes of each level know the classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hvae.metrics.probe import ClassesResult, classes, known_classes
from hvae.screen.numbers import share
from hvae.study.codes import CODED, DIMS, coded
from hvae.study.measure import Column, Measure, Ranked
from hvae.study.work import fault

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work


@dataclass(frozen=True, kw_only=True)
class ProbeResult(ClassesResult):
    """Probe and clusters of every level, top first, of its dimensions that vary most."""

    dims_at_most: int


class Classes(Measure[ProbeResult]):
    """A linear probe and clusters of codes."""

    name = "classes"
    about = "linear probe and clusters of the codes of each level against the classes"
    cost = "costly"
    place = 40
    settings = ("codes",)
    is_of_levels = True
    is_for = "others"
    result = ProbeResult

    def take(self, work: Work) -> ProbeResult:
        """On the codes of the first data."""
        labels = work.split.labels
        assert labels is not None
        codes, seed = coded(work), work.config.seed
        with work.bar("probe and clusters") as tick:
            result = classes(codes, labels[: len(codes)], seed=seed, progress=tick)
        return ProbeResult(**vars(result), dims_at_most=DIMS)

    def obstacle(self, work: Work) -> str:
        """Labels of two classes or more, and enough of each."""
        if line := work.no_rectangle():
            return line
        labels = work.split.labels
        if labels is None:
            return f"labels are needed, and {work.subject.data.provenance.name} has none"
        return fault(known_classes, labels[:CODED], min(CODED, len(work.split)))

    def columns(self, result: ProbeResult, evaluation: Evaluation) -> Iterator[Column]:
        """Accuracy of the probe, and how the clusters agree."""
        levels = result.levels.items()
        yield Column("probe", {name: share(level.probe_accuracy, 1) for name, level in levels}, leaves=4)
        yield Column("NMI", {name: f"{level.nmi:.2f}" for name, level in levels}, leaves=7)
        yield Column("ARI", {name: f"{level.ari:.2f}" for name, level in levels}, leaves=11)

    def notes(self, result: ProbeResult) -> Iterator[str]:
        """Which codes, and chance."""
        yield (
            f"probe (chance {share(result.chance, 1)}), NMI and ARI of k-means: {result.codes} of q, "
            f"{result.data:,} data, {result.dims_at_most} dimensions of a level at most"
        )

    def ranked(self, result: ProbeResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """The best level."""
        if result.levels:
            best = max(level.probe_accuracy for level in result.levels.values())
            yield Ranked(f"linear probe of the best level ({result.codes}, {result.data:,} data)", best)
