"""What each level spends at each step of a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hvae.files import replacing
from hvae.metrics.over_time import RatesOverTime, rates_over_time
from hvae.metrics.results import plain
from hvae.records import JSON
from hvae.screen.numbers import number
from hvae.study.measure import Figure, Measure

if TYPE_CHECKING:
    from hvae.study.work import Work

DATA = 200
FILE = "rates-over-time.png"


@dataclass(frozen=True, kw_only=True)
class OverTimeResult(RatesOverTime):
    """The rates, and where they are drawn, in the run folder."""

    picture: str

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        values: JSON = plain(self)
        return values


class OverTime(Measure[OverTimeResult]):
    """Mean nats of each level at each step that exists; levels without steps are left out."""

    name = "over-time"
    about = "what each level spends at each step of a sequence"
    cost = "quick"
    place = 90
    is_of_levels = True
    is_for = "sequences"
    result = OverTimeResult
    units: ClassVar[Mapping[str, str]] = {"over_time": "nats at a step, mean over the sequences that have it"}

    def take(self, work: Work) -> OverTimeResult:
        """On the first data; drawn into the run folder."""
        from hvae.explore.sequence_charts import time_curves
        from hvae.explore.theme import LIGHT

        with work.bar("rates over time") as tick:
            result = rates_over_time(work.model, work.batches(DATA), seed=work.config.seed, progress=tick)
        path = work.subject.run.folder / "pictures" / FILE
        with replacing(path) as temporary:
            temporary.write_bytes(time_curves(result.rates, "step", LIGHT))
        return OverTimeResult(data=result.data, seed=result.seed, rates=result.rates, picture=f"pictures/{FILE}")

    def obstacle(self, work: Work) -> str:
        """Only latents that recur have a time."""
        from hvae.walk import glimpse

        if not work.model.timed:
            return "sequences are needed, and these are images or vectors"
        recurs = any(record.step is not None for record in glimpse(work.model).latents)
        return "" if recurs else "no level of this model recurs in time"

    def figures(self, result: OverTimeResult) -> Iterator[Figure]:
        """One curve a level."""
        first = ", ".join(f"{name} {number(values[0])}" for name, values in result.rates.items())
        yield Figure(
            title="What each level spends over time",
            caption=f"Mean rate at each step over those of {result.data} sequences that have it: late steps rest on "
            "few. A level that spends at the beginning alone says how a sequence starts.",
            filename=FILE,
            alt=f"One curve a level; nats at the first step: {first}.",
        )
