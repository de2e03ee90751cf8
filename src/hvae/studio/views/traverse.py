"""A picture pushed along the principal directions of one level.

Shapes: `K` directions; `S` stations; `C H W` a picture.
"""

from __future__ import annotations

import torch

from hvae.datum import Datum
from hvae.explore.traverse import Axes, level_axes, push
from hvae.records import JSON
from hvae.runs.subject import Subject
from hvae.studio.answer import Answer
from hvae.studio.asked import TraverseAsked
from hvae.studio.lines import command, equivalents, python
from hvae.studio.opened import Opened

DATA, DIRECTIONS, STATIONS, REACH = 128, 6, 7, 3.0
"""Data that determine the directions, how many of these, and pictures along each, so many deviations to both sides."""


def traverse(opened: Opened, query: TraverseAsked) -> Answer:
    """The pushed picture, and with `strips` each direction by itself, (K, S, C, H, W)."""
    datum, axes = opened.datum(query.picture, query.context), axes_of(opened, query.level)
    count, here = len(axes.spread), place_of(axes, query)
    stops = torch.linspace(-REACH, REACH, STATIONS)
    each = torch.einsum("s,kj->ksj", stops, torch.eye(count)).flatten(0, 1)  # (K S, K)
    steps = torch.cat([here[None], each]) if query.strips else here[None]
    pictures = push(opened.model, datum, query.level, axes, steps)
    strips = {"strips": pictures[1:].unflatten(0, (count, STATIONS))} if query.strips else {}
    info: JSON = {"spread": axes.spread.tolist(), "stops": stops.tolist(), **_equivalents(opened, query)}
    return Answer(info, {"picture": pictures[:1], **strips})


def place_of(axes: Axes, query: TraverseAsked) -> torch.Tensor:
    """Where the picture is pushed to, in deviations along each direction, (K,)."""
    here = torch.zeros(len(axes.spread))
    here[: len(query.push)] = torch.tensor(query.push[: len(here)])
    return here


def axes_of(opened: Opened, level: str) -> Axes:
    """The directions of a level, looked up once."""
    if level not in opened.axes:
        data = some(opened.subject)
        opened.axes[level] = level_axes(opened.model, data, level, count=DIRECTIONS)
    return opened.axes[level]


def some(subject: Subject) -> Datum:
    """Data of the run that directions are found on: validation data, or those of training where there are few."""
    images = subject.images
    split = images.valid if len(images.valid) >= DATA else images.train
    return split.fixed(0).batch(range(min(DATA, len(split))))


def _equivalents(opened: Opened, query: TraverseAsked) -> JSON:
    lines = [
        "from hvae.explore.traverse import level_axes, push",
        "import torch",
        "",
        "data, x = ..., ...  # (N, C, H, W) that directions are found on, and (1, C, H, W)",
        f"axes = level_axes(run.model, data, {query.level!r}, count={DIRECTIONS})",
        f"picture = push(run.model, x, {query.level!r}, axes, torch.tensor([{list(query.push)}]))",
    ]
    remark = "the report has such strips of a picture of the test data"
    return equivalents(command("hvae", "report", str(opened.run.folder)), python(opened.run.folder, *lines), remark)
