"""What the page of a run of a table shows: how often each value comes, in data and in samples, and some samples.

Shapes: `N` rows; `D` columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hvae.config.columns import REAL
from hvae.reporting.data import Passage, Picture
from hvae.screen.numbers import share
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.data import ImageData
    from hvae.data.columns import Column, Columns
    from hvae.explore.column_charts import Marginal
    from hvae.runs.subject import Subject
    from hvae.study.progress import Tick

Array = np.ndarray
ROWS, COLUMNS, NAMES, SHOWN = 2000, 24, 10, 12
"""Rows that are compared, columns and names with a chart, and rows of samples that are written out, at most."""
CAPTION = (
    "Each column by itself: grey, the known cells of {data:,} rows of training data; blue, {samples:,} rows drawn from "
    "the model. {laws}"
)


def exhibits(subject: Subject, data: ImageData, columns: Columns, tick: Tick) -> tuple[list[Picture], list[Passage]]:
    """Marginals of columns beside those of samples, and some samples as rows."""
    from hvae.data.tables import as_csv, top_of
    from hvae.explore.column_charts import marginal_panels
    from hvae.explore.frame import drawn_picture
    from hvae.explore.sample import Sampling
    from hvae.explore.theme import DARK, LIGHT

    top, batch = top_of(subject.run.bits), data.train.batch(range(min(ROWS, len(data.train))))
    is_known = batch.is_known.numpy()
    rows = Sampling(seed=subject.config.seed).draw(subject.run.model, len(batch), drawn_picture)
    x, samples = batch.x.double().numpy(), rows.cpu().double().numpy()
    tick(1, 2)
    panels = [
        _marginal(name, column, x[is_known[:, c], c], samples[:, c], top)
        for c, (name, column) in enumerate(list(columns.items())[:COLUMNS])
        if is_known[:, c].any()
    ]
    tick(2, 2)
    caption = CAPTION.format(data=len(batch), samples=len(samples), laws=_laws(columns))
    picture = Picture(
        title="Columns",
        caption=caption,
        png=marginal_panels(panels, LIGHT),
        dark=marginal_panels(panels, DARK),
        filename="columns.png",
        section="samples",
        alt="; ".join(_says(panel) for panel in panels),
        dense=2.0,
    )
    words = [column.words(samples[:SHOWN, c], top) for c, column in enumerate(columns.values())]
    text = as_csv(list(columns), list(zip(*words, strict=True)))
    return [picture], [Passage(title="Rows", caption="Rows drawn from the model.", text=text, section="samples")]


def _marginal(name: str, column: Column, data: Array, samples: Array, top: int) -> Marginal:
    from hvae.data.columns import Name, Real, Whole
    from hvae.explore.column_charts import Marginal

    title = for_screen(name)
    if isinstance(column, Real | Whole):
        return Marginal(title=title, data=column.numbers(data, top), samples=column.numbers(samples, top))
    assert isinstance(column, Name)
    shares = [np.bincount(column.places(some), minlength=len(column.names)) / len(some) for some in (data, samples)]
    most = np.argsort(-shares[0], kind="stable")[:NAMES]
    names = [for_screen(column.names[place]) for place in most]
    return Marginal(title=title, data=shares[0][most], samples=shares[1][most], names=names)


def _laws(columns: Columns) -> str:
    """Which column has which likelihood, and what its nats are."""
    kinds = [f"{for_screen(name)}: {column.about}" for name, column in list(columns.items())[:COLUMNS]]
    density = any(column.kind == REAL for column in columns.values())
    note = " Nats of rows sum masses and densities, and compare models of the same columns alone." * density
    more = f"; {len(columns) - COLUMNS:,} more columns" * (len(columns) > COLUMNS)
    return f"Likelihoods: {'; '.join(kinds)}{more}.{note}"


def _says(panel: Marginal) -> str:
    """A panel in words."""
    if panel.names:
        return f"{panel.title}: {panel.names[0]} {share(panel.data[0])} of data, {share(panel.samples[0])} of samples"
    return f"{panel.title}: mean {np.mean(panel.data):.4g} in data, {np.mean(panel.samples):.4g} in samples"
