"""The questions of a page, each value read by its type and bounds, as a configuration is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Literal, NoReturn

from hvae.config.bounds import Bound, Length
from hvae.errors import HvaeError, short
from hvae.records import JSON

MOST_COLUMNS, MOST_TEXT = 32, 1000
_Few = Length(0, 2000)
Run = Annotated[int, Bound(least=0, most=1000)]
CellSeed = Annotated[int, Bound(least=0, most=2**32 - 1)]
Seeds = Annotated[tuple[CellSeed, ...], Length(1, MOST_COLUMNS)]
Heat = Annotated[float, Bound(least=0, most=10)]
Share = Annotated[float, Bound(least=-1, most=2)]
Closeness = Annotated[float, Bound(least=0, most=100)]
Said = Annotated[str, Length(1, MOST_TEXT)]
SeedsByLevel = Annotated[dict[str, Seeds], _Few]
SeedByLevel = Annotated[dict[str, CellSeed], _Few]
HeatByLevel = Annotated[dict[str, Heat], _Few]
ShareByLevel = Annotated[dict[str, Share], _Few]
Conditions = Annotated[dict[str, Said], _Few]
Pixels = Annotated[str, Length(1, 16 << 20)]
"""The levels of a picture in base64: a byte each, two above 8 bits."""


@dataclass(frozen=True, kw_only=True)
class DrawAsked:
    """A grid of levels x pictures: a seed for each cell, a temperature a level; `guidance`, how closely all levels
    follow the context; `each`, the pictures after each level."""

    run: Run = 0
    seeds: SeedsByLevel = field(default_factory=dict)
    temperature: HeatByLevel = field(default_factory=dict)
    context: Conditions = field(default_factory=dict)
    guidance: Closeness = 1.0
    each: bool = False


@dataclass(frozen=True, kw_only=True)
class OwnAsked:
    """A picture of the run's own data, by its place in a split, as the page keeps it."""

    run: Run = 0
    split: Literal["test", "valid", "train"] = "test"
    place: Annotated[int, Bound(least=0, most=10**9)] = 0


@dataclass(frozen=True, kw_only=True)
class PictureAsked:
    """What a model makes of a picture."""

    run: Run = 0
    picture: Pixels
    context: Conditions = field(default_factory=dict)
    seed: CellSeed = 0
    source: Annotated[str, Length(0, 200)] = ""


@dataclass(frozen=True, kw_only=True)
class MixAsked:
    """Two pictures mixed level by level: the share of b in each named level; the others are drawn with their seeds."""

    run: Run = 0
    a: Pixels
    b: Pixels
    shares: ShareByLevel = field(default_factory=dict)
    seeds: SeedByLevel = field(default_factory=dict)
    temperature: HeatByLevel = field(default_factory=dict)
    hold: Literal["values", "offsets"] = "values"
    context: Conditions = field(default_factory=dict)
    seed: CellSeed = 0


@dataclass(frozen=True, kw_only=True)
class TraverseAsked:
    """A picture with one level pushed along its principal directions, in standard deviations; `strips`, also along
    each alone."""

    run: Run = 0
    picture: Pixels
    level: Annotated[str, Length(1, 100)]
    push: Annotated[tuple[Annotated[float, Bound(least=-20, most=20)], ...], Length(0, 16)] = ()
    strips: bool = False
    context: Conditions = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RestoreAsked:
    """A picture of which something is hidden: `hidden`, a bit a place, row by row, in base64; `way`, one that serves
    the model, the first of them where it is empty."""

    run: Run = 0
    picture: Pixels
    hidden: Pixels
    way: Annotated[str, Length(0, 20)] = ""
    draws: Annotated[int, Bound(least=1, most=16)] = 4
    sweeps: Annotated[int, Bound(least=1, most=200)] = 10
    steps: Annotated[int, Bound(least=0, most=500)] = 30
    seed: CellSeed = 0
    context: Conditions = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LossyAsked:
    """A picture as the files of a lossy codec."""

    run: Run = 0
    picture: Pixels
    context: Conditions = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LosslessAsked:
    """So many of the run's own test pictures as one file without loss."""

    run: Run = 0
    number: Annotated[int, Bound(least=2, most=256)] = 64


@dataclass(frozen=True, kw_only=True)
class SequencesAsked:
    """Sequences, each with a seed a level; `seed`, of their data; `steps` of each, 0 for as many as usual."""

    run: Run = 0
    seeds: SeedsByLevel = field(default_factory=dict)
    temperature: HeatByLevel = field(default_factory=dict)
    context: Conditions = field(default_factory=dict)
    seed: CellSeed = 0
    steps: Annotated[int, Bound(least=0, most=2000)] = 0


@dataclass(frozen=True, kw_only=True)
class TrainingAsked:
    """The rows of a training behind byte `at` of its table, whose columns were `head`."""

    run: Run = 0
    at: Annotated[int, Bound(least=0, most=1 << 40)] = 0
    head: Annotated[str, Length(0, 1 << 16)] = ""


def plain_json(body: bytes) -> JSON:
    """The JSON object of a body.  Raises HvaeError for anything else, numbers that are not finite among it."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refused)
    except (ValueError, RecursionError) as fault:  # huge integers and broken UTF-8 are ValueErrors too
        if isinstance(fault, HvaeError):
            raise
        raise HvaeError("expected a question in JSON; load the page again") from fault
    if not isinstance(value, dict):
        raise HvaeError(f"expected a question as a JSON object, got {short(value)}; load the page again")
    return value


def _refused(word: str) -> NoReturn:
    raise HvaeError(f"expected finite numbers, got {word}")
