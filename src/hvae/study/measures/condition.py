"""Whether the samples of a class-conditional model show their class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.condition import ConditionResult, condition_result
from hvae.reporting.data import Sheet
from hvae.screen.numbers import number
from hvae.study.conditions import LABEL
from hvae.study.measure import Headline, Measure, Ranked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work

SAMPLES = 1_000
"""In all, at most; at least one of each class."""
MOST_ROWS = 20
"""Classes that a table shows: those that are shown least."""


class Condition(Measure[ConditionResult]):
    """What a small classifier of the data finds in samples of each class."""

    name = "condition"
    about = "whether samples show the class that they were asked for: I(y; samples) by a judge, and the swap test"
    cost = "costly"
    place = 10
    is_for_page = True
    result = ConditionResult
    units: ClassVar[Mapping[str, str]] = {
        "condition": "shares of samples with their pixels drawn, temperature 1, by a judge trained on the training "
        "data; information_nats: I(y; judged y), by counts, less its bias, at most entropy_nats = H(y)"
    }

    def take(self, work: Work) -> ConditionResult:
        """As many samples of each class, and once more from their latents under the next class."""
        import torch

        from hvae.explore.swap import swap

        count = work.model.conditions[LABEL].classes
        judge, each = work.judge, max(1, SAMPLES // count)
        labels = torch.arange(count).repeat_interleave(each)
        other = (labels + 1) % count
        with work.bar("samples of each class") as tick:
            samples = swap(
                work.model,
                len(labels),
                {LABEL: labels},
                {LABEL: other},
                seed=work.config.seed,
                chunk=min(work.rows, each),
                progress=tick,
            )
        judged = [judge(pictures.cpu()).clamp(0, count - 1) for pictures in samples]
        return condition_result(labels, judged[0], other, judged[1], titles(work), judge.describe())

    def concerns(self, work: Work) -> bool:
        """Models with a condition."""
        return bool(work.model.conditions)

    def obstacle(self, work: Work) -> str:
        """A class that the model is told, and a judge of it."""
        condition = work.model.conditions.get(LABEL)
        if condition is None or condition.classes < 2:
            return "a model that is told one of 2 classes or more is needed"
        others = [name for name, one in work.model.conditions.items() if name != LABEL and not one.optional]
        if others:
            return f"a model that need not be told more than its class is needed, and this one is told {others[0]}"
        return work.no_images() or work.no_classifier()

    def conclusion(self, result: ConditionResult) -> str:
        """Whether the condition is followed, weak, or ignored."""
        return result.verdict

    def headlines(self, result: ConditionResult, evaluation: Evaluation) -> Iterator[Headline]:
        """The share judged right, what the samples say, and the swap."""
        of = f"{result.samples:,} samples, as many of each class; judge: {result.judge}"
        yield Headline("class shown", f"{result.right:.1%}", f"judged the class that was asked for; {of}")
        entropy = f"of H(y) = {number(result.entropy_nats)}; at least, since the judge errs too"
        yield Headline("I(y; samples)", f"{number(result.information_nats)} nats", entropy)
        stays = f"same latents, next class: judged the new class; {result.swapped_to_old:.0%} still the old one"
        yield Headline("swap", f"{result.swapped_to_new:.0%}", stays)

    def sheets(self, result: ConditionResult) -> Iterator[Sheet]:
        """The classes, least shown first where there are many."""
        classes = sorted(result.by_class.items(), key=lambda pair: pair[1])[:MOST_ROWS]
        if len(result.by_class) <= MOST_ROWS:
            classes = list(result.by_class.items())
        yield Sheet(
            title="Samples by class",
            heads=("class", "judged right"),
            rows=[(title, f"{share:.1%}") for title, share in classes],
            note=f"samples that are judged the class that was asked for; judge: {result.judge}",
        )

    def ranked(self, result: ConditionResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """With its judge."""
        yield Ranked(f"class shown by {result.samples:,} samples ({result.judge})", result.right)


def titles(work: Work) -> list[str]:
    """The names of the classes, or their numbers."""
    count, names = work.model.conditions[LABEL].classes, work.subject.data.classes
    return [*names[:count], *(str(k) for k in range(len(names), count))]
