"""The charts of a report, from its numbers; each in a light and a dark version."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hvae.explore.charts import MANY, loss_curves, rate_bars, rate_curves, unit_bars, use_curves
from hvae.explore.theme import DARK, LIGHT, Theme
from hvae.reporting.data import Curve, History, LevelNumbers, Picture, ReportData, Section
from hvae.screen.numbers import number, share

DENSE = 1.5


def charts(data: ReportData) -> list[Picture]:
    """Every chart that the data have numbers for."""
    pictures = []
    if data.levels:
        pictures += [_rates(data), _units(data)]
    if steps := _common_steps(data.history.rates):
        pictures.append(_rate_history(data.history.rates, steps, data.noun))
    if steps := _common_steps({**data.history.used, **{f"{n} says": c for n, c in data.history.information.items()}}):
        pictures.append(_use_history(data.history, steps, data.noun))
    if data.history.losses:
        pictures.append(_losses(data.history.losses, data.noun))
    return pictures


def _chart(
    draw: Callable[[Theme], bytes], *, title: str, caption: str, filename: str, section: Section, alt: str
) -> Picture:
    return Picture(
        title=title,
        caption=caption,
        png=draw(LIGHT),
        dark=draw(DARK),
        filename=filename,
        section=section,
        alt=alt,
        dense=DENSE,
    )


def _rates(data: ReportData) -> Picture:
    return _chart(
        lambda theme: rate_bars({level.name: level.nats for level in data.levels}, theme, data.noun),
        title="Rate of each level",
        caption=f"What each level spends to describe one {data.noun}, beyond what the levels above it predict. A level "
        "near zero is collapsed: the model does not use it.",
        filename="rates.png",
        section="levels",
        alt=f"Nats per {data.noun}: " + ", ".join(f"{level.name} {number(level.nats)}" for level in data.levels) + ".",
    )


def _units(data: ReportData) -> Picture:
    return _chart(
        lambda theme: unit_bars({level.name: (level.active, level.units) for level in data.levels}, theme),
        title="Active units of each level",
        caption=f"How many of a level's numbers change with the {data.noun}. Units that never change are width the "
        "model pays for and does not use.",
        filename="active-units.png",
        section="levels",
        alt="Active units: " + ", ".join(_units_text(level) for level in data.levels) + ".",
    )


def _units_text(level: LevelNumbers) -> str:
    return f"{level.name} {level.active:,} of {level.units:,}"


def _common_steps(rates: Mapping[str, Curve]) -> list[float]:
    return sorted(set.intersection(*(set(steps) for steps, _ in rates.values()))) if rates else []


def _rate_history(rates: Mapping[str, Curve], steps: list[float], noun: str) -> Picture:
    common = {name: _at(curve, steps) for name, curve in rates.items()}
    ends = ", ".join(f"{name} {number(values[-1])}" for name, values in common.items())
    many = len(rates) > MANY
    collapse = "A row that turns dark" if many else "A curve that falls to the dashed floor (0.01 nats)"
    one = "A curve that falls to zero has collapsed, at the step where it got there."
    sides = (
        "Left, all levels stacked, top level uppermost (early peaks are cut off); right, each level alone on a "
        f"logarithmic scale. {collapse} has collapsed, at the step where it got there."
    )
    return _chart(
        lambda theme: rate_curves(steps, common, theme, noun),
        title="Rate of each level over training",
        caption=sides if len(rates) > 1 else one,
        filename="rates-over-training.png",
        section="training",
        alt=f"Rates over {steps[-1]:,.0f} steps; at the end, in nats per {noun}: {ends}.",
    )


def _use_history(history: History, steps: list[float], noun: str) -> Picture:
    used, informations = (
        {n: _at(c, steps) for n, c in curves.items()} for curves in (history.used, history.information)
    )
    ends = ", ".join(f"{name} {share(values[-1])}" for name, values in used.items())
    return _chart(
        lambda theme: use_curves(steps, used, informations, theme, noun),
        title="Use of each level over training",
        caption=f"On a few validation {noun}s: the share of a level's numbers that spend more than a hundredth of a nat"
        f"{_says(noun) if informations else '. A level at zero is dead.'}",
        filename="use-over-training.png",
        section="training",
        alt=f"Share in use over {steps[-1]:,.0f} steps; at the end: {ends}.",
    )


def _says(noun: str) -> str:
    return (
        f", and what the level says of the {noun} given the levels drawn before it (from 16 {noun}s: too high, and no "
        f"more than the logarithm of the number of validation {noun}s). A level at zero on both sides is dead."
    )


def _at(curve: Curve, steps: list[float]) -> list[float]:
    by_step = dict(zip(*curve, strict=True))
    return [by_step[step] for step in steps]


def _losses(losses: Mapping[str, Curve], noun: str) -> Picture:
    ends = ", ".join(f"{name} {number(values[-1])}" for name, (_, values) in losses.items())
    return _chart(
        lambda theme: loss_curves(losses, theme, noun),
        title="Negative ELBO over training",
        caption="Lower is better. A validation curve that turns up while training falls is overfitting; two curves "
        "that still fall at the right edge ask for more steps.",
        filename="loss.png",
        section="training",
        alt=f"Negative ELBO; at the end, in nats per {noun}: {ends}.",
    )
