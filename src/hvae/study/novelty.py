"""Whether new data are beyond the range of a run: a growth may wait until they are.

Shapes: none of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import RunConfig
from hvae.screen.numbers import percent, share
from hvae.study.progress import Bars
from hvae.study.score import score

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun

MOSTLY = 0.5
"""Share of the new data beyond the quantile of the old from which on they are novel: their median is outside."""


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """How much of new data a run finds unusual: the share `beyond` the `quantile` of -log p of its validation data."""

    beyond: float
    quantile: float
    threshold: float
    number: int

    @property
    def is_novel(self) -> bool:
        """Whether most of them are."""
        return self.beyond > MOSTLY

    def __str__(self) -> str:
        verb = "novel" if self.is_novel else "not novel"
        return (
            f"{verb}: -log p of {share(self.beyond)} of {self.number:,} new pictures is above {self.threshold:.1f} "
            f"nats, the {percent(self.quantile)} quantile of the run's validation data"
        )


def novelty(
    run: LoadedRun, data: str | Path, config: RunConfig, quantile: float, trust: Sequence[str], watched: Bars
) -> Novelty:
    """How much of new data, which lie where `config` says, is beyond the quantile of the run's own."""
    where = {key: value for key, value in vars(config.data).items() if key == "root" and value}
    moved = {f"data.{key}": value for key, value in where.items()}
    scores = score(run, data, by="nll", quantile=quantile, overrides=moved, trust=trust, progress=watched)
    count = len(scores)
    return Novelty(beyond=scores.foreign / count, quantile=quantile, threshold=scores.threshold, number=count)
