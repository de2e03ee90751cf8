"""Everything a report shows, as plain data: the report measures nothing and decides nothing.

Levels are in the order of the model, top first.  Rates are in nats per datum; bits appear only on the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hvae.records import read_rows

Section = Literal["samples", "reconstruction", "coarse", "traversal", "levels", "training"]
Curve = tuple[list[float], list[float]]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One PNG with its words; `section` says under which heading it stands.

    `alt` is what a reader who cannot see the picture is told; `dark`, if any, takes its place on a dark page; `dense`
    is the number of pixels of the file to one pixel of the page; `wav`, the sound that it is a picture of.
    """

    title: str
    caption: str
    png: bytes
    filename: str
    section: Section
    alt: str
    dark: bytes | None = None
    dense: float = 1.0
    wav: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Some texts with their words, under the heading of a section."""

    title: str
    caption: str
    text: str
    section: Section


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A number with its unit and its interval, what it is, and what it must not be confused with (bound, data)."""

    label: str
    value: str
    unit: str = ""
    spread: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found of one level (or of the whole, under a name such as "model"), and what to change.

    `status` is a word: "alive", "weak" and "collapsed" have colours of their own.
    """

    level: str
    status: str
    sentence: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class LevelNumbers:
    """One level: its shape, the nats it spends on an average datum, its active units of all, and `more` by title."""

    name: str
    shape: tuple[int, ...]
    nats: float
    active: int
    units: int
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One more table on the levels: its heads, its rows of as many texts, and what it must be read with."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How often the redraws of one image agree on its class, in [0, 1]: one share an experiment, by its label.

    `note`: who judged what, how many, and what agreement means here (with the majority, in pairs, with the original).
    """

    shares: Mapping[str, float]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class History:
    """Training as curves of (steps, nats per datum): the rate of each level, and minus the ELBO by name.

    On validation data, by level: `used`, the share of its dimensions that are in use, and `information`, in nats.
    """

    rates: Mapping[str, Curve] = field(default_factory=dict)
    losses: Mapping[str, Curve] = field(default_factory=dict)
    used: Mapping[str, Curve] = field(default_factory=dict)
    information: Mapping[str, Curve] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """One report.

    `summary`: one sentence on what was trained on what.  `data`: source, split, binarisation, bit depth, checksum.
    `configuration` may be nested.  `commands`: what a reader types to get the same run.  `noun`: what one datum is
    called.  `level_notes`: what the columns of the levels must be read with.  What is empty is left out of the page.
    """

    title: str
    summary: str
    headlines: Sequence[Headline] = ()
    conclusion: str = ""
    verdicts: Sequence[Verdict] = ()
    levels: Sequence[LevelNumbers] = ()
    level_notes: Sequence[str] = ()
    sheets: Sequence[Sheet] = ()
    history: History = field(default_factory=History)
    agreement: Agreement | None = None
    pictures: Sequence[Picture] = ()
    passages: Sequence[Passage] = ()
    noun: str = "image"
    data: Mapping[str, object] = field(default_factory=dict)
    configuration: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    commands: Sequence[str] = ()


def history(rows: Iterable[Mapping[str, str | float]], levels: Sequence[str]) -> History:
    """The curves in the rows of a metrics.csv: columns step, rate/LEVEL, elbo, valid/elbo, valid/used/LEVEL,
    valid/information/LEVEL; empty cells and NaN are gaps.

    >>> h = history([{"step": 1, "elbo": -90.0, "rate/z1": 3.0}, {"step": 2, "valid/elbo": -88.0}], ["z1"])
    >>> h.rates, h.losses
    ({'z1': ([1.0], [3.0])}, {'training': ([1.0], [90.0]), 'validation': ([2.0], [88.0])})
    """
    rows = list(rows)
    rates, used, information = (
        {level: curve for level in levels if (curve := _curve(rows, f"{kind}/{level}"))[0]}
        for kind in ("rate", "valid/used", "valid/information")
    )
    bounds = {"training": _curve(rows, "elbo"), "validation": _curve(rows, "valid/elbo")}
    losses = {name: (steps, [-v for v in values]) for name, (steps, values) in bounds.items() if steps}
    return History(rates=rates, losses=losses, used=used, information=information)


def read_history(path: str | Path, levels: Sequence[str]) -> History:
    """The curves of a metrics.csv; none when there is no such file (a model that was not trained here).

    Raises HvaeError when it is damaged.
    """
    return history(read_rows(Path(path)), levels) if Path(path).exists() else History()


def _curve(rows: Sequence[Mapping[str, str | float]], column: str) -> Curve:
    pairs = [(float(row["step"]), float(row[column])) for row in rows if row.get(column) not in (None, "")]
    points = [(step, value) for step, value in pairs if math.isfinite(value)]
    return [step for step, _ in points], [value for _, value in points]
