"""What the measures of one evaluation share, so that nothing of it is made twice."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hvae.cli.voice import Tick, Voice
from hvae.config.evaluate import EvaluateConfig
from hvae.errors import HvaeError
from hvae.runs.subject import Batches, Subject, safe_rows

if TYPE_CHECKING:
    from hvae.data import Split
    from hvae.metrics import Extractor
    from hvae.walk import Model

CLASSIFIED = 10_000
"""Images that the judge of classes is trained on, at most."""


@dataclass(eq=False)
class Work:
    """One evaluation on its way."""

    subject: Subject
    voice: Voice

    @property
    def model(self) -> Model:
        return self.subject.run.model

    @property
    def config(self) -> EvaluateConfig:
        return self.subject.config

    @cached_property
    def split(self) -> Split:
        """What is scored, in its order."""
        return self.subject.split

    @cached_property
    def levels(self) -> list[str]:
        """The levels, top first."""
        from hvae.walk import names

        return names(self.model)

    @cached_property
    def rows(self) -> int:
        """Rows walked at once."""
        return self.config.rows or safe_rows(self.model, self.split.batch([0]))

    @property
    def images(self) -> bool:
        """Whether the data are pictures."""
        return len(self.subject.data.shape) == 3

    def bar(self, what: str) -> AbstractContextManager[Tick]:
        return self.voice.bar(what)

    def batches(self, most: int | None = None) -> Batches:
        """The data in batches; the first `most` of them."""
        split = self.split if most is None else self.split.some(range(min(most, len(self.split))))
        # A batch is one draw of each datum, so it can be no larger than the rows that fit.
        return Batches(split, min(self.config.batch, self.rows))

    @cached_property
    def classifier(self) -> Any:
        """A small classifier of the data's own classes, and how good it is."""
        from hvae.data import subset
        from hvae.metrics import train_classifier

        train, test = self.subject.data.train, self.split
        known = train.some(subset(len(train), CLASSIFIED)).fixed(self.config.seed)
        told, asked = known.labels, test.labels
        assert told is not None and asked is not None
        with self.bar("a classifier of the data"):
            images, others = known.pictures(range(len(known))), test.pictures(range(len(test)))
            return train_classifier(images, told, others, asked, seed=self.config.seed)

    @cached_property
    def extractor(self) -> Extractor:
        """The network that samples are compared by."""
        from hvae.cli.evaluation.network import extractor

        return extractor(self)

    def no_classifier(self) -> str:
        """Why there can be no classifier; empty when there can."""
        from hvae.data import subset

        train, test = self.subject.data.train.labels, self.split.labels
        if train is None or test is None or not len(train):
            return f"labels are needed, and {self.subject.data.provenance.name} has none"
        count = len(train[subset(len(train), CLASSIFIED)].unique())
        return "" if count > 1 else "labels of 2 classes or more are needed, and these data are of one class only"


def fault(check: Any, *given: Any) -> str:
    """The line of the HvaeError that a check raises; empty when it raises none."""
    try:
        check(*given)
    except HvaeError as found:
        return str(found)
    return ""
