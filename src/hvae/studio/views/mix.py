"""Two pictures mixed level by level."""

from __future__ import annotations

import torch

from hvae.explore import mix as mixed
from hvae.explore import reconstruct
from hvae.explore.cells import at_seeds
from hvae.explore.frame import Reading, mean_picture
from hvae.explore.mix import HOLDS
from hvae.records import JSON
from hvae.studio.answer import Answer
from hvae.studio.asked import MixAsked
from hvae.studio.lines import command, equivalents, python
from hvae.studio.opened import Opened


def mix(opened: Opened, asked: MixAsked) -> Answer:
    """The mixture, and what the model makes of both pictures by themselves."""
    pairs = (opened.datum(pixels, asked.context) for pixels in (asked.a, asked.b))
    alone = [reconstruct(opened.model, one, seed=asked.seed) for one in pairs]
    return Answer(_equivalents(opened, asked), {"mixture": mixture(opened, asked), "alone": torch.cat(alone)})


def mixture(opened: Opened, asked: MixAsked, read: Reading = mean_picture) -> torch.Tensor:
    """The mixture, (1, C, H, W)."""
    a, b = (opened.datum(pixels, asked.context) for pixels in (asked.a, asked.b))
    seeds = {name: [asked.seeds.get(name, 0)] for name in opened.grid.names if name not in asked.shares}
    return mixed(
        opened.model,
        a,
        b,
        asked.shares,
        hold=HOLDS[asked.hold],
        otherwise=at_seeds(seeds, asked.temperature),
        seed=asked.seed,
        read=read,
    )


def _equivalents(opened: Opened, asked: MixAsked) -> JSON:
    hold = "" if asked.hold == "values" else f', hold=HOLDS["{asked.hold}"]'
    lines = [
        *(["from hvae.explore.mix import HOLDS"] if hold else []),
        "a, b = ..., ...  # (1, C, H, W) in [0, 1] each",
        f"picture = hvae.mix(run.model, a, b, {asked.shares!r}{hold}, seed={asked.seed})",
    ]
    line = command("hvae", "interpolate", str(opened.run.folder), "--data", "FOLDER", "--levels", *asked.shares)
    remark = "the command goes from one picture to the other at all of these levels at once"
    return equivalents(line, python(opened.run.folder, *lines), remark)
