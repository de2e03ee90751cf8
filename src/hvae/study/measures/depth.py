"""What more levels of a diffusion are worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.depth import DepthResult, LevelsBound, depth, has_depth
from hvae.reporting.data import Sheet
from hvae.study.measure import Measure, spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hvae.study.work import Work

DATA = 500


class Depth(Measure[DepthResult]):
    """The bound for some numbers of levels, and in continuous time."""

    name = "depth"
    about = "the bound of a diffusion by its number of levels T, and in continuous time"
    cost = "quick"
    place = 70
    is_for = "others"
    result = DepthResult
    units: ClassVar[Mapping[str, str]] = {"depth": "-ELBO by the number of levels (0: continuous time), nats, bits/dim"}

    def take(self, work: Work) -> DepthResult:
        """On the first data."""
        with work.bar("depth") as tick:
            return depth(work.model, work.batches(DATA), seed=work.config.seed, progress=tick)

    def concerns(self, work: Work) -> bool:
        """Diffusions alone have as many levels as they are asked for."""
        return super().concerns(work) and has_depth(work.model)

    def obstacle(self, work: Work) -> str:
        """As it concerns diffusions alone."""
        return (
            "" if has_depth(work.model) else "the levels of this model are what they are; of a diffusion they are not"
        )

    def sheets(self, result: DepthResult) -> Iterator[Sheet]:
        """A row for each number of levels."""
        yield Sheet(
            title="What more levels are worth",
            heads=("levels T", "-ELBO, nats", "bits/dim"),
            rows=[_row(row) for row in result.by_levels],
            note=(
                "bounds of walks of T levels, each an unbiased estimate by "
                f"{max(row.visits for row in result.by_levels)} random levels a datum at most; {result.data:,} data"
            ),
        )


def _row(row: LevelsBound) -> tuple[str, ...]:
    bits = row.bits_per_dim
    levels = f"{row.levels:,}" if row.levels else "continuous time"
    return levels, spread(row.negative_elbo_nats), spread(bits) if bits else ""
