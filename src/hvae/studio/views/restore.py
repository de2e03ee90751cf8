"""A picture with a part of it hidden, and what the model makes of the rest."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.restoration import Seen, Way
from hvae.restoration import restore as restored
from hvae.studio.answer import Answer
from hvae.studio.asked import RestoreAsked
from hvae.studio.lines import command, context_words, equivalents, python
from hvae.studio.opened import Opened
from hvae.study.masks import checked
from hvae.study.restoration_ways import STEPPED, WAYS, check_name, chosen_way
from hvae.study.restoring import Effort

TASK = "inpaint"


def restore(opened: Opened, query: RestoreAsked) -> Answer:
    """Draws of the whole picture given what is seen of it, their mean, deviation and best."""
    datum = opened.datum(query.picture, query.context)
    query = served(opened, query)
    mask, way = seen_of(query, datum.x), way_for(query)
    result = restored(opened.model, Seen(datum.x, mask), way, draws=query.draws, context=datum.context, seed=query.seed)
    spread = result.deviation / result.deviation.max().clamp_min(1e-12)
    pictures = {
        "seen": torch.where(mask, datum.x, 0.5),
        "draws": result.draws[0],
        "mean": result.mean,
        "best": result.best,
        "deviation": spread,
    }
    info: JSON = {
        "passes": way.passes(query.draws),
        "deviation": float(result.deviation.max()),
        "hidden": int((~mask[0, 0]).sum()),
        **_equivalents(opened, query),
    }
    return Answer(info, pictures)


def seen_of(query: RestoreAsked, x: Tensor) -> Tensor:
    """What of a picture is seen, bool of its shape (1, C, H, W)."""
    return ~checked(_hidden(query.hidden, x), "the mask")


def served(opened: Opened, query: RestoreAsked) -> RestoreAsked:
    """The same by a way that serves the model: by the first where none is named.  Raises HvaeError for others."""
    check_name(query.way or None, TASK)
    return replace(query, way=chosen_way(opened.run, opened.ways, query.way or None, TASK))


def way_for(query: RestoreAsked) -> Way:
    """How the rest is drawn."""
    effort = Effort(draws=query.draws, steps=query.steps, sweeps=query.sweeps, pixels=False)
    return WAYS[query.way](effort, False)


def _hidden(bits: str, like: Tensor) -> Tensor:
    """What is hidden, bool of the shape of the picture (1, C, H, W): a place in all of its channels."""
    height, width = like.shape[-2:]
    try:
        content = base64.b64decode(bits, validate=True)
    except (binascii.Error, ValueError):
        raise HvaeError("expected a mask in base64; load the page again") from None
    if len(content) != -(-height * width // 8):
        raise HvaeError(f"expected a mask of {height}x{width} places, got {len(content):,} bytes; paint it again")
    places = np.unpackbits(np.frombuffer(content, np.uint8), count=height * width).astype(bool)
    return torch.from_numpy(places.reshape(1, 1, height, width)).to(like.device).expand_as(like)


def _equivalents(opened: Opened, query: RestoreAsked) -> JSON:
    option, number = ("steps", query.steps) if query.way in STEPPED else ("sweeps", query.sweeps)
    words = ["hvae", "restore", str(opened.run.folder), "FOLDER", "--task", TASK, "--mask", "brush.png"]
    words += ["--way", query.way, f"--{option}", str(number), "--draws", str(query.draws), "--seed", str(query.seed)]
    lines = [
        "x, hidden = ..., ...  # (N, C, H, W) in [0, 1], and bool of that shape",
        f'restoration = hvae.restore(run, x, task="inpaint", mask=hidden, way="{query.way}", {option}={number}, '
        f"draws={query.draws}, seed={query.seed})",
    ]
    line = command(*words, *context_words(query.context), "--out", "filled")
    remark = "brush.png is white where the picture is hidden; these draw with other noise"
    return equivalents(line, python(opened.run.folder, *lines), remark)
