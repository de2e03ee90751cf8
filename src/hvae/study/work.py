"""What the measures of one evaluation share, so that nothing of it is made twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hvae.config.evaluate import EvaluateConfig
from hvae.errors import HvaeError
from hvae.metrics.likelihood import forget
from hvae.runs.subject import Batches, Subject, safe_rows
from hvae.study.progress import Bars, Tick

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import SequenceSplit, Split
    from hvae.engine import Engine
    from hvae.metrics import Classifier, Extractor
    from hvae.metrics.classify import Kind
    from hvae.metrics.sequence_judge import SequenceJudge
    from hvae.walk import Model

CLASSIFIED = 10_000
"""Images that the classifier of classes is trained on, at most."""
JUDGED = 60_000
"""Images that the better one is trained on, at most."""


@dataclass(eq=False)
class Work:
    """One evaluation on its way."""

    subject: Subject
    bars: Bars
    earlier_draws: Sequence[dict[str, Tensor]] = ()
    """Sums over the draws of each batch that an interrupted likelihood has left."""
    keep_draws: Callable[[int, dict[str, Tensor]], object] = forget
    """Hears of such sums as they grow."""
    engine: Engine | None = None
    """Who computes the bounds; torch where nobody is named."""

    @property
    def model(self) -> Model:
        return self.subject.run.model

    @property
    def config(self) -> EvaluateConfig:
        return self.subject.config

    @cached_property
    def split(self) -> Split | SequenceSplit:
        """What is scored, in its order."""
        return self.subject.split

    @property
    def images(self) -> Split:
        """The same, which must be images.  Raises HvaeError where they are sequences."""
        from hvae.data import Split

        if not isinstance(self.split, Split):
            raise HvaeError("images are needed, and these data are sequences")
        return self.split

    @property
    def sequences(self) -> SequenceSplit:
        """What is scored, which must be sequences.  Raises HvaeError where they are images."""
        from hvae.data import SequenceSplit

        if not isinstance(self.split, SequenceSplit):
            raise HvaeError("sequences are needed, and these data are images")
        return self.split

    @cached_property
    def levels(self) -> list[str]:
        """The levels, top first."""
        from hvae.walk import names

        return names(self.model)

    @cached_property
    def rows(self) -> int:
        """Rows walked at once."""
        return self.config.rows or safe_rows(self.model, self.split.batch([self._largest]))

    @property
    def _largest(self) -> int:
        """The datum that takes most: the longest of sequences, any of images."""
        from hvae.data import SequenceSplit

        return int(self.split.lengths.argmax()) if isinstance(self.split, SequenceSplit) else 0

    def no_images(self) -> str:
        """Why the data are no pictures; empty when they are."""
        what = self.subject.run.noun
        return "" if what == "images" else f"images are needed, and these data are {what}"

    def no_places(self) -> str:
        """Why neither a level nor the data of this model lie in a plane; empty when one of them does."""
        from hvae.walk import glimpse

        trace = glimpse(self.model)
        in_planes = any(record.value.ndim == 4 for record in (*trace.latents, *trace.observed))
        return self.no_images() or ("" if in_planes else "no variable of this model has places (height and width)")

    def no_rectangle(self) -> str:
        """Why the values of one datum are not those of another: sequences differ in length; empty where they are."""
        return "data of one length are needed, and these are sequences" if self.model.timed else ""

    def too_few(self) -> str:
        """Why nothing can be seen to vary; empty when there are two data or more."""
        return "" if len(self.split) > 1 else f"2 data or more are needed, got {len(self.split)}"

    def bar(self, what: str) -> AbstractContextManager[Tick]:
        return self.bars.bar(what)

    def batches(self, most: int | None = None) -> Batches:
        """The data in batches; the first `most` of them."""
        split = self.split if most is None else self.split.some(range(min(most, len(self.split))))
        # A batch is one draw of each datum, so it can be no larger than the rows that fit.
        return Batches(split, min(self.config.batch, self.rows))

    @cached_property
    def classifier(self) -> Classifier:
        """A small classifier of the data's own classes, and how good it is."""
        return self._classifier("mlp", CLASSIFIED, self.images)

    @cached_property
    def judge(self) -> Classifier:
        """A better one that takes longer, and how good it is on all data that the model is scored by."""
        return self._classifier("conv", JUDGED, getattr(self.subject.images, self.config.split))

    @cached_property
    def sequence_judge(self) -> SequenceJudge:
        """A small classifier of the classes of sequences, and how good it is on those that the model is scored by."""
        from hvae.data import SequenceSplit
        from hvae.metrics.sequence_judge import train_judge
        from hvae.runs.sequences import form_of

        train, test, form = self.subject.data.train, self.sequences, form_of(self.subject.run)
        some, others = train.some(_labelled(train, CLASSIFIED)), test.some(_labelled(test))
        assert isinstance(some, SequenceSplit)
        with self.bar("a classifier of the data"):
            return train_judge(
                *(some.batches(self.config.batch), others.batches(self.config.batch)),
                is_sound=form.kind == "audio",
                kinds=len(form.symbols),
                seed=self.config.seed,
            )

    def _classifier(self, kind: Kind, most: int, test: Split) -> Classifier:
        from hvae.metrics import train_classifier

        train, seed = self.subject.images.train, self.config.seed
        some, test = train.some(_labelled(train, most)).fixed(seed), test.some(_labelled(test))
        labels, other_labels = some.labels, test.labels
        assert labels is not None and other_labels is not None
        with self.bar("a classifier of the data"):
            images, others = some.pictures(range(len(some))), test.pictures(range(len(test)))
            return train_classifier(images, labels, others, other_labels, kind=kind, seed=seed)

    @cached_property
    def extractor(self) -> Extractor:
        """The network that samples are compared by."""
        from hvae.study.network import extractor

        return extractor(self)

    def no_classifier(self) -> str:
        """Why there can be no classifier; empty when there can."""
        train, test = self.subject.data.train, self.split
        if train.labels is None or test.labels is None or not len(train) or not len(_labelled(test)):
            return f"labels are needed, and {self.subject.data.provenance.name} has none"
        count = len(train.labels[_labelled(train, CLASSIFIED)].unique())
        return "" if count > 1 else "labels of 2 classes or more are needed, and these data are of one class only"


def _labelled(split: Split | SequenceSplit, most: int | None = None) -> Tensor:
    """Which data of a split have a known class; `most` of them, always the same."""
    from hvae.data import subset

    assert split.labels is not None
    indices = (split.labels >= 0).nonzero()[:, 0]
    return indices if most is None else indices[subset(len(indices), most)]


def fault(check: Any, *arguments: Any) -> str:
    """The line of the HvaeError that a check raises; empty when it raises none."""
    try:
        check(*arguments)
    except HvaeError as reason:
        return str(reason)
    return ""
