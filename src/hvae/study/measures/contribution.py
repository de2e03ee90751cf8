"""What comes back when only the top levels are inferred."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.contribution import ContributionResult, TopLevels, contribution
from hvae.reporting.data import Sheet
from hvae.screen.numbers import number
from hvae.study.measure import Measure, spread
from hvae.study.tables import is_mixed

if TYPE_CHECKING:
    from hvae.study.work import Work

DATA = 300


class Contribution(Measure[ContributionResult]):
    """The bound and the PSNR of the top k levels, for some k."""

    name = "contribution"
    about = "bits/dim and PSNR when only the top k levels are inferred and the others drawn from the prior"
    cost = "quick"
    place = 60
    is_of_levels = True
    is_for = "others"
    result = ContributionResult
    units: ClassVar[Mapping[str, str]] = {
        "contribution": "top k levels inferred, the others drawn from the prior: -bound in nats and bits/dim, PSNR in "
        "dB"
    }

    def take(self, work: Work) -> ContributionResult:
        """On the first data."""
        with work.bar("contribution of the levels") as tick:
            result = contribution(work.model, work.batches(DATA), seed=work.config.seed, progress=tick)
        distant = not is_mixed(work.subject.run)
        return result if distant else replace(result, top=tuple(replace(row, psnr_db=None) for row in result.top))

    def obstacle(self, work: Work) -> str:
        """Padding is no noise."""
        return work.no_rectangle()

    def sheets(self, result: ContributionResult) -> Iterator[Sheet]:
        """A row for each k, of what these data have."""
        heads = ("levels inferred", "rate, nats", "-bound, nats", "bits/dim", "PSNR, dB")
        rows = [_row(top) for top in result.top]
        some = [i for i in range(len(heads)) if any(row[i] for row in rows)]
        yield Sheet(
            title="What the top levels are worth",
            heads=[heads[i] for i in some],
            rows=[[row[i] for i in some] for row in rows],
            note=f"top levels from the data, the others drawn from the prior; {result.data:,} data",
        )


def _row(top: TopLevels) -> tuple[str, ...]:
    lowest, measured = top.lowest, (top.negative_bound_nats, top.bits_per_dim, top.psnr_db)
    name = "none" if not lowest else lowest if top.levels == 1 else f"top {top.levels}, to {lowest}"
    return name, number(top.rate_nats), *(spread(each) if each else "" for each in measured)
