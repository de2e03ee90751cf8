"""What each level says of the data, and how far its aggregate posterior is from its prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from hvae.metrics.mutual import CLOSE, Information, MutualResult, mutual
from hvae.records import JSON
from hvae.screen.numbers import number
from hvae.study.measure import Column, Measure
from hvae.study.work import fault

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work


class Mutual(Measure[MutualResult]):
    """Mutual information of each level with the data."""

    name = "mutual"
    about = "mutual information of each level with the data, and KL(q(z) || p)"
    cost = "quick"
    place = 30
    settings = ("pairs",)
    is_of_levels = True
    is_for = "others"
    result = MutualResult
    units: ClassVar[Mapping[str, str]] = {
        "information_nats": "nats a datum; I(x; z_l given the levels drawn before); stratified: biased upwards, at "
        "most log N; weighted: too large by log B to log N; at_least and at_most: in expectation below and above",
        "marginal_kl_nats": "nats a datum; rate - stratified information, KL(q(z) || p)",
    }

    def take(self, work: Work) -> MutualResult:
        """One batch, each datum of which is walked with the values of each."""
        count = min(work.config.pairs, len(work.split))
        with work.bar(f"mutual information, {count} x {count} walks") as tick:
            return _mutual(work, count, progress=tick)

    def obstacle(self, work: Work) -> str:
        """Some posteriors cannot score the values of another datum: two data tell."""
        return work.too_few() or work.no_rectangle() or fault(_mutual, work, 2)

    def read(self, values: object) -> MutualResult:
        """Records from before each level was said to be saturated say it of all."""
        return super().read(_saturated(values) if isinstance(values, dict) else values)

    def columns(self, result: MutualResult, evaluation: Evaluation) -> Iterator[Column]:
        """Information, marginal KL, and the information against levels that are held."""
        levels, ceiling = result.levels.items(), result.ceiling_nats - CLOSE
        yield Column("I(x; z)", {n: _text(level.information_nats, level.saturated) for n, level in levels})
        yield Column("KL(q(z) || p)", {name: number(level.marginal_kl_nats.mean) for name, level in levels})
        own = {name: level.held_nats for name, level in levels}
        yield Column("I held", {n: _text(nats, nats.stratified.mean > ceiling) for n, nats in own.items()}, leaves=1)

    def notes(self, result: MutualResult) -> Iterator[str]:
        """By which estimate, from how many data, and what its largest value is."""
        total = result.total
        saturated = (
            "; saturated: at log N, the end of the scale, where neither I nor rate - I is an estimate any more (what "
            f"holds in expectation: all levels say at least {number(total.information_nats.at_least.mean)})"
            if result.saturated
            else ""
        )
        yield (
            f"I(x; z) given the levels drawn before, nats: minibatch-stratified, {result.batch} of "
            f"{result.population:,} data, biased upwards, up to log N = {number(result.ceiling_nats)}{saturated}; "
            f"KL(q(z) || p) = rate - I; I held: against q replayed on the levels before, not bounded by what they say; "
            f"all levels together: I(x; z) {number(total.information_nats.stratified.mean)}, KL(q(z) || p(z)) "
            f"{number(total.marginal_kl_nats.mean)}"
        )


def _mutual(work: Work, count: int, **settings: Any) -> MutualResult:
    x, population = work.split.batch(range(count)), len(work.split)
    return mutual(work.model, [x], population=population, chunk_rows=work.rows, seed=work.config.seed, **settings)


def _saturated(values: JSON) -> JSON:
    whole = {"saturated": values.get("saturated")}
    parts = {key: values.get(key) for key in ("levels", "total")}
    levels, total = (part if isinstance(part, dict) else {} for part in parts.values())
    return {
        **values,
        "levels": {name: {**whole, **level} if isinstance(level, dict) else level for name, level in levels.items()},
        "total": {**whole, **total},
    }


def _text(information: Information, is_saturated: bool) -> str:
    # Of a difference of two estimates no more than its thousandths says anything.
    return number(round(information.stratified.mean, 3) + 0.0) + " saturated" * is_saturated
