"""A measure of a finished model: one class in one file, with all that is said and shown of it.

Adding one: a file in `measures/` with its class, its test, and its row in docs/evaluation.md.  `name`, `about`, `cost`
and `place` are constants, since `hvae.config.measures` reads them without importing the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from hvae.config.measures import LAST
from hvae.metrics.results import Estimate, read_result
from hvae.records import JSON
from hvae.screen.numbers import interval

if TYPE_CHECKING:
    from hvae.config.evaluate import EvaluateConfig
    from hvae.reporting.data import Agreement, Sheet
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work
    from hvae.trust import Trust


class Result(Protocol):
    """What a measure gives: a frozen dataclass."""

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        ...


R = TypeVar("R", bound=Result)


class Headline(NamedTuple):
    """A number that stands for the whole: its name, its value with unit and interval, and what it is."""

    name: str
    value: str
    note: str


class Column(NamedTuple):
    """One column of the table of levels."""

    title: str
    cells: Mapping[str, str]
    """By level."""
    leaves: int = 0
    """Columns with a larger number are left out earlier where a window is narrow; 0: last."""


class Ranked(NamedTuple):
    """A number that has a better and a worse, under a title that says all it depends on."""

    title: str
    value: float
    error: float | None = None
    is_low_better: bool = False


class Use(NamedTuple):
    """What a level spends on an average datum, and how many of its dimensions are active."""

    rate_nats: float
    active: int
    units: int


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture that a measure has drawn into the folder `pictures` of a run."""

    title: str
    caption: str
    filename: str
    alt: str
    """What a reader who cannot see it is told."""


class Measure(ABC, Generic[R]):
    """What is measured, what stands in its way, and what is shown of it.

    `take` is all a measure needs; the other methods say nothing unless a measure has something to say.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    cost: ClassVar[Literal["quick", "costly"]]
    """Quick ones are taken unless others are asked for."""
    place: ClassVar[int] = LAST
    """Where it stands among those of its cost, in what is taken, written and shown."""
    settings: ClassVar[tuple[str, ...]] = ()
    """Keys of `evaluate` that only such measures read: by others, the numbers of an earlier evaluation stay."""
    is_for: ClassVar[Literal["all", "sequences", "others"]] = "all"
    """Which data it is made for: of a group those that are not for the data at hand are left out without a word."""
    is_of_levels: ClassVar[bool] = False
    """Whether it speaks of latents: of a model without any there is nothing to say."""
    is_for_page: ClassVar[bool] = False
    """Whether the page of a run is poor without it: a report measures it where it can."""
    result: type[R]
    units: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What the keys of its record mean, with their units."""

    @abstractmethod
    def take(self, work: Work) -> R:
        """Measure."""

    def check(self, config: EvaluateConfig, trust: Trust) -> None:
        """Raises HvaeError, before any data are read, for code that it would run and nobody vouches for."""

    def concerns(self, work: Work) -> bool:
        """Whether it speaks of such models at all; of a group, one that does not is left out without a word."""
        is_made_for = self.is_for == "all" or (self.is_for == "sequences") == work.model.timed
        return is_made_for and (bool(work.levels) or not self.is_of_levels)

    def obstacle(self, work: Work) -> str:
        """Why it cannot be taken, quickly and before any other is taken; empty when it can."""
        return ""

    def read(self, values: object) -> R:
        """The result of a record.  Raises HvaeError, naming the place, when it is none."""
        return read_result(self.result, values, self.name)

    def headlines(self, result: R, evaluation: Evaluation) -> Iterable[Headline]:
        """The numbers that stand for the whole."""
        return ()

    def conclusion(self, result: R) -> str:
        """What is made of all levels together; empty for most."""
        return ""

    def columns(self, result: R, evaluation: Evaluation) -> Iterable[Column]:
        """What it says of each level."""
        return ()

    def notes(self, result: R) -> Iterable[str]:
        """What its columns must be read with."""
        return ()

    def sheets(self, result: R) -> Iterable[Sheet]:
        """Tables of its own."""
        return ()

    def uses(self, result: R) -> Mapping[str, Use]:
        """How each level is used, top first."""
        return {}

    def facts(self, result: R, evaluation: Evaluation) -> Mapping[str, str]:
        """What it says of a run beside others, by title, that is no better or worse."""
        return {}

    def agreement(self, result: R) -> Agreement | None:
        """A chart of how often redraws of an image agree."""
        return None

    def ranked(self, result: R, evaluation: Evaluation) -> Iterable[Ranked]:
        """The numbers by which runs can be ranked."""
        return ()

    def figures(self, result: R) -> Iterable[Figure]:
        """The pictures that it has drawn."""
        return ()

    @classmethod
    def key(cls) -> str:
        """Under which key of a record it stands."""
        return cls.name.replace("-", "_")


def spread(measured: Estimate) -> str:
    """A mean with its 95 % interval."""
    return interval(measured.mean, measured.low95, measured.high95)
