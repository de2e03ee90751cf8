"""Whether the samples of a conditional model show the class that they were asked for, by itself or by a caption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.condition import ConditionResult, condition_result
from hvae.reporting.data import Sheet
from hvae.screen.numbers import number, share
from hvae.study.conditions import LABEL
from hvae.study.measure import Headline, Measure, Ranked
from hvae.study.work import fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from hvae.condition import Context
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work

SAMPLES, CHUNK = 1_000, 100
"""In all, at most, but at least one of each class; and how many at once."""
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
        """Samples of each class, and once more from their latents under another class."""
        from hvae.draw import prior, solver
        from hvae.explore.swap import swap

        by = work.config.solver
        names, judge = titles(work), work.sequence_judge if work.model.timed else work.judge
        ask = (_by_class if LABEL in work.model.conditions else _by_data)(work)
        with work.bar("samples of each class") as tick:
            samples = swap(
                work.model,
                len(ask.labels),
                ask.context,
                ask.new,
                draw=solver(by) if by else prior(),
                seed=work.config.seed,
                chunk=min(work.rows, CHUNK),
                progress=tick,
            )
        first, second = (judge(some.cpu()).clamp(0, len(names) - 1) for some in samples)
        context, ways = ", ".join(work.model.conditions), judge.describe() + (f"; samples by {by}" if by else "")
        return condition_result(ask.labels, first, ask.other, second, names, ways, context)

    def concerns(self, work: Work) -> bool:
        """Models with a condition."""
        return bool(work.model.conditions)

    def obstacle(self, work: Work) -> str:
        """A class that the model is told, or that the data have beside what it is told, and a judge of it."""
        from hvae.explore.sample import check_solver

        condition = work.model.conditions.get(LABEL)
        if not work.model.conditions or (condition is not None and condition.classes < 2):
            return "a model that is told one of 2 classes or more is needed"
        others = [name for name, one in work.model.conditions.items() if name != LABEL and not one.optional]
        if others and condition is not None:
            return f"a model that need not be told more than its class is needed, and this one is told {others[0]}"
        unsolved = fault(check_solver, work.model, work.config.solver)
        pictures = "" if work.model.timed else work.no_images()
        return pictures or work.no_classifier() or _of_one_class(work) or _too_few(work) or unsolved

    def conclusion(self, result: ConditionResult) -> str:
        """Whether the condition is followed, weak, or ignored."""
        return result.verdict

    def headlines(self, result: ConditionResult, evaluation: Evaluation) -> Iterator[Headline]:
        """The share judged right, what the samples say, and the swap."""
        by = "as many of each class" if result.context == LABEL else f"each by the {result.context} of a datum"
        of = f"{result.samples:,} samples, {by}; judge: {result.judge}"
        yield Headline("class shown", share(result.right, 1), f"judged the class that was asked for; {of}")
        entropy = f"of H(y) = {number(result.entropy_nats)}; at least, since the judge errs too"
        yield Headline("I(y; samples)", f"{number(result.information_nats)} nats", entropy)
        stays = f"same latents, another class: judged the new class; {share(result.swapped_to_old)} still the old one"
        yield Headline("swap", share(result.swapped_to_new), stays)

    def sheets(self, result: ConditionResult) -> Iterator[Sheet]:
        """The classes, least shown first where there are many."""
        classes = sorted(result.by_class.items(), key=lambda pair: pair[1])[:MOST_ROWS]
        if len(result.by_class) <= MOST_ROWS:
            classes = list(result.by_class.items())
        yield Sheet(
            title="Samples by class",
            heads=("class", "judged right"),
            rows=[(title, share(right, 1)) for title, right in classes],
            note=f"samples that are judged the class that was asked for; judge: {result.judge}",
        )

    def ranked(self, result: ConditionResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """With its judge."""
        yield Ranked(f"class shown by {result.samples:,} samples ({result.judge})", result.right)


def _too_few(work: Work) -> str:
    """Which class has too few training pictures for a judge to learn it from; empty where none has."""
    from hvae.metrics.gain import check_enough

    labels = work.subject.data.train.labels
    assert labels is not None
    return fault(check_enough, labels[labels >= 0], titles(work), "to learn from")


def _of_one_class(work: Work) -> str:
    """Why nothing can be swapped; empty where the data that are scored have two classes."""
    labels = work.split.labels
    is_one = labels is None or len(labels[labels >= 0].unique()) < 2
    return "scored data of 2 classes or more are needed, and these are of one" if is_one else ""


@dataclass(frozen=True, eq=False)
class Ask:
    """What samples are asked for: labels (N,) and the context that says them, and the same of the swap."""

    labels: Tensor
    context: Context
    other: Tensor
    new: Context


def _by_class(work: Work) -> Ask:
    """As many of each class, and the next one for each."""
    import torch

    count = work.model.conditions[LABEL].classes
    labels = torch.arange(count).repeat_interleave(max(1, SAMPLES // count))
    other = (labels + 1) % count
    return Ask(labels, {LABEL: labels}, other, {LABEL: other})


def _by_data(work: Work) -> Ask:
    """What is known of the data themselves, and for each what is known of a datum of another class."""
    split = work.split
    assert split.labels is not None
    rows = (split.labels >= 0).nonzero()[:SAMPLES, 0]
    rows = rows[split.labels[rows].argsort(stable=True)]
    partners = rows.roll(len(rows) // 2)
    differ = split.labels[rows] != split.labels[partners]
    own, strange = rows[differ], partners[differ]
    some = {name: values for name, values in split.known.items() if name in work.model.conditions}
    return Ask(
        split.labels[own],
        {name: values[own] for name, values in some.items()},
        split.labels[strange],
        {name: values[strange] for name, values in some.items()},
    )


def titles(work: Work) -> list[str]:
    """The names of the classes, or their numbers."""
    condition, names, labels = work.model.conditions.get(LABEL), work.subject.data.classes, work.split.labels
    most = 0 if labels is None else int(labels.max()) + 1
    count = condition.classes if condition else max(len(names), most)
    return [*names[:count], *(str(k) for k in range(len(names), count))]
