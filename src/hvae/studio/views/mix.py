"""Two pictures mixed level by level."""

from __future__ import annotations

import torch

from hvae.explore import mix as mixed
from hvae.explore import reconstruct
from hvae.explore.frame import Reading, mean_picture
from hvae.explore.mix import HOLDS
from hvae.explore.seeded import at_seeds
from hvae.records import JSON
from hvae.studio.answer import Answer
from hvae.studio.asked import MixAsked
from hvae.studio.lines import command, equivalents, python
from hvae.studio.opened import Opened


def mix(opened: Opened, query: MixAsked) -> Answer:
    """The mixture, and what the model makes of both pictures by themselves."""
    pairs = (opened.datum(pixels, query.context) for pixels in (query.a, query.b))
    alone = [reconstruct(opened.model, one, seed=query.seed) for one in pairs]
    return Answer(_equivalents(opened, query), {"mixture": mixture(opened, query), "alone": torch.cat(alone)})


def mixture(opened: Opened, query: MixAsked, read: Reading = mean_picture) -> torch.Tensor:
    """The mixture, (1, C, H, W)."""
    a, b = (opened.datum(pixels, query.context) for pixels in (query.a, query.b))
    seeds = {name: [query.seeds.get(name, 0)] for name in opened.grid.names if name not in query.shares}
    return mixed(
        opened.model,
        a,
        b,
        query.shares,
        hold=HOLDS[query.hold],
        otherwise=at_seeds(seeds, query.temperature),
        seed=query.seed,
        read=read,
    )


def _equivalents(opened: Opened, query: MixAsked) -> JSON:
    hold = "" if query.hold == "values" else f', hold=HOLDS["{query.hold}"]'
    lines = [
        *(["from hvae.explore.mix import HOLDS"] if hold else []),
        "a, b = ..., ...  # (1, C, H, W) in [0, 1] each",
        f"picture = hvae.mix(run.model, a, b, {query.shares!r}{hold}, seed={query.seed})",
    ]
    line = command("hvae", "interpolate", str(opened.run.folder), "--data", "FOLDER", "--levels", *query.shares)
    remark = "the command goes from one picture to the other at all of these levels at once"
    return equivalents(line, python(opened.run.folder, *lines), remark)
