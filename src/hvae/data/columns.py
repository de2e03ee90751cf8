"""The columns of a table: what their cells are, and where each cell lies in [0, 1].

    real numbers    (1 + t (n - 1)) / n, t from 0 at the smallest number to 1 at the largest, n the largest level
    whole numbers   (k + 1) / L for the k-th of the L from the smallest to the largest
    names           (k + 1) / K for the k-th of K, in the order of the alphabet

A cell that is not known is 0, which no other is.  Shapes: `N` cells.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from hvae.config.columns import NAME, REAL, WHOLE
from hvae.data.transforms import Array
from hvae.errors import HvaeError, short
from hvae.records import JSON
from hvae.screen.numbers import counted

DIGITS = 6
"""Of a real number that is written, at the least."""
COMMA = re.compile(r"[+-]?[\d.]*\d,\d+")
"""A number with a decimal comma, or with commas between thousands."""
COMMAS = "; write decimal points, and no commas within numbers"


class Codes(NamedTuple):
    """Cells in [0, 1], (N,) with NaN where one is not known; how many lie `beyond` the column's range and `between` its
    whole numbers, and the `strange` words that it does not know, with how often each comes."""

    values: Array
    beyond: int = 0
    between: int = 0
    strange: Mapping[str, int] = {}


@dataclass(frozen=True)
class Column(ABC):
    """What the cells of one column are; `kind` in the words of `model.columns`."""

    @property
    @abstractmethod
    def kind(self) -> str: ...

    @property
    @abstractmethod
    def about(self) -> str:
        """What it holds, for people, and the law that a likelihood of columns gives it."""

    @abstractmethod
    def codes(self, cells: Sequence[str], top: int, where: str) -> Codes:
        """Cells, "" where one is not known, in steps of 1 / `top`.  Raises HvaeError for cells of another kind."""

    @abstractmethod
    def words(self, values: Array, top: int) -> list[str]:
        """Cells (N,) in [0, 1] as they are written."""

    @abstractmethod
    def to_record(self) -> JSON | list[float]:
        """Plain values for JSON."""


@dataclass(frozen=True)
class Real(Column):
    """Numbers from `low` to `high`."""

    low: float
    high: float
    kind: ClassVar[str] = REAL  # type: ignore[misc]

    @property
    def about(self) -> str:
        return "real numbers, a Gaussian density over their range"

    def codes(self, cells: Sequence[str], top: int, where: str) -> Codes:
        numbers = _numbers(cells, where)
        share = np.clip((numbers - self.low) / ((self.high - self.low) or 1), 0, 1)
        return Codes((1 + share * (top - 1)) / top, beyond=_beyond(numbers, self.low, self.high))

    def numbers(self, values: Array, top: int) -> Array:
        """Cells (N,) in [0, 1] in the unit of the column."""
        return self.low + np.clip((values * top - 1) / (top - 1), 0, 1) * (self.high - self.low)

    def words(self, values: Array, top: int) -> list[str]:
        return [f"{number:.{self._digits}g}" for number in self.numbers(values, top)]

    @property
    def _digits(self) -> int:
        """As many as say five of the range: times in seconds since 1970 differ from the seventh digit on."""
        largest, extent = max(abs(self.low), abs(self.high)), self.high - self.low
        return DIGITS + int(max(0.0, math.log10(largest / extent))) if extent and largest else DIGITS

    def to_record(self) -> list[float]:
        return [self.low, self.high]


@dataclass(frozen=True)
class Whole(Column):
    """Whole numbers from `low` to `high`."""

    low: int
    high: int

    @property
    def count(self) -> int:
        """How many there are."""
        return self.high - self.low + 1

    @property
    def kind(self) -> str:
        return f"{WHOLE}:{self.count}"

    @property
    def about(self) -> str:
        law = "a Bernoulli" if self.count == 2 else "a discretised logistic"
        return f"whole numbers from {self.low} to {self.high}, the mass of {law}"

    def codes(self, cells: Sequence[str], top: int, where: str) -> Codes:
        numbers = _numbers(cells, where)
        between = int((np.rint(numbers) != numbers).sum() - np.isnan(numbers).sum())
        k = np.rint(np.clip(numbers, self.low, self.high)) - self.low
        return Codes((k + 1) / self.count, beyond=_beyond(numbers, self.low, self.high), between=between)

    def numbers(self, values: Array, top: int) -> Array:
        """Cells (N,) in [0, 1] in the unit of the column."""
        return self.low + np.clip(np.rint(values * self.count) - 1, 0, self.count - 1)

    def words(self, values: Array, top: int) -> list[str]:
        return [f"{int(number)}" for number in self.numbers(values, top)]

    def to_record(self) -> JSON:
        return {"whole": [self.low, self.high]}


@dataclass(frozen=True)
class Name(Column):
    """One of some names."""

    names: tuple[str, ...]

    @property
    def kind(self) -> str:
        return f"{NAME}:{len(self.names)}"

    @property
    def about(self) -> str:
        return f"{counted(len(self.names), 'name')}, a categorical mass"

    def codes(self, cells: Sequence[str], top: int, where: str) -> Codes:
        places = self._places
        strange: dict[str, int] = {}
        meant = [self._meant(cell) for cell in cells]
        for cell, name in zip(cells, meant, strict=True):
            if cell and name not in places:
                strange[cell] = strange.get(cell, 0) + 1
        return Codes(np.array([places.get(name, math.nan) for name in meant]), strange=strange)

    @cached_property
    def _places(self) -> dict[str, float]:
        return {name: (k + 1) / len(self.names) for k, name in enumerate(self.names)}

    @cached_property
    def _numbers(self) -> dict[Decimal, str]:
        """The names by the numbers that they are, if all are numbers and no two the same."""
        numbers = {Decimal(name): name for name in self.names} if all(map(is_number, self.names)) else {}
        return numbers if len(numbers) == len(self.names) else {}

    def _meant(self, cell: str) -> str:
        """The name of a cell: of names that are numbers `3.0` is `3`."""
        if cell in self._places or not self._numbers or not is_number(cell):
            return cell
        return self._numbers.get(Decimal(cell), cell)

    def places(self, values: Array) -> Array:
        """Which name each cell (N,) in [0, 1] has, (N,) from 0."""
        return np.clip(np.rint(values * len(self.names)) - 1, 0, len(self.names) - 1).astype(int)

    def words(self, values: Array, top: int) -> list[str]:
        return [self.names[place] for place in self.places(values)]

    def to_record(self) -> JSON:
        return {"names": list(self.names)}


Columns = Mapping[str, Column]
"""By heading, in the order of the table."""


def from_record(record: JSON | Sequence[float]) -> Column:
    """The inverse of `to_record`.

    >>> from_record({"names": ["no", "yes"]}), from_record([0.5, 2])
    (Name(names=('no', 'yes')), Real(low=0.5, high=2.0))
    """
    if not isinstance(record, Mapping):
        return Real(*map(float, record))
    if "names" in record:
        return Name(tuple(map(str, record["names"])))
    return Whole(*map(int, record["whole"]))


def is_number(cell: str) -> bool:
    """Whether a cell holds a finite number, with a decimal point if any.

    >>> [is_number(cell) for cell in ("1.5", "-2e3", "1,5", "inf", "1_000", "red")]
    [True, True, False, False, False, False]
    """
    try:
        return math.isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False


def _numbers(cells: Sequence[str], where: str) -> Array:
    for row, cell in enumerate(cells, 1):
        if cell and not is_number(cell):
            what = COMMAS if COMMA.fullmatch(cell) else "; write a number, as the training data have, or leave it empty"
            raise HvaeError(f"{where}, row {row}: expected a number, or an empty cell, got {short(cell)}{what}")
    return np.array([float(cell) if cell else math.nan for cell in cells])


def advice(cell: str) -> str:
    """What to do about a cell that is no number, before anything is learnt."""
    if COMMA.fullmatch(cell):
        return COMMAS
    return (
        "; leave cells empty that are not known (--data.missing WORD), or say that they are names (--data.categories)"
    )


def _beyond(numbers: Array, low: float, high: float) -> int:
    return int(((numbers < low) | (numbers > high)).sum())
