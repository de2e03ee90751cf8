"""The columns of a table: how often each value comes in data and in samples.

Shapes: `N` data; `M` samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hvae.explore.charts import CURVES, as_png
from hvae.explore.theme import LIGHT, Theme
from hvae.screen.numbers import short

Array = np.ndarray
ACROSS, HIGH, BINS, LETTERS = 3, 2.3, 24, 16
"""Panels in a row, inches of one, bars of numbers, and letters of a name beside its bar."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Marginal:
    """The cells of one column: numbers (N,) and (M,), or the shares of its `names`."""

    title: str
    data: Array
    samples: Array
    names: Sequence[str] = ()


def marginal_panels(columns: Sequence[Marginal], theme: Theme = LIGHT) -> bytes:
    """A panel for each column: data as an area or bars, samples as a line or points beside them.

    >>> marginal_panels([Marginal(title="age", data=np.arange(9.0), samples=np.arange(5.0))])[:4]
    b'\\x89PNG'
    """
    rows = -(-len(columns) // ACROSS)
    with matplotlib.rc_context(theme.style()):
        figure = Figure(figsize=(CURVES, 0.5 + HIGH * rows), layout="constrained")
        FigureCanvasAgg(figure)
        panes = figure.subplots(rows, ACROSS, squeeze=False).flatten()
        for axes, column in zip(panes, columns, strict=False):
            (_names if column.names else _numbers)(axes, column, theme)
            axes.set_title(_cut(column.title))
        for axes in panes[len(columns) :]:
            axes.set_visible(False)
        handles, labels = panes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2)
        return as_png(figure)


def _numbers(axes: Axes, column: Marginal, theme: Theme) -> None:
    ends = np.concatenate([column.data, column.samples])
    edges = np.linspace(ends.min(), max(ends.max(), ends.min() + 1e-9), BINS + 1).tolist()
    data, samples = (np.full(len(values), 100 / len(values)) for values in (column.data, column.samples))
    axes.hist(column.data, edges, weights=data, color=theme.line, label="data")
    axes.hist(column.samples, edges, weights=samples, color=theme.first, histtype="step", label="samples")
    axes.set(ylabel="%")
    axes.xaxis.set_major_formatter(lambda value, _: short(value))


def _names(axes: Axes, column: Marginal, theme: Theme) -> None:
    places = np.arange(len(column.names))
    axes.barh(places, 100 * column.data, color=theme.line, height=0.7, label="data")
    axes.plot(100 * column.samples, places, "o", color=theme.first, label="samples")
    axes.set(yticks=places, yticklabels=[_cut(name) for name in column.names], xlabel="%", xlim=(0, None))
    axes.set_ylim(len(places) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _cut(text: str) -> str:
    # A dollar would begin a formula.
    return (text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…").replace("$", r"\$")
