"""The class that a semi-supervised model guesses: a classifier for free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.guess import GuessResult, guesses
from hvae.screen.numbers import interval, share
from hvae.study.measure import Headline, Measure, Ranked

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work


class Labels(Measure[GuessResult]):
    """The error of the most probable class under q(y given x)."""

    name = "labels"
    about = "error of the guessed class of each datum, where a model guesses it (model.condition.classifier)"
    cost = "quick"
    place = 120
    is_for = "others"
    result = GuessResult
    units: ClassVar[Mapping[str, str]] = {
        "labels": "shares of data; error of the mode of q(y given x), blind of always guessing the most frequent class"
    }

    def take(self, work: Work) -> GuessResult:
        """On all data that are scored."""
        with work.bar("guessed classes") as tick:
            return guesses(work.model, work.batches(), progress=tick)

    def concerns(self, work: Work) -> bool:
        """Models that guess a class."""
        return bool(work.subject.run.config.model.condition.classifier)

    def obstacle(self, work: Work) -> str:
        """Data that know their class."""
        labels = work.split.labels
        is_known = labels is not None and bool((labels >= 0).any())
        return "" if is_known else f"labels are needed, and {work.subject.data.provenance.name} has none"

    def headlines(self, result: GuessResult, evaluation: Evaluation) -> Iterator[Headline]:
        """The error beside that of not looking."""
        error = interval(*(100 * one for one in (result.error.mean, result.error.low95, result.error.high95)))
        note = f"most probable class of q(y given x), {result.data:,} data; always one class: {share(result.blind, 1)}"
        yield Headline("classification error", f"{error} %", note)

    def ranked(self, result: GuessResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """The error."""
        title = f"error of the guessed class, {result.data:,} data"
        yield Ranked(title, result.error.mean, result.error.standard_error, is_low_better=True)
