"""What a value may be, declared beside its type: `steps: Annotated[int, Bound(least=1)]`.

A `Section` reads each field by that declaration whenever one is made, so that Python, a file and an option are refused
with the same line.  The upper bounds are far above any use; they turn a slip of the keyboard into a line at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Annotated

from hvae.errors import HvaeError, short, unknown


class OutOfBounds(HvaeError):
    """A value of the right type and the wrong size."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The least and the most that a number may be (or what it must stay `above` and `below`).

    `expected` says it in words of its own, where the numbers alone would not tell enough.

    >>> Bound(least=1, most=10).check(0, "train.steps")
    Traceback (most recent call last):
    ...
    hvae.config.bounds.OutOfBounds: train.steps: expected at least 1, got 0
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    expected: str = ""

    def check(self, value: float, at: str) -> None:
        """Raises HvaeError, which names the place `at`, for a number out of bounds (NaN always is)."""
        words = self._broken(value)
        if words:
            raise OutOfBounds(f"{at}: expected {self.expected or words}, got {short(value)}")

    def _broken(self, value: float) -> str:
        # Written so that NaN fails too.
        if self.least is not None and not value >= self.least:
            return f"at least {_number(self.least)}"
        if self.above is not None and not value > self.above:
            return f"more than {_number(self.above)}"
        if self.most is not None and not value <= self.most:
            return f"at most {_number(self.most)}"
        return f"less than {_number(self.below)}" if self.below is not None and not value < self.below else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


@dataclass(frozen=True)
class Length:
    """How many entries a tuple or a dict may have at least and at most, or characters a text."""

    least: int
    most: int

    def check(self, value: Sized, at: str) -> None:
        """Raises HvaeError for too few or too many."""
        if not self.least <= len(value) <= self.most:
            what = "characters" if isinstance(value, str) else "entries"
            raise OutOfBounds(
                f"{at}: expected {self.least} to {self.most:,} {what}, got {short(value) if value else 'none'}"
            )


@dataclass(frozen=True)
class Distinct:
    """No entry of a tuple comes twice.

    >>> Distinct().check(("z1", "z2", "z1"), "model.flow.levels")
    Traceback (most recent call last):
    ...
    hvae.config.bounds.OutOfBounds: model.flow.levels: expected each name once, got 'z1' twice
    """

    def check(self, value: tuple[str, ...], at: str) -> None:
        """Raises HvaeError, which names the first entry that comes again."""
        again = next((one for place, one in enumerate(value) if one in value[:place]), None)
        if again is not None:
            raise OutOfBounds(f"{at}: expected each name once, got {short(again)} twice")


@dataclass(frozen=True)
class Among:
    """The few numbers that a value may be, and what each of them means, in words."""

    numbers: tuple[int, ...]
    expected: str

    def check(self, value: int, at: str) -> None:
        """Raises HvaeError for any other number."""
        if value not in self.numbers:
            raise OutOfBounds(f"{at}: expected {self.expected}, got {short(value)}")


@dataclass(frozen=True)
class Choices:
    """One or more names of a list that is read when it is needed, or of its groups; `command` shows them.

    >>> Choices("fruit", lambda: {}, lambda: ["apple", "pear"]).check(("aple",), "market.fruits")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: market.fruits: no fruit named 'aple'; did you mean 'apple'? Known: apple, pear
    """

    noun: str
    groups: Callable[[], Mapping[str, Sequence[str]]]
    members: Callable[[], Iterable[str]]
    command: str = ""

    def check(self, value: tuple[str, ...], at: str) -> None:
        """Raises HvaeError for none, and for a name that is not listed."""
        if not value:
            raise HvaeError(f"{at}: expected {self.listing}")
        for name in value:
            if name not in self.choices:
                raise HvaeError(f"{at}: {unknown(self.noun, name, self.choices, self.command)}")

    @property
    def choices(self) -> tuple[str, ...]:
        """The groups, then the names."""
        return (*self.groups(), *self.members())

    @property
    def listing(self) -> str:
        """What is expected, in words."""
        return f"one or more of {', '.join(self.choices)}"


LARGEST_SEED = 2**64 - 1
MOST = 10**12

Seed = Annotated[int, Bound(least=0, most=LARGEST_SEED, expected="a whole number from 0 to 2^64 - 1")]
Steps = Annotated[int, Bound(least=1, most=MOST)]
StepsOrNone = Annotated[int, Bound(least=0, most=MOST)]
_STEPS_OR_SHARE = "a number of steps, or a share of train.steps from 0 to below 1"
StepsOrShare = (
    Annotated[int, Bound(least=0, most=MOST, expected=_STEPS_OR_SHARE)]
    | Annotated[float, Bound(least=0, below=1, expected=_STEPS_OR_SHARE)]
)
Count = Annotated[int, Bound(least=1, most=10**6)]
CountOrNone = Annotated[int, Bound(least=0, most=10**6)]
Data = Annotated[int, Bound(least=1, most=10**9)]
DataOrAll = Annotated[int, Bound(least=0, most=10**9)]
Size = Annotated[int, Bound(least=1, most=10**6)]
Sizes = Annotated[tuple[Size, ...], Length(1, 1000)]
SizesOrNone = Annotated[tuple[Size, ...], Length(0, 1000)]
Repeats = Annotated[int, Bound(least=1, most=1000)]
RepeatsOrNone = Annotated[int, Bound(least=0, most=1000)]
Heads = Annotated[tuple[Annotated[int, Bound(least=0, most=1000)], ...], Length(0, 100)]
Groups = Annotated[tuple[RepeatsOrNone, ...], Length(1, 100)]
LevelsOrNone = Annotated[tuple[RepeatsOrNone, ...], Length(0, 100)]
Side = Annotated[int, Bound(least=1, most=1 << 14)]
Fraction = Annotated[float, Bound(least=0, most=1)]
Decay = Annotated[float, Bound(least=0, below=1, expected="a decay from 0 to below 1")]
Probability = Annotated[float, Bound(least=0, below=1, expected="a probability in [0, 1)")]
NonNegative = Annotated[float, Bound(least=0, most=1e30)]
Deviation = Annotated[float, Bound(least=1e-6, most=1e3, expected="a standard deviation from 0.000001 to 1,000")]
Gain = Annotated[float, Bound(least=0, most=1e3, expected="a variance for each unit of signal from 0 to 1,000")]
Line = Annotated[str, Length(1, 200)]
Names = Annotated[tuple[Line, ...], Length(0, 1000), Distinct()]
Words = Annotated[tuple[Annotated[str, Length(0, 200)], ...], Length(0, 1000), Distinct()]
Columns = Annotated[tuple[Line, ...], Length(0, 10_000)]
Levels = Annotated[tuple[Line, ...], Length(1, 1000), Distinct()]
Place = Annotated[str, Length(0, 4096)]
