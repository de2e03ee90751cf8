"""The views of the studio: what each question is answered with, by its name in the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hvae.studio import asked
from hvae.studio.answer import Answer
from hvae.studio.opened import Opened
from hvae.studio.views.draw import draw
from hvae.studio.views.mix import mix
from hvae.studio.views.own import own
from hvae.studio.views.picture import picture
from hvae.studio.views.score import score


class View(NamedTuple):
    """What a question is made of, and what answers it."""

    asked: type[Any]
    answer: Callable[[Opened, Any], Answer]


VIEWS = {
    "draw": View(asked.DrawAsked, draw),
    "own": View(asked.OwnAsked, own),
    "picture": View(asked.PictureAsked, picture),
    "score": View(asked.PictureAsked, score),
    "mix": View(asked.MixAsked, mix),
}
