"""A model and the images it scores; with out-of-distribution ones, one direction of a pair of data sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hvae.data import ImageData, SequenceData
from hvae.errors import HvaeError
from hvae.runs.columns import columns_of
from hvae.runs.form import move
from hvae.runs.images import InputImages
from hvae.runs.sequences import InputSequences, brought
from hvae.study.conditions import meanings, numbers, other_classes, under
from hvae.study.images import without_chance
from hvae.study.scoring import sequences
from hvae.study.scoring.images import images, order, overlap
from hvae.study.scoring.judge import Judge
from hvae.study.scoring.scores import Comparison

if TYPE_CHECKING:
    from torch import Tensor

_MEANING = {
    "train": "training data: no test of anything",
    "valid": "the validation data that set the threshold: how many are out-of-distribution was chosen with it",
    "test": "the run's own test data: compared with themselves",
}
"""What it means that images are among these data of the run."""


@dataclass(eq=False)
class Pair:
    """A model, the images it scores, and what they are called."""

    judge: Judge
    brought: InputImages | InputSequences
    what: str

    def __post_init__(self) -> None:
        request, inputs = self.judge.request, self.brought
        count = len(inputs.split)
        number = min(count, request.number or count)
        if request.foreign and number < 2:
            raise HvaeError(f"--foreign: expected 2 {self.noun} or more to compare, got {number} from {self.what}")
        self.brought = inputs.some(order(count, number))
        self.images = without_chance(self.brought)
        self.seen = {part: self._met(getattr(self.judge.plain, part)) for part in self._suspects()}

    def _met(self, ours: Any) -> int:
        """How many of these are among ours."""
        mine = self.brought
        return overlap(ours, mine.grey) if isinstance(mine, InputImages) else sequences.overlap(ours, mine.split)

    def _suspects(self) -> list[str]:
        """The data of the run that these images should not be among."""
        if self.what == "test":
            return ["train"]
        return ["train", "valid"] + ["test"] * self.judge.request.foreign

    @cached_property
    def scores(self) -> dict[str, Tensor]:
        """Every score of the images."""
        return self.judge.scores(self.images, self.what)

    def comparison(self, name: str) -> Comparison:
        """What is compared, and how well, with the run under this name."""
        judge = self.judge
        scores = self.scores
        return Comparison(
            run=name,
            by=judge.by,
            data=self.brought.origin,
            change=self.brought.change if isinstance(self.brought, InputImages) else None,
            normal=judge.subject.data.provenance,
            seen=self.seen,
            detection=judge.detection(scores) if judge.request.foreign else None,
        )

    def warnings(self) -> list[str]:
        """What was left out of these images, and where the model has met them, a line each."""
        count = len(self.images)
        met = [f"{n:,} of these {count:,} {self.noun} are {_MEANING[part]}" for part, n in self.seen.items() if n]
        return [line for line in (self.brought.counts, self.brought.remark, *met) if line]

    def files(self) -> list[str]:
        """The name of each image, where it is a file of its own."""
        return self.images.split.names()

    @property
    def noun(self) -> str:
        """What the data are called, many of them."""
        if not isinstance(self.brought, InputImages):
            return "sequences"
        return "images" if columns_of(self.judge.subject.run) is None else "rows"

    @property
    def steps(self) -> Tensor | None:
        """How many steps each sequence has, (N,); None of images."""
        return None if isinstance(self.brought, InputImages) else self.brought.split.lengths.double()


def pair_of(judge: Judge) -> Pair:
    """The images that are asked about, before a model."""
    request, model, data = judge.request, judge.subject.run.model, judge.subject.data
    context = numbers(model, request.context, meanings(judge.subject.run, lambda: judge.subject.data.classes))
    if isinstance(data, SequenceData):
        return Pair(judge, under(brought(judge.subject.run, data, request.data), model, context), request.source)
    pictures = images(judge.subject, _pictures(judge), request.data)
    return Pair(judge, under(pictures, model, context), request.source)


def _pictures(judge: Judge) -> ImageData:
    plain = judge.plain
    assert isinstance(plain, ImageData), "sequences took another way"
    return plain


def reverse_of(judge: Judge, own: Judge) -> Pair:
    """The other direction: the test data of `own` before the model of the other data."""
    model = judge.subject.run.model
    inputs = move(judge.subject.run, own.subject.images, _pictures(own))
    inputs = replace(inputs, remark=other_classes(inputs, model, judge.subject.data.classes))
    return Pair(judge, under(inputs, model, {}), f"test data of {own.name}")
