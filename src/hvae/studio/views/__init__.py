"""The views of the studio: what each question is answered with, by its name in the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from hvae.studio import asked
from hvae.studio.answer import Answer
from hvae.studio.opened import Opened
from hvae.studio.shown import Shown
from hvae.studio.views.draw import draw
from hvae.studio.views.lossless import lossless
from hvae.studio.views.lossy import lossy
from hvae.studio.views.mix import mix
from hvae.studio.views.own import own
from hvae.studio.views.picture import picture
from hvae.studio.views.restore import restore
from hvae.studio.views.score import score
from hvae.studio.views.sequences import sequences
from hvae.studio.views.training import training
from hvae.studio.views.traverse import traverse

T = TypeVar("T")


class View(NamedTuple):
    """What a question is made of, and what answers it."""

    asked: type[Any]
    answer: Callable[[Shown, Any], Answer]


def _of_model(kind: type[T], answer: Callable[[Opened, T], Answer]) -> View:
    """The view of a model, which a run in training does not have."""
    return View(kind, lambda subject, question: answer(subject.opened, question))


VIEWS = {
    "draw": _of_model(asked.DrawAsked, draw),
    "own": _of_model(asked.OwnAsked, own),
    "picture": _of_model(asked.PictureAsked, picture),
    "score": _of_model(asked.PictureAsked, score),
    "mix": _of_model(asked.MixAsked, mix),
    "traverse": _of_model(asked.TraverseAsked, traverse),
    "restore": _of_model(asked.RestoreAsked, restore),
    "lossy": _of_model(asked.LossyAsked, lossy),
    "lossless": _of_model(asked.LosslessAsked, lossless),
    "sequences": _of_model(asked.SequencesAsked, sequences),
    "training": View(asked.TrainingAsked, training),
}
