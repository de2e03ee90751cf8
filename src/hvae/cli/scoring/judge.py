"""A model that scores: what it finds usual, and every score of some images."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.scoring import checks
from hvae.cli.scoring.images import some
from hvae.cli.voice import Voice
from hvae.runs.form import grey
from hvae.runs.subject import Batches, Subject, safe_rows
from hvae.screen.numbers import number

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import ImageData, Split
    from hvae.metrics.normality import NormalRanges
    from hvae.metrics.outliers import Measured, Reference

LEANER = 8
"""A gradient keeps every activation of a walk: so many times fewer data go through at once."""


@dataclass(eq=False)
class Judge:
    """A model that scores, refused at once where its data or posteriors do not allow what `args` ask."""

    args: Namespace
    subject: Subject
    voice: Voice

    def __post_init__(self) -> None:
        args, data = self.args, self.subject.data
        self.by = checks.deciding(args.by, self.subject, args.regret)
        checks.enough(self.subject, args)
        checks.improvable(self.subject, args.regret)
        self.train, self.valid = (some(split.fixed(0), args.normal) for split in (data.train, data.valid))

    @property
    def name(self) -> str:
        """What the run is called where it is one of two."""
        return Path(self.subject.run.folder).name

    @cached_property
    def plain(self) -> ImageData:
        """The run's data before any bits were drawn."""
        return grey(self.subject.run.config.data, self.subject.data)

    @cached_property
    def reference(self) -> Reference:
        """What is usual, from training data."""
        from hvae.metrics.outliers import usual

        return usual(self._measured(self.train, f"training data of {self.name}"))

    @cached_property
    def ranges(self) -> NormalRanges:
        """The ranges in which a few scores of normal data lie together, from validation data."""
        from hvae.metrics.normality import normal_ranges
        from hvae.metrics.outliers import deciding

        return normal_ranges(deciding(self._normal), self.args.quantile)

    @cached_property
    def limit(self) -> float:
        """The threshold of the deciding score, from validation data."""
        from hvae.metrics.detection import threshold

        return 1.0 if self.by == checks.OUTSIDE else threshold(self._normal[self.by], self.args.quantile)

    def scores(self, split: Split, what: str) -> dict[str, Tensor]:
        """Every score of each datum, (N,) each."""
        found = self._scored(split, what)
        return {checks.OUTSIDE: self.ranges.outside(found), **found}

    def reasons(self, found: Mapping[str, Tensor]) -> list[str]:
        """Why each datum of these scores is foreign, as "nll above 131.7"; empty for normal ones."""
        if self.by == checks.OUTSIDE:
            return self.ranges.reasons(found)
        return [f"{self.by} above {number(self.limit)}" if bool(score > self.limit) else "" for score in found[self.by]]

    @cached_property
    def _normal(self) -> dict[str, Tensor]:
        return self._scored(self.valid, f"validation data of {self.name}")

    def _scored(self, split: Split, what: str) -> dict[str, Tensor]:
        from hvae.metrics.outliers import scores

        reference = self.reference
        found = scores(self._measured(split, what), reference)
        return {**found, **({checks.REGRET: self._regret(split, what)} if self.args.regret else {})}

    def detection(self, found: Mapping[str, Tensor]) -> dict[str, Any]:
        """How well each score tells foreign data of these scores from as many of the run's test data."""
        from hvae.metrics.detection import detection

        count = max(len(found[self.by]), 2)
        normal = self.scores(some(self.subject.data.test, count), f"test data of {self.name}")
        return {name: detection(normal[name], score).to_dict() for name, score in found.items()}

    def maps(self, split: Split, score: Tensor, path: Path) -> str:
        """Heat maps of the most foreign images beside them, in a picture."""
        from hvae.metrics.maps import heat, usual_maps
        from hvae.study.heat import draw

        model, order = self.subject.run.model, score.argsort(descending=True)[: self.args.maps]
        with self.voice.bar("heat maps") as tick:
            usual = usual_maps(model, Batches(self.train, self.subject.config.batch), progress=tick)
        datum = split.batch(order)
        return str(draw(path.with_suffix(".png"), datum.x, heat(model, datum, usual), order.tolist()))

    @cached_property
    def _rows(self) -> int:
        return self.subject.config.rows or safe_rows(self.subject.run.model, self.valid.batch([0]))

    def _measured(self, split: Split, what: str) -> Measured:
        from hvae.metrics.outliers import measure

        with self.voice.bar(f"scores of {what}") as tick:
            return measure(
                self.subject.run.model,
                Batches(split, self.subject.config.batch),
                bits=self.subject.run.bits,
                samples=self.args.samples,
                chunk_rows=self._rows,
                seed=self.args.seed,
                progress=tick,
            )

    def _regret(self, split: Split, what: str) -> Tensor:
        from hvae.metrics.regret import regret

        size = max(1, min(self.subject.config.batch, self._rows // LEANER))
        with self.voice.bar(f"likelihood regret of {what}") as tick:
            return regret(
                self.subject.run.model,
                Batches(split, size),
                steps=self.args.regret,
                seed=self.args.seed,
                progress=tick,
            )
