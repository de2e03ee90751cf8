"""The hierarchical importance-weighted bound: at which levels the ELBO loses its nats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hvae.errors import HvaeError
from hvae.metrics.hierarchical import HierarchicalResult, hierarchical_bounds
from hvae.metrics.results import plain
from hvae.records import JSON
from hvae.study.measure import Headline, Measure, Ranked, spread
from hvae.walk import device_of

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work

DATA, GROUPS, MOST = 200, 4, 6
"""Data, groups of draws for each, and prefixes of levels that are tried, at most."""


@dataclass(frozen=True, kw_only=True)
class HierarchicalBounds:
    """One bound for each of some prefixes of the levels, as inference draws them."""

    bounds: tuple[HierarchicalResult, ...]

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        values: JSON = plain(self)
        return values


class Hierarchical(Measure[HierarchicalBounds]):
    """HIW-MxK for one shared level, then more, to all but one."""

    name = "hierarchical"
    about = "HIW-MxK, of draws that share their first levels: at which levels the ELBO loses its nats"
    cost = "costly"
    place = 20
    is_of_levels = True
    is_for = "others"
    result = HierarchicalBounds

    def take(self, work: Work) -> HierarchicalBounds:
        """On the first data."""
        prefixes = _prefixes(work)
        return HierarchicalBounds(
            bounds=tuple(
                _bound(work, shared, f"hierarchical bound, {count} of {len(prefixes)}")
                for count, shared in enumerate(prefixes, 1)
            )
        )

    def obstacle(self, work: Work) -> str:
        """Draws of a single level have nothing to share."""
        few = "" if len(work.levels) > 1 else "2 levels or more are needed, and this model has one"
        return few or work.no_rectangle()

    def read(self, values: object) -> HierarchicalBounds:
        """The result of a record, every bound of which shares a level."""
        result = super().read(values)
        if not all(bound.shared for bound in result.bounds):
            raise HvaeError(f"{self.name}: expected the levels that draws share, got none")
        return result

    def headlines(self, result: HierarchicalBounds, evaluation: Evaluation) -> Iterator[Headline]:
        """A line a prefix."""
        for bound in result.bounds:
            shared = bound.shared
            name = f"shared {shared[0]}" + (f" to {shared[-1]}" if len(shared) > 1 else "")
            gap = f"of the ELBO's gap the other levels answer for {spread(bound.gap_below_nats)} nats at least"
            title, value = f"-HIW-{bound.groups}x{bound.samples}", f"{spread(bound.negative_hiw_nats)} nats"
            yield Headline(title, value, f"{name}, {bound.data:,} data; {gap}")

    def ranked(self, result: HierarchicalBounds, evaluation: Evaluation) -> Iterator[Ranked]:
        """Comparable where as many levels are shared by as many draws."""
        for bound in result.bounds:
            shared, nats = f"{len(bound.shared)} of the levels shared, {bound.data:,} data", bound.negative_hiw_nats
            title = f"-HIW-{bound.groups}x{bound.samples}, nats ({shared})"
            yield Ranked(title, nats.mean, nats.standard_error, is_low_better=True)


def _bound(work: Work, shared: list[str], what: str) -> HierarchicalResult:
    with work.bar(what) as tick:
        return hierarchical_bounds(
            work.model,
            work.batches(DATA),
            shared,
            groups=GROUPS,
            samples=max(2, work.config.draws // GROUPS),
            chunk_rows=work.rows,
            seed=work.config.seed,
            progress=tick,
        )


def _prefixes(work: Work) -> list[list[str]]:
    """The levels that inference draws first: one, then more, to all but one; of a deep model some."""
    latents = work.model(work.split.batch([0]).to(device_of(work.model))).latents
    order = list(dict.fromkeys(record.name for record in latents))
    lengths = sorted({1 + round(i * (len(order) - 2) / (MOST - 1)) for i in range(MOST)})
    return [order[:length] for length in lengths]
