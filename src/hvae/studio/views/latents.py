"""The latents behind what a view shows, as a file that `hvae decode` turns into the same pictures.

Shapes: `N` pictures or sequences; `...` a latent.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from hvae.explore import encode
from hvae.explore.frame import Remembered, drawn_sequences
from hvae.explore.traverse import push
from hvae.restoration import Seen
from hvae.studio import asked as questions
from hvae.studio.opened import Opened
from hvae.studio.views.mix import mixture
from hvae.studio.views.restore import seen_of, way_of
from hvae.studio.views.sequences import steps_of
from hvae.studio.views.traverse import axes_of, place_of
from hvae.study.latentfiles import LatentFile, save_latents
from hvae.study.sequence_latents import laid_out
from hvae.walk import still
from hvae.weights import digest

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from hvae.site import Pin


def _draw(opened: Opened, asked: questions.DrawAsked) -> bytes:
    latents = Remembered()
    context = opened.said(asked.context)
    opened.grid.draw(asked.seeds, asked.temperature, context, opened.rows, read=latents)
    return _file(opened, latents.values(), asked.context)


def _picture(opened: Opened, asked: questions.PictureAsked) -> bytes:
    datum = opened.datum(asked.picture, asked.context)
    return _file(opened, encode(opened.model, datum, seed=asked.seed), asked.context)


def _mix(opened: Opened, asked: questions.MixAsked) -> bytes:
    latents = Remembered()
    mixture(opened, asked, latents)
    return _file(opened, latents.values(), asked.context)


def _push(opened: Opened, asked: questions.TraverseAsked) -> bytes:
    latents, axes = Remembered(), axes_of(opened, asked.level)
    datum = opened.datum(asked.picture, asked.context)
    push(opened.model, datum, asked.level, axes, place_of(axes, asked)[None], read=latents)
    return _file(opened, latents.values(), asked.context)


def _restore(opened: Opened, asked: questions.RestoreAsked) -> bytes:
    """Of the draws, one after another."""
    datum = opened.datum(asked.picture, asked.context)
    seen, latents = Seen(datum.x, seen_of(asked, datum.x)), Remembered()
    with still(opened.model, asked.seed):
        for trace in way_of(asked).walks(opened.model, seen, datum.context, asked.draws, lambda: None):
            latents(opened.model, trace)
    return _file(opened, latents.values(), asked.context)


def _sequences(opened: Opened, asked: questions.SequencesAsked) -> bytes:
    latents, steps, context = Remembered(drawn_sequences), steps_of(opened, asked), opened.said(asked.context)
    x = opened.grid.series(
        asked.seeds, asked.temperature, context, steps=steps, seed=asked.seed, chunk=opened.rows, read=latents
    )
    _, arrays = laid_out(latents.values(), torch.full((len(x),), steps))
    return _file(opened, {}, asked.context, arrays)


def _file(
    opened: Opened,
    values: Mapping[Pin, Tensor],
    said: Mapping[str, str],
    series: Mapping[str, np.ndarray] | None = None,
) -> bytes:
    rows = max(map(len, values.values()), default=1)
    context = opened.model.nothing(rows, opened.said(said)).context
    content = LatentFile(
        values=values, context=context, weights=digest(opened.model.state_dict()), images="hvae studio"
    )
    out = io.BytesIO()
    save_latents(out, content, series)
    return out.getvalue()


LATENTS: Mapping[str, Callable[[Opened, Any], bytes]] = {
    "draw": _draw,
    "picture": _picture,
    "mix": _mix,
    "traverse": _push,
    "restore": _restore,
    "sequences": _sequences,
}
