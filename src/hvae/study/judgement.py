"""The verdict on a run: what its levels are worth by all that is known of them, and what to change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from hvae.config.objective import ObjectiveConfig
from hvae.metrics.contribution import ContributionResult, TopLevels
from hvae.metrics.diagnosis import verdict
from hvae.metrics.information import ActivityResult, LevelActivity
from hvae.screen.numbers import counted, number
from hvae.study.warm_up import last_weights, weights_text

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.metrics.likelihood_result import LikelihoodResult
    from hvae.study.measures.baselines import BaselinesResult
    from hvae.walk import Model

EARLY = 30
"""Epochs in which a latent at each step of a sequence may carry next to nothing and still come to life: measured on the
JSB chorales, 0.04 to 0.08 nats a frame for 25 epochs, and 1.1 at 160."""
FEW = 200
"""Steps before which nothing is said of what levels are worth: in trainings on images most of those that came to life
had half of their nats by step 100, and nearly all by step 200."""
UNJUDGED = "none yet"
"""The verdict on a level without use, or of little, in so few steps."""
_PLAINEST = {
    "independent marginals": "frame marginals",
    "unigram": "unigram counts",
    "Gaussian, each number": "Gaussian marginals",
    "first differences, order 0": "counted differences of samples",
}
"""What the plainest counts are called in a sentence."""
NEAR_FREE = 1.2
"""A level that spends less than so many times what it may spend for nothing is held up by that alone."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """What to make of one level: "alive", "weak", "collapsed", "none yet" (after so few steps) or "fixed" (its q is not
    learnt), the sentence that says why, and what to change."""

    state: str
    sentence: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The whole in a few sentences, and each level, top first."""

    text: str
    levels: Mapping[str, Level] = field(default_factory=dict)


def verdict_of(run: LoadedRun, activity: ActivityResult, contribution: ContributionResult | None) -> Judgement:
    """The verdict on a run by what was measured of it."""
    low = last_weights(run.config, run.model, run.step)
    judgement = judged(activity, contribution, run.config.objective, low, fixed(run.model, activity.levels))
    if run.step < FEW and not (run.description.get("imported") or run.config.train.init):
        return _too_few(run.step, judgement)
    early = _early(run) if any(level.state == "collapsed" for level in judgement.levels.values()) else ""
    return replace(judgement, text=f"{early} {judgement.text}" if early else judgement.text)


def _too_few(steps: int, judgement: Judgement) -> Judgement:
    """What is measured of the levels, without a word on what they are worth."""
    later = "Train for longer, then judge it again."
    levels = {
        name: replace(
            level,
            state=UNJUDGED if level.state in ("collapsed", "weak") else level.state,
            advice=later if level.advice else "",
        )
        for name, level in judgement.levels.items()
    }
    text = f"After {counted(steps, 'step')} there is no verdict yet: a level may not have begun before step {FEW}."
    return Judgement(text=f"{text} Train for longer, then judge the levels again.", levels=levels)


def _early(run: LoadedRun) -> str:
    """What to think of a recurrent model that is hardly trained; empty for others."""
    sizes = (run.description.get("data") or {}).get("sizes") or {}
    epochs = run.step * run.config.train.batch / max(1, sizes.get("train", 1))
    if not run.model.timed or epochs >= EARLY or run.config.train.init:
        return ""
    return (
        f"After {number(epochs)} epochs this is no verdict yet: the latents of recurrent models begin to say something "
        f"late, after {EARLY} epochs or more."
    )


def judged(
    activity: ActivityResult,
    contribution: ContributionResult | None,
    objective: ObjectiveConfig,
    low: Mapping[str, float],
    unlearnt: Collection[str] = (),
) -> Judgement:
    """The verdict on a run that minimised `objective`.

    `low`, the weights of rates that were still below 1 when training ended; `unlearnt`, levels whose q is fixed.
    """
    levels = {name: level for name, level in activity.levels.items() if name not in unlearnt}
    rows, names = contribution.top if contribution else (), list(activity.levels)
    proven = _proven(rows, names)
    idle = {name: doubt for name, doubt in _held_up(levels, objective).items() if name not in proven}
    harmful = {name: doubt for name, doubt in _harm(rows, names).items() if name in levels}
    doubts = {**harmful, **idle}
    text = verdict(levels, doubts, objective, is_early=bool(low)) if levels else ""
    texts = [_unfinished(low) if low else "", text, _of_fixed(list(activity.levels), unlearnt)]
    return Judgement(
        text=" ".join(filter(None, texts)),
        levels={
            name: _level(level, doubts.get(name, ""), objective, bool(low)) if name in levels else _unlearnt(level)
            for name, level in activity.levels.items()
        },
    )


def fixed(model: Model, levels: Iterable[str]) -> set[str]:
    """Levels whose q is noise on the data or what the data determine, so that nothing of it is learnt: those of a
    diffusion, and of a context."""
    from hvae.models.contextual import CONTEXT, Contextual
    from hvae.models.diffusion import Diffusion

    has_context = any(isinstance(module, Contextual) for module in model.modules())
    everything = isinstance(model, Diffusion)
    return {name for name in levels if everything or (has_context and name.startswith(CONTEXT))}


