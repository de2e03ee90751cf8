"""A model that scores: what it finds usual, and every score of some images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.runs.subject import Subject, safe_rows
from hvae.screen.numbers import number
from hvae.study.conditions import complete_data
from hvae.study.images import Batched, Images
from hvae.study.progress import Bars
from hvae.study.scoring import checks
from hvae.study.scoring.images import plain, some
from hvae.study.scoring.request import Request
from hvae.study.scoring.scores import Maps

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import Data
    from hvae.engine import Engine
    from hvae.metrics.detection import Detection
    from hvae.metrics.maps import UsualMaps
    from hvae.metrics.normality import NormalRanges
    from hvae.metrics.outliers import Measured, Reference

LEANER = 8
"""A gradient keeps every activation of a walk: so many times fewer data go through at once."""


@dataclass(eq=False)
class Judge:
    """A model that scores, refused at once where its data or posteriors do not allow what the request asks for."""

    request: Request
    subject: Subject
    progress: Bars
    engine: Engine | None = None
    """Who computes bounds and rates; torch where nobody is named."""

    def __post_init__(self) -> None:
        request, data = self.request, self.subject.data
        self.by = checks.deciding(request.by, self.subject, request.regret)
        checks.enough(self.subject, request)
        complete_data(self.subject.run.model, data.train)
        checks.improvable(self.subject, request.regret)
        self.train, self.valid = (some(part.fixed(0), request.normal) for part in (data.train, data.valid))

    @property
    def name(self) -> str:
        """What the run is called where it is one of two."""
        return Path(self.subject.run.folder).name

    @cached_property
    def plain(self) -> Data:
        """The run's data before any bits were drawn."""
        return plain(self.subject.run.config.data, self.subject.data)

    @cached_property
    def reference(self) -> Reference:
        """What is usual, from training data."""
        from hvae.metrics.outliers import usual

        return usual(self._measured(Images(self.train), f"training data of {self.name}"))

    @cached_property
    def ranges(self) -> NormalRanges:
        """The ranges in which a few scores of normal data lie together, from validation data."""
        from hvae.metrics.normality import normal_ranges
        from hvae.metrics.outliers import deciding

        return normal_ranges(deciding(self.normal), self.request.quantile)

    @cached_property
    def limit(self) -> float:
        """The threshold of the deciding score, from validation data."""
        from hvae.metrics.detection import threshold

        return 1.0 if self.by == checks.OUTSIDE else threshold(self.normal[self.by], self.request.quantile)

    def scores(self, images: Batched, what: str) -> dict[str, Tensor]:
        """Every score of each datum, (N,) each."""
        scores = self._scored(images, what)
        return {checks.OUTSIDE: self.ranges.outside(scores), **scores}

    def reasons(self, scores: Mapping[str, Tensor]) -> list[str]:
        """Why each datum of these scores is out-of-distribution, as "nll above 131.7"; empty for normal ones."""
        if self.by == checks.OUTSIDE:
            return self.ranges.reasons(scores)
        return [
            f"{self.by} above {number(self.limit)}" if bool(score > self.limit) else "" for score in scores[self.by]
        ]

    @cached_property
    def normal(self) -> dict[str, Tensor]:
        """Every score of normal data, (N,) each: of validation data, which set the threshold and the ranges."""
        return self._scored(Images(self.valid), f"validation data of {self.name}")

    def _scored(self, images: Batched, what: str) -> dict[str, Tensor]:
        from hvae.metrics.outliers import scores

        reference = self.reference
        columns = scores(self._measured(images, what), reference)
        return {**columns, **({checks.REGRET: self._regret(images, what)} if self.request.regret else {})}

    def detection(self, scores: Mapping[str, Tensor]) -> dict[str, Detection]:
        """How well each score tells data of these scores from as many of the run's test data."""
        from hvae.metrics.detection import detection

        count = max(len(scores[self.by]), 2)
        normal = self.scores(Images(some(self.subject.data.test, count)), f"test data of {self.name}")
        return {name: detection(normal[name], score) for name, score in scores.items()}

    @cached_property
    def usual_maps(self) -> UsualMaps:
        """What is usual at each place of each level, from training data."""
        from hvae.metrics.maps import usual_maps

        batches = Images(self.train).batches(self.subject.config.batch)
        with self.progress.bar("what is usual where") as tick:
            return usual_maps(self.subject.run.model, batches, progress=tick)

    def maps(self, images: Images, score: Tensor, path: Path | None) -> Maps:
        """Heat maps of the images with the highest score, also drawn beside them into a picture where `path` is one."""
        from hvae.metrics.maps import heat
        from hvae.study.heat import draw

        order = score.argsort(descending=True)[: self.request.maps]
        datum, places = images.batch(order), order.tolist()
        maps = heat(self.subject.run.model, datum, self.usual_maps)
        file = None if path is None else draw(path, datum.x, maps, places)
        return Maps(places=tuple(places), x=datum.x, heat=maps, file=file)

    @cached_property
    def rows(self) -> int:
        """Rows walked at once."""
        return self.subject.config.rows or safe_rows(self.subject.run.model, self.valid.batch([0]))

    def _measured(self, images: Batched, what: str) -> Measured:
        from hvae.engine import TORCH
        from hvae.metrics.outliers import measure

        with self.progress.bar(f"scores of {what}") as tick:
            return measure(
                self.subject.run.model,
                images.batches(self.subject.config.batch),
                bits=self.subject.run.bits,
                samples=self.request.samples,
                chunk_rows=self.rows,
                seed=self.request.seed,
                progress=tick,
                engine=self.engine or TORCH,
            )

    def _regret(self, images: Batched, what: str) -> Tensor:
        from hvae.metrics.regret import regret

        size = max(1, min(self.subject.config.batch, self.rows // LEANER))
        with self.progress.bar(f"likelihood regret of {what}") as tick:
            return regret(
                self.subject.run.model,
                images.batches(size),
                steps=self.request.regret,
                seed=self.request.seed,
                progress=tick,
            )
