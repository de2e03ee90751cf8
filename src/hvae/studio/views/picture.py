"""What a model makes of a picture: what its top levels know of it, where each spends its nats, and how many.

Shapes: `K` numbers of levels; `L` maps; `C H W` a picture.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from hvae.draw import mode
from hvae.explore import from_top
from hvae.metrics import rate_maps
from hvae.metrics.outliers import measure
from hvae.records import JSON
from hvae.studio.answer import Answer
from hvae.studio.asked import PictureAsked
from hvae.studio.lines import command, context_words, equivalents, python
from hvae.studio.opened import Opened
from hvae.study.heat import HOTTEST, evenly, painted

MOST = 9
"""Pictures in a row."""


def picture(opened: Opened, query: PictureAsked) -> Answer:
    """Reconstructions from the top k levels, the map and the nats of each level, and the ELBO."""
    datum = opened.datum(query.picture, query.context)
    levels = opened.grid.names
    counts = [int(k) for k in evenly([str(k) for k in range(len(levels) + 1)], MOST)]
    tops = from_top(opened.model, datum, counts=counts, rest=mode, seed=query.seed)  # (K, 1, C, H, W)
    maps = rate_maps(opened.model, datum, seed=query.seed)
    table = measure(opened.model, [datum], bits=opened.run.bits, cuts=(), seed=query.seed)
    elbo, rates = float(table.log_p), {name: float(nats) for name, nats in table.rates.items()}
    info: JSON = {
        "counts": counts,
        "levels": list(levels),
        "rates": rates,
        "elbo": elbo,
        "log_likelihood": elbo + sum(rates.values()),
        "bits_per_dim": -elbo / math.log(2) / datum.x[0].numel(),
        "dims": datum.x[0].numel(),
        "density": table.png is None,
        "png_bytes": None if table.png is None else math.ceil(float(table.png) / 8),
        "maps": {name: float(nats.max()) for name, nats in maps.items()},
        **_equivalents(opened, query),
    }
    height, width = datum.x.shape[-2:]
    return Answer(info, {"picture": datum.x, "tops": tops[:, 0], **_faces(maps, (height, width))})


def _faces(maps: dict[str, torch.Tensor], size: tuple[int, int]) -> dict[str, torch.Tensor]:
    """The maps in colours, each on its own scale, (L, 3, H, W)."""
    if not maps:
        return {}
    whole = [F.interpolate(nats[:, None].clamp_min(0), size=size)[:, 0] for nats in maps.values()]
    return {"maps": torch.cat([painted(HOTTEST * one / one.max().clamp_min(1e-12)) for one in whole])}


def _equivalents(opened: Opened, query: PictureAsked) -> JSON:
    context = opened.spelled(query.context)
    condition = [f"x = hvae.Datum(x, dict(run.model.nothing(1, {context!r}).context))"] if context else []
    lines = python(
        opened.run.folder,
        "x = ...  # (1, C, H, W) in [0, 1]",
        *condition,
        "trace = run.model(x)",
        "trace.elbo(), trace.rates()",
        "pictures = hvae.from_top(run.model, x, rest=hvae.mode)",
    )
    line = command("hvae", "score", str(opened.run.folder), "--data", "FOLDER", *context_words(query.context))
    return equivalents(line, lines, "FOLDER holds the picture")
