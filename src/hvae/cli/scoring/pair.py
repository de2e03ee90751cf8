"""A model and the images it scores; with known foreign ones one direction of a pair of data sets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hvae.cli.scoring.images import images, order, overlap
from hvae.cli.scoring.judge import Judge
from hvae.errors import HvaeError
from hvae.runs.form import Brought, move

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import Split


@dataclass(eq=False)
class Pair:
    """A model, the images it scores, and what they are called."""

    judge: Judge
    brought: Brought
    what: str

    def __post_init__(self) -> None:
        args, found = self.judge.args, self.brought
        count = len(found.split)
        if args.foreign and min(count, args.number or count) < 2:
            got = min(count, args.number or count)
            raise HvaeError(f"--foreign: expected 2 images or more to compare, got {got} from {self.what}")
        self.brought = found.some(order(count, args.number or count))
        self.split: Split = self.brought.split.fixed(0)
        self.seen = {part: overlap(getattr(self.judge.plain, part), self.brought.grey) for part in self._suspects()}

    def _suspects(self) -> list[str]:
        """The data of the run that these images should not be among."""
        if self.what == "test":
            return ["train"]
        return ["train", "valid"] + ["test"] * self.judge.args.foreign

    @cached_property
    def found(self) -> dict[str, Tensor]:
        """Every score of the images."""
        return self.judge.scores(self.split, self.what)

    def told(self) -> dict[str, Any]:
        """What is measured, for programs."""
        judge, change = self.judge, self.brought.change
        return {
            "by": judge.by,
            "data": self.brought.told,
            "brought": change.to_dict() if change else None,
            "normal": judge.subject.data.provenance.to_dict(),
            "seen_in_training": self.seen["train"],
            "seen_in_validation": self.seen.get("valid", 0),
            "seen_in_test": self.seen.get("test", 0),
            "detection": judge.detection(self.found) if judge.args.foreign else None,
        }

    def warnings(self) -> list[str]:
        """What was left out of these images, and where the model has met them, a line each."""
        said = {
            "train": "training data: no test of anything",
            "valid": "the validation data that set the threshold: how many are foreign was chosen with it",
            "test": "the run's own test data: compared with themselves",
        }
        met = [f"{n:,} of these {len(self.split):,} images are {said[part]}" for part, n in self.seen.items() if n]
        return [line for line in (self.brought.counts, *met) if line]

    def files(self) -> list[str]:
        """The name of each image, where it is a file of its own."""
        return self.brought.grey.names()


def pair(judge: Judge, source: str) -> Pair:
    """The images that a word of the command names, before a model."""
    return Pair(judge, images(judge.subject, judge.plain, source), source)


def reverse(judge: Judge, own: Judge) -> Pair:
    """The other direction: the test data of `own` before the model of the other data."""
    return Pair(judge, move(judge.subject.run, own.subject.data, own.plain), f"test data of {own.name}")