def _of_fixed(names: Sequence[str], unlearnt: Collection[str]) -> str:
    some = [name for name in names if name in unlearnt]
    if not some:
        return ""
    which = "of every level" if len(some) == len(names) else f"of {', '.join(some)}"
    return f"The q {which} is fixed and cannot collapse: a level that spends little has noise that hides the data."


def _unlearnt(level: LevelActivity) -> Level:
    return Level(state="fixed", sentence=f"{number(level.rate_nats)} nats a datum; its q is fixed and cannot collapse.")


def against_counting(
    judgement: Judgement, likelihood: LikelihoodResult | None, counted: BaselinesResult | None
) -> Judgement:
    """The verdict on a model of sequences beside what counting alone says of them: no level of one that is worse than
    the plainest count is of use, whatever it spends."""
    if not (likelihood and likelihood.steps and counted and counted.nats):
        return judgement
    name, plainest = max(counted.nats.items(), key=lambda pair: pair[1].frame_average.mean)
    own, least = likelihood.steps.negative_iw_nats.frame_average.mean, plainest.frame_average.mean
    if not own > least:  # NaN: no more than the likelihood itself says
        return judgement
    each = f"{number(own)} nats a {counted.step} for {number(least)}"
    worse = f"worse than {_PLAINEST.get(name, name)}, which have no latents: {each} (frame averages)"
    levels = {n: _useless(level, worse) for n, level in judgement.levels.items()}
    used = judgement.text.rpartition(". ")[2] if judgement.text.endswith("used.") else ""
    rest = judgement.text.removesuffix(used).strip()
    return Judgement(text=" ".join(filter(None, [f"The model is {worse}.", rest])), levels=levels)


def _useless(level: Level, why: str) -> Level:
    if level.state in ("collapsed", UNJUDGED):
        return level
    sentence = f"{level.sentence.removesuffix('.')}; the model is {why}."
    return Level(state="weak", sentence=sentence, advice="Train for longer, and see that the loss falls.")


def _unfinished(low: Mapping[str, float]) -> str:
    return (
        f"The warm-up outlasted the training, which ended with {weights_text(dict(low))}: what was minimised is not "
        "yet the ELBO, and what the levels spend says little."
    )


def _held_up(levels: Mapping[str, LevelActivity], objective: ObjectiveConfig) -> dict[str, str]:
    """Levels that spend what they may spend for nothing."""
    free = {name: _free(name, level, objective) for name, level in levels.items()}
    return {
        name: f"it spends {number(level.rate_nats)} nats, of which {number(free[name])} are free: no sign of use"
        for name, level in levels.items()
        if free[name] and level.state != "collapsed" and level.rate_nats <= NEAR_FREE * free[name]
    }


def _free(name: str, level: LevelActivity, objective: ObjectiveConfig) -> float:
    """The nats that a level may spend for nothing."""
    nats = objective.free_bits.nats
    each = nats.get(name, 0.0) if isinstance(nats, Mapping) else nats
    return each * {"level": 1, "channel": level.channels, "dimension": level.dims}[objective.free_bits.per]


def _proven(rows: Sequence[TopLevels], names: list[str]) -> set[str]:
    """Levels that alone improve the bound when they are inferred too, their rate paid: no decoder ignores them."""
    return {
        names[before.levels]
        for before, row in pairwise(rows)
        if row.levels == before.levels + 1 and row.gain_nats and row.gain_nats.low95 > 0
    }


def _harm(rows: Sequence[TopLevels], names: list[str]) -> dict[str, str]:
    """Levels that make the bound worse when they are inferred too; several at once, where a deep model skips some."""
    doubts: dict[str, str] = {}
    for before, row in pairwise(rows):
        # Records of earlier versions lack the gain; one that is not a number is no loss.
        if row.gain_nats and row.gain_nats.high95 < 0:
            worse, better = (number(r.negative_bound_nats.mean) for r in (row, before))
            rest = "with the levels above alone" if before.levels else "when no level is inferred"
            text = f"with it the bound is worse, {worse} nats for {better} {rest}"
            doubts |= dict.fromkeys(names[before.levels : row.levels], text)
    return doubts


def _level(level: LevelActivity, doubt: str, objective: ObjectiveConfig, is_early: bool) -> Level:
    spent = f"{level.used_dims:,} of {level.dims:,} {level.noun} spend nats, {number(level.rate_nats)} a datum in all"
    if level.state != "collapsed" and doubt:
        return Level(state="weak", sentence=f"{spent}; {doubt}.", advice="Leave it out, or train for longer.")
    if level.state == "collapsed" and is_early:
        return Level(state="collapsed", sentence=f"{spent}.", advice="Train beyond the warm-up, then judge it again.")
    others = "" if objective.free_bits.used else " give it free bits,"
    advice = {
        "collapsed": f"Warm its rate up for longer,{others} or leave it out.",
        "weak": "Make it narrower." if objective.free_bits.used else "Make it narrower, or give it free bits.",
    }
    return Level(state=level.state, sentence=f"{spent}.", advice=advice.get(level.state, ""))
