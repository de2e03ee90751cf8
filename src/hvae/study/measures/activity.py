"""How much of each level is in use, and what to make of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hvae.metrics.information import ActivityResult, activity
from hvae.screen.numbers import number
from hvae.study.judgement import UNJUDGED
from hvae.study.measure import Column, Measure, Use

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work

DATA = 2_000


class Activity(Measure[ActivityResult]):
    """Active and used units."""

    name = "activity"
    about = "active and used units of each level, and a verdict"
    cost = "quick"
    place = 20
    is_of_levels = True
    is_for_page = True
    result = ActivityResult

    def take(self, work: Work) -> ActivityResult:
        """On the first data."""
        with work.bar("activity of the levels") as tick:
            return activity(work.model, work.batches(DATA), seed=work.config.seed, progress=tick)

    def obstacle(self, work: Work) -> str:
        """Of one datum nothing varies."""
        return work.too_few()

    def conclusion(self, result: ActivityResult) -> str:
        """The verdict by activity alone."""
        return result.verdict

    def columns(self, result: ActivityResult, evaluation: Evaluation) -> Iterator[Column]:
        """Units, and the state of each level."""
        levels = result.levels.items()
        yield Column("nats", {name: number(level.rate_nats) for name, level in levels})
        yield Column("nats/dim", {name: number(level.rate_nats_per_dim) for name, level in levels}, leaves=2)
        yield Column("active", {name: f"{level.active_dims:,} of {level.dims:,}" for name, level in levels})
        yield Column("used", {name: f"{level.used_dims:,}" for name, level in levels}, leaves=3)
        yield Column("verdict", states(result, evaluation))

    def notes(self, result: ActivityResult) -> Iterator[str]:
        """What counts as a dimension where it is no number."""
        coded = [name for name, level in result.levels.items() if level.noun == "codes"]
        if coded:
            yield f"active, used and nats/dim of {', '.join(coded)}: of codes, one at each position of the map"

    def uses(self, result: ActivityResult) -> dict[str, Use]:
        """Nats and active units."""
        return {n: Use(level.rate_nats, level.active_dims, level.dims) for n, level in result.levels.items()}

    def facts(self, result: ActivityResult, evaluation: Evaluation) -> dict[str, str]:
        """How many of the levels that learn are in use, and how many have a fixed q."""
        every = list(states(result, evaluation).values())
        learnt = [state for state in every if state != "fixed"]
        count = sum(state not in ("collapsed", UNJUDGED) for state in learnt)
        used = f"{count} of {len(learnt)} used" if learnt else ""
        fixed = f"{len(every) - len(learnt)} fixed" if len(learnt) < len(every) else ""
        return {"levels": ", ".join(filter(None, [used, fixed]))} if every else {}


def states(result: ActivityResult, evaluation: Evaluation) -> dict[str, str]:
    """The state of each level: by all that is known where that was judged."""
    judged = evaluation.verdict.levels if evaluation.verdict else {}
    return {name: judged[name].state if name in judged else level.state for name, level in result.levels.items()}
