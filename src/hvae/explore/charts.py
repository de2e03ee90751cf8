"""Charts of a hierarchy: the rate of each level, its active units, and both over training.

Each takes plain numbers and a theme and gives the bytes of a PNG.  Figures are independent objects: no pyplot, no
global state.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hvae.explore.theme import LIGHT, Theme
from hvae.screen.numbers import number, short

BARS, CURVES = 5.1, 10.2  # inches wide: half a page, a page
MANY = 8
COLLAPSED = 0.01
"""Nats per datum below which a curve is at the floor of the logarithmic chart."""


def rate_bars(rates: Mapping[str, float], theme: Theme = LIGHT, noun: str = "image") -> bytes:
    """Rate of each level in nats per `noun`, top level first, with the bits beside the bar.

    >>> rate_bars({"z2": 3.5, "z1": 21.0})[:4]
    b'\\x89PNG'
    """
    with matplotlib.rc_context(theme.style()):
        figure, axes = _figure(1, BARS, _bars_height(len(rates)))
        texts = [f" {number(nats)} nats = {number(nats / math.log(2))} bits" for nats in rates.values()]
        _bars(axes[0], list(rates), list(rates.values()), texts, theme.shades(len(rates)))
        axes[0].set(xlabel=f"nats per {noun}", xlim=(0, 1.55 * max([*rates.values(), 1e-9])))
        return as_png(figure)


def unit_bars(units: Mapping[str, tuple[int, int]], theme: Theme = LIGHT) -> bytes:
    """The share of each level's units that are active, top level first; `units` is {level: (active, all)}."""
    with matplotlib.rc_context(theme.style()):
        figure, axes = _figure(1, BARS, _bars_height(len(units)))
        shares = [100 * active / total for active, total in units.values()]
        axes[0].barh(list(units), [100] * len(units), color=theme.line, height=0.62)
        texts = [f" {active:,} of {total:,}" for active, total in units.values()]
        _bars(axes[0], list(units), shares, texts, theme.shades(len(units)), at=100)
        axes[0].set(xlabel="active units, % of the level", xlim=(0, 136), xticks=range(0, 101, 25))
        return as_png(figure)


def rate_curves(
    steps: Sequence[float], rates: Mapping[str, Sequence[float]], theme: Theme = LIGHT, noun: str = "image"
) -> bytes:
    """Nats per `noun` of each level over training, top level first: stacked, and each alone on a logarithmic scale.

    Up to 8 levels are curves; more, which would cover one another, are the rows of a map.  A single level is one area.
    """
    if len(rates) == 1:
        return _rate_curve(steps, *next(iter(rates.items())), theme, noun)
    with matplotlib.rc_context(theme.style()):
        figure, (stacked, alone) = _figure(2, CURVES, 3.9 if len(rates) <= MANY else 4.6)
        values = np.asarray(list(rates.values()), float)  # (L, steps)
        _stack(stacked, steps, values, theme)
        (_lines if len(rates) <= MANY else _map)(alone, steps, values.clip(COLLAPSED), list(rates), theme)
        for axes in (stacked, alone):
            _over(axes, steps)
        stacked.set(ylabel=f"nats per {noun}")
        return as_png(figure)


def _rate_curve(steps: Sequence[float], name: str, rates: Sequence[float], theme: Theme, noun: str) -> bytes:
    with matplotlib.rc_context(theme.style()):
        figure, (axes,) = _figure(1, CURVES, 3.9)
        _stack(axes, steps, np.asarray([rates], float), theme)
        _over(axes, steps)
        axes.set(title=f"The only level, {name}", ylabel=f"nats per {noun}")
        return as_png(figure)


def use_curves(
    steps: Sequence[float],
    used: Mapping[str, Sequence[float]],
    information: Mapping[str, Sequence[float]],
    theme: Theme = LIGHT,
    noun: str = "image",
) -> bytes:
    """Two views of each level over training, top level first: the share of used units, and the mutual information with
    the data.

    `used` in 0 to 1, `information` in nats (it may be empty).  Up to 8 levels are curves, more the rows of maps.
    """
    panels = [("Share in use", "% of the level", {n: 100 * np.asarray(u, float) for n, u in used.items()})]
    if information:
        informations = {name: np.asarray(nats, float) for name, nats in information.items()}
        panels.append((f"Information about the {noun}", f"nats per {noun}", informations))
    with matplotlib.rc_context(theme.style()):
        figure, places = _figure(len(panels), CURVES, 3.9 if len(used) <= MANY else 4.6)
        for axes, (title, unit, curves) in zip(places, panels, strict=True):
            values = np.asarray(list(curves.values()), float)  # (L, steps)
            (_few if len(curves) <= MANY else _many)(axes, steps, values, list(curves), theme, unit)
            _over(axes, steps)
            axes.set(title=title)
        # Beside the panels: inside one it would lie on a curve, since shares come to rest at the top.
        if len(used) <= MANY:
            figure.legend(*places[0].get_legend_handles_labels(), loc="outside right upper")
        return as_png(figure)


def _few(axes: Axes, steps: Sequence[float], values: np.ndarray, names: list[str], theme: Theme, unit: str) -> None:
    for name, row, shade in zip(names, values, theme.shades(len(names)), strict=True):
        axes.plot(steps, row, _mark(steps), color=shade, label=name)
    axes.set(ylabel=unit)
    axes.set_ylim(min(0.0, float(values.min())), 1.05 * max(float(values.max()), 0.1))


def _many(axes: Axes, steps: Sequence[float], values: np.ndarray, names: list[str], theme: Theme, unit: str) -> None:
    _rows(axes, steps, values, names, Normalize(min(0.0, float(values.min())), max(float(values.max()), 0.1)), unit)


