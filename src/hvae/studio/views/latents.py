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
from hvae.studio.views.restore import seen_of, served, way_for
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


def _draw(opened: Opened, query: questions.DrawAsked) -> bytes:
    latents = Remembered(copies=1 if query.guidance == 1 else 2)
    context = opened.said(query.context)
    opened.grid.draw(query.seeds, query.temperature, context, opened.rows, guidance=query.guidance, read=latents)
    return _file(opened, latents.values(), query.context)


def _picture(opened: Opened, query: questions.PictureAsked) -> bytes:
    datum = opened.datum(query.picture, query.context)
    return _file(opened, encode(opened.model, datum, seed=query.seed), query.context)


def _mix(opened: Opened, query: questions.MixAsked) -> bytes:
    latents = Remembered()
    mixture(opened, query, latents)
    return _file(opened, latents.values(), query.context)


def _push(opened: Opened, query: questions.TraverseAsked) -> bytes:
    latents, axes = Remembered(), axes_of(opened, query.level)
    datum = opened.datum(query.picture, query.context)
    push(opened.model, datum, query.level, axes, place_of(axes, query)[None], read=latents)
    return _file(opened, latents.values(), query.context)


def _restore(opened: Opened, query: questions.RestoreAsked) -> bytes:
    """Of the draws, one after another."""
    query, datum = served(opened, query), opened.datum(query.picture, query.context)
    observation, latents = Seen(datum.x, seen_of(query, datum.x)), Remembered()
    with still(opened.model, query.seed):
        for trace in way_for(query).walks(opened.model, observation, datum.context, query.draws, lambda: None):
            latents(opened.model, trace)
    return _file(opened, latents.values(), query.context)


def _sequences(opened: Opened, query: questions.SequencesAsked) -> bytes:
    latents, steps, context = Remembered(drawn_sequences), steps_of(opened, query), opened.said(query.context)
    x = opened.grid.series(
        query.seeds, query.temperature, context, steps=steps, seed=query.seed, chunk=opened.rows, read=latents
    )
    _, arrays = laid_out(latents.values(), torch.full((len(x),), steps))
    return _file(opened, {}, query.context, arrays)


def _file(
    opened: Opened,
    values: Mapping[Pin, Tensor],
    metadata: Mapping[str, str],
    series: Mapping[str, np.ndarray] | None = None,
) -> bytes:
    rows = max(map(len, values.values()), default=1)
    context = opened.model.nothing(rows, opened.said(metadata)).context
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
