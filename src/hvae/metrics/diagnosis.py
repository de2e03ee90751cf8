"""The verdict on levels in plain language: which are collapsed or weak, and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from hvae.config.objective import ObjectiveConfig
from hvae.screen.numbers import number

if TYPE_CHECKING:
    from hvae.metrics.information import LevelActivity

_LONGER = (
    "What to change: train beyond the warm-up (train.steps), or make the warm-up shorter (objective.warmup.length); "
    "then judge the levels again."
)


def verdict(
    levels: Mapping[str, LevelActivity],
    doubts: Mapping[str, str] = MappingProxyType({}),
    objective: ObjectiveConfig = ObjectiveConfig(),
    *,
    is_early: bool = False,
) -> str:
    """Which levels (top first) are collapsed or weak, and what to change, in a few sentences.

    `doubts` are further reservations by level; `objective` is the training objective, so that the advice does not
    repeat what was already done; `is_early`, that its warm-up was not over when training ended.

    >>> from hvae.metrics import LevelActivity
    >>> few = dict(dims=9, channels=9, active_dims=0, active_channels=0, used_dims=0, used_channels=0)
    >>> verdict({"z1": LevelActivity(**few, rate_nats=0.01, rate_nats_per_dim=0.001, state="collapsed")})
    'The only level, z1, is collapsed: ...'
    """
    collapsed, weak = ([name for name, level in levels.items() if level.state == s] for s in ("collapsed", "weak"))
    doubtful = [name for name in doubts if name not in collapsed]
    if not collapsed and not weak and not doubtful:
        return (
            f"All levels ({', '.join(levels)}) are used."
            if len(levels) > 1
            else f"The level {', '.join(levels)} is used."
        )
    parts = [_headline(levels, collapsed)] if collapsed else ["No level is collapsed."]
    parts += [_weakness(name, levels[name]) for name in weak if name not in doubts]
    parts += [f"{name} is in doubt: {doubts[name]}." for name in levels if name in doubtful]
    advice = _LONGER if is_early else _advice(levels, collapsed, objective)
    return " ".join(parts + ([advice] if collapsed else []))


def _headline(levels: Mapping[str, LevelActivity], collapsed: list[str]) -> str:
    if len(levels) == 1:
        who = f"The only level, {collapsed[0]}, is collapsed"
    elif len(collapsed) == len(levels):
        who = f"{'Both' if len(levels) == 2 else f'All {len(levels)}'} levels are collapsed"
    else:
        verb = "is" if len(collapsed) == 1 else "are"
        who = f"{len(collapsed)} of {len(levels)} levels {verb} collapsed ({', '.join(collapsed)})"
    spent = ", ".join(number(levels[name].rate_nats) for name in collapsed)
    return f"{who}: no unit is in use ({spent} nats a datum), so the decoder learns nothing about the data there."


def _weakness(name: str, level: LevelActivity) -> str:
    return (
        f"{name} is weak: {level.used_dims:,} of its {level.dims:,} {level.noun} are used "
        f"({number(level.rate_nats)} nats); a narrower level would do as well."
    )


def _advice(levels: Mapping[str, LevelActivity], collapsed: list[str], objective: ObjectiveConfig) -> str:
    top = next(iter(levels))
    if len(collapsed) == len(levels):
        return (
            "What to change: charge less at the beginning (objective.warmup.length, about a tenth of the steps), lower "
            "objective.beta, and check the likelihood: a broad one (a large model.sigma) leaves nothing to explain."
        )
    has_free = objective.free_bits.used
    if top in collapsed:
        free = "" if has_free else "free bits for the upper levels (objective.free_bits.nats, 0.5 to 2 nats each), "
        return (
            f"What to change: a longer KL warm-up (objective.warmup.length), {free}a posterior that shares the "
            "prior's parameters (model.posterior precision or residual; a bottom-up Markov model seldom keeps its "
            "upper levels, lvae and ladder do), or fewer levels."
        )
    free = "" if has_free else " or give them free bits (objective.free_bits.nats by level)"
    return (
        "What to change: the levels around them carry all there is to say, so leave these out or make them narrower; "
        f"to use them nevertheless, warm up the upper levels later (objective.warmup.start by level){free}."
    )
