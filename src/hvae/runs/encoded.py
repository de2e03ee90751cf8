"""One picture as the bytes of its file, as a browser sends it, in the form that a model was trained on."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

from hvae.config.data import DataConfig
from hvae.errors import HvaeError
from hvae.runs.form import EIGHT, drawn, fitted, picture
from hvae.runs.images import InputImages

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun

NAME = "upload"


def encoded(run: LoadedRun, content: bytes) -> InputImages:
    """The picture of a file of any kind and size, brought to the form of the model as `hvae score` brings files.

    Nothing is written anywhere.  Raises HvaeError for bytes that are no picture, and for a model of something else.
    """
    from hvae.data.decoding import decode_one
    from hvae.data.look import Form
    from hvae.data.pictures import Picture
    from hvae.data.prepare import prepare
    from hvae.data.raw import Part, Raw

    if len(run.model.shape) != 3 or run.model.timed:
        raise HvaeError(f"{run.folder} is a run of {run.noun}; name one of pictures")
    draw = drawn(run.config.data)
    bits = EIGHT if draw else run.bits
    wish = DataConfig(name="folder", path=NAME, bits=bits, valid=0, test=0, **picture(run))
    levels, depth, looked = decode_one(Picture(NAME, lambda: BytesIO(content)), wish)
    data = prepare(Raw(parts={"train": Part(levels[None])}, bits=depth, source=NAME), wish)
    header = looked.headers[0]
    before = Form((3 if header.colour else 1, *header.size), header.depth)
    return replace(fitted(run, data, [before], wish, draw=draw), remark="; ".join(looked.changes))
