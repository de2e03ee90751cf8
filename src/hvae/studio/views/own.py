"""A picture of the run's own data, or of the user's, as the page keeps it."""

from __future__ import annotations

from hvae.data import Split
from hvae.errors import HvaeError
from hvae.runs.encoded import encoded
from hvae.studio.answer import Answer
from hvae.studio.asked import MOST_TEXT, OwnAsked
from hvae.studio.opened import Opened
from hvae.study.conditions import TEXT
from hvae.study.images import Images, without_chance


def own(opened: Opened, query: OwnAsked) -> Answer:
    """A picture of a split of the run's own data; a place beyond its end counts on from its beginning."""
    split = getattr(opened.subject.images, query.split)
    if not len(split):
        raise HvaeError(f"the run's data have no {query.split} split; choose another one")
    place = query.place % len(split)
    return _kept(opened, Images(split.fixed(0)), place, [], len(split))


def upload(opened: Opened, content: bytes) -> Answer:
    """The picture of a file, brought to the form of the model."""
    inputs = encoded(opened.run, content)
    return _kept(opened, without_chance(inputs), 0, inputs.notes(), 1)


def _kept(opened: Opened, images: Images, place: int, notes: list[str], count: int) -> Answer:
    datum = images.batch([place])
    context = {name: _text(datum.context[name]) for name in opened.model.conditions if name in datum.context}
    captions = images.split.captions if isinstance(images.split, Split) else None
    if captions and TEXT in context:
        context[TEXT] = captions.texts[place][:MOST_TEXT]
    info = {"picture": opened.packed(datum.x), "place": place, "of": count, "notes": notes, "context": context}
    return Answer(info, {"picture": datum.x})


def _text(value: object) -> str:
    import torch

    assert isinstance(value, torch.Tensor)
    return ",".join(f"{one:g}" for one in value.flatten().tolist())
