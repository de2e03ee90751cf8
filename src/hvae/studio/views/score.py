"""How far a picture is out of the distribution of a run's data, against the scores of these data themselves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hvae.records import JSON
from hvae.studio.answer import Answer
from hvae.studio.asked import PictureAsked
from hvae.studio.desk import Reading
from hvae.studio.lines import command, equivalents, python
from hvae.studio.opened import Opened
from hvae.study.images import Images

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import Split
    from hvae.study.scoring.judge import Judge

BINS = 24


def score(opened: Opened, query: PictureAsked) -> Answer:
    """The scores, the range of each and its histogram over validation data.  Raises Reading until they are known."""
    normal = opened.normal
    if normal.fault is not None:
        raise normal.fault
    if normal.judge is None:
        raise Reading(normal.done, normal.total, normal.what)
    return Answer({**_scored(opened, normal.judge, query), **_equivalents(opened)})


def _scored(opened: Opened, judge: Judge, query: PictureAsked) -> JSON:
    datum = opened.datum(query.picture, query.context)
    scores = judge.scores(Images(_alone(opened, datum.x), datum.context), "the picture")
    ranges = judge.ranges
    values = {
        name: {
            "score": float(scores[name]),
            "low": _finite(ranges.low[name]),
            "high": _finite(ranges.high[name]),
            **_histogram(judge.normal[name], float(scores[name])),
        }
        for name in ranges.middle
    }
    outside = float(scores["outside"])
    return {
        "outside": _finite(outside),
        "foreign": not outside <= 1,
        "reason": judge.reasons(scores)[0],
        "accept": ranges.accept,
        "data": ranges.data,
        "scores": values,
    }


def _alone(opened: Opened, x: Tensor) -> Split:
    """A split of one picture."""
    import torch

    from hvae.data import Split

    levels = (x.double() * (2**opened.run.bits - 1)).round().cpu()
    store = levels.to(torch.uint8 if opened.run.bits <= 8 else torch.int32)
    return Split(store=store, rows=torch.arange(1), labels=None, depth=opened.run.bits)


def _histogram(normal: Tensor, score: float) -> JSON:
    """Counts of normal scores in bins between the least and the most, the picture's own included in the extent."""
    import torch

    low, high = min(float(normal.min()), score), max(float(normal.max()), score)
    counts = torch.histc(normal.double(), BINS, low, high if high > low else low + 1)
    return {"least": low, "most": high, "counts": [int(count) for count in counts]}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _equivalents(opened: Opened) -> JSON:
    folder = str(opened.run.folder)
    lines = python(opened.run.folder, "x = ...  # (N, C, H, W) in [0, 1]", "scores = hvae.score(run, x, normal=500)")
    return equivalents(command("hvae", "score", folder, "--data", "FOLDER", "--normal", "500"), lines)