def loss_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], theme: Theme = LIGHT, noun: str = "image"
) -> bytes:
    """Losses in nats per `noun` over training; `curves` is {name: (steps, values)}, two at most."""
    assert len(curves) <= 2, "two hues, two curves"
    with matplotlib.rc_context(theme.style()):
        figure, axes = _figure(1, CURVES, 3.4)
        hues = zip((theme.first, theme.second), ("-", "--"), strict=True)
        for (name, (steps, values)), (hue, dash) in zip(curves.items(), hues, strict=False):
            axes[0].plot(steps, values, dash + _mark(steps), color=hue, label=name)
        _by_step(axes[0])
        axes[0].set(ylabel=f"nats per {noun}", ylim=_usual([v for _, v in curves.values()]))
        axes[0].yaxis.set_major_formatter(lambda value, _: short(value))
        axes[0].legend()
        return as_png(figure)


def _over(axes: Axes, steps: Sequence[float]) -> None:
    """Give a panel its axis of these steps."""
    _by_step(axes)
    axes.set(xlim=_span(steps))


def _by_step(axes: Axes) -> None:
    """Name an axis of steps: they are whole, and half a page has room for six of them."""
    axes.set(xlabel="step")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=True))


def _span(steps: Sequence[float]) -> tuple[float, float]:
    """The range of an axis of steps, also of a single one, around it."""
    first, last = min(steps), max(steps)
    return (first, last) if last > first else (first - 1, first + 1)


def _mark(steps: Sequence[float]) -> str:
    """A point where there is but one step, since a line through it could not be seen."""
    return "o" if len(steps) == 1 else ""


def _figure(panels: int, width: float, height: float) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    panes = figure.subplots(1, panels, squeeze=False)[0]
    for axes in panes:
        axes.xaxis.set_major_formatter(lambda value, _: short(value))
    return figure, panes


def _bars_height(count: int) -> float:
    return 0.9 + 0.36 * count


def _bars(
    axes: Axes, names: list[str], values: list[float], texts: list[str], shades: list, at: float | None = None
) -> None:
    axes.barh(names, values, color=shades, height=0.62)
    for row, (value, text) in enumerate(zip(values, texts, strict=True)):
        axes.text(value if at is None else at, row, text, va="center")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)


def _stack(axes: Axes, steps: Sequence[float], values: np.ndarray, theme: Theme) -> None:
    # Reversed, so that the top level lies on top of the stack as it does in the model.
    if len(steps) == 1:  # an area needs two
        steps, values = _span(steps), values.repeat(2, 1)
    axes.stackplot(steps, values[::-1].clip(0), colors=theme.shades(len(values))[::-1], linewidth=0)
    axes.set(title="All levels, stacked", ylim=(0, _usual([values.clip(0).sum(0)])[1]))
    axes.yaxis.set_major_formatter(lambda value, _: short(value))


def _lines(axes: Axes, steps: Sequence[float], values: np.ndarray, names: list[str], theme: Theme) -> None:
    shades = theme.shades(len(names))
    for row, shade in zip(values, shades, strict=True):
        axes.plot(steps, row, _mark(steps), color=shade)
    axes.axhline(COLLAPSED, color=theme.second, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.set(title="Each level alone", yscale="log")
    axes.set_ylim(COLLAPSED * 0.8, 1.6 * max(values.max(), 10 * COLLAPSED))
    _name_ends(axes, names, values[:, -1], shades)


def _name_ends(axes: Axes, names: list[str], ends: np.ndarray, shades: list) -> None:
    """Labels at the right ends of the curves, moved apart where they would overlap."""
    bottom, top = np.log10(axes.get_ylim())
    height, line = top, 0.068 * (top - bottom)
    for i in np.argsort(ends)[::-1]:
        height = min(np.log10(ends[i]), height - line)
        axes.annotate(
            names[i],
            (1, 10**height),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=shades[i],
            weight="bold",
            annotation_clip=False,
        )


def _map(axes: Axes, steps: Sequence[float], values: np.ndarray, names: list[str], theme: Theme) -> None:
    norm = LogNorm(COLLAPSED, max(values.max(), 10 * COLLAPSED))
    _rows(axes, steps, values, names, norm, "nats")
    axes.set(title="Each level alone")


def _rows(axes: Axes, steps: Sequence[float], values: np.ndarray, names: list[str], norm: Normalize, unit: str) -> None:
    edges = np.append(steps, steps[-1] + max(steps[-1] - steps[0], 1) / len(steps))
    mesh = axes.pcolormesh(edges, np.arange(len(names) + 1), values, norm=norm, cmap="cividis", rasterized=True)
    every = math.ceil(len(names) / 20)
    axes.set(yticks=np.arange(0, len(names), every) + 0.5, yticklabels=names[::every])
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.figure.colorbar(mesh, ax=axes, label=unit)


def _usual(curves: list[Sequence[float]]) -> tuple[float, float]:
    """An axis range that ignores the first tenth, often orders of magnitude above the rest."""
    late = np.concatenate([np.asarray(v, float)[len(v) // 10 :] for v in curves])
    low, high = float(np.nanmin(late)), float(np.nanmax(late))
    margin = 0.06 * max(high - low, 1e-6)
    return low - margin, high + margin


def as_png(figure: Figure) -> bytes:
    """A figure as a PNG, the same bytes for the same numbers."""
    out = io.BytesIO()
    # Matplotlib writes its version into the file unless told not to; the bytes should depend on the numbers alone.
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
