"""Which columns of a table a model understands: nats of their cells, beside those of each column by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.cells import CellNats, ColumnsResult, by_column, law_of, marginals, reconstructions
from hvae.metrics.columns import surprises
from hvae.runs.columns import columns_of
from hvae.screen.numbers import counted
from hvae.study.measure import Headline, Measure, spread
from hvae.study.tables import is_mixed

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import Split
    from hvae.reporting.data import Sheet
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work

CELLS, DRAWS = 20_000, 20
"""Cells that are measured, at most, and draws for each that is held out."""


class ByColumn(Measure[ColumnsResult]):
    """The reconstruction term column by column, and each cell given the others beside the marginal of its column."""

    name = "columns"
    about = "of tables, nats of each column: reconstruction, given the other columns, and by itself"
    cost = "quick"
    place = 45
    is_for = "others"
    result = ColumnsResult
    units: ClassVar[Mapping[str, str]] = {
        "columns.reconstruction_nats": "nats a row; -E_q[log p(x_c given z)], summing to that of all columns",
        "columns.held_nats": "nats a cell; -log p(x_c given the other cells), by importance sampling",
        "columns.marginal_nats": "nats a cell; the column's own law, fitted to the training data",
        "columns.gain_nats": "nats a cell; marginal less held, paired",
    }

    def take(self, work: Work) -> ColumnsResult:
        """On the first rows; the marginals are of the training data."""
        columns, split, seed = columns_of(work.subject.run) or {}, work.images, work.config.seed
        names = list(columns) or [f"column {c + 1}" for c in range(work.model.shape[0])]
        count = min(len(split), max(1, CELLS // len(names)))
        with work.bar("reconstruction by column") as tick:
            lost = reconstructions(work.model, work.batches(count), seed=seed, progress=tick)
        with work.bar("each column given the others") as tick:
            batches = work.batches(count)
            surprise = surprises(work.model, batches, draws=DRAWS, chunk_rows=work.rows, seed=seed, progress=tick)
        train = _cells(work.subject.images.train, len(work.subject.images.train))
        marginal = marginals(law_of(work.model), train, _cells(split, count))
        return by_column(names, lost, surprise, marginal, draws=DRAWS, seed=seed)

    def concerns(self, work: Work) -> bool:
        """Only a likelihood for each column can be taken apart."""
        return super().concerns(work) and is_mixed(work.subject.run)

    def obstacle(self, work: Work) -> str:
        """The same, where it is asked for by name."""
        mixed = is_mixed(work.subject.run)
        return "" if mixed else "a law for each column is needed (model.likelihood columns), and this model has none"

    def headlines(self, result: ColumnsResult, evaluation: Evaluation) -> Iterator[Headline]:
        """How many columns are told by the others."""
        understood = [one for one in result.columns if one.is_understood]
        value = f"{len(understood)} of {counted(len(result.columns), 'column')}"
        note = f"told by the others more than by themselves, beyond the 95 % interval; {result.data:,} rows"
        yield Headline("columns understood", value, note)

    def sheets(self, result: ColumnsResult) -> Iterator[Sheet]:
        """A row a column, the best understood first."""
        from hvae.reporting.data import Sheet

        yield Sheet(
            title="What is understood of each column",
            heads=("column", "cells", "reconstruction", "given the others", "by itself", "gain"),
            rows=[_row(one) for one in sorted(result.columns, key=lambda one: -one.gain_nats.mean)],
            note="nats with 95 % intervals: -log p(x_c given z), z of q, which sum over the columns to the "
            f"reconstruction term, {spread(result.reconstruction_nats)} nats a row; -log p of a cell given the other "
            f"cells, by {result.draws} draws; -log p of it by the law of its column alone, fitted to the training "
            "data; and the difference of these two. Of real numbers they are densities of values in [0, 1].",
        )


def _row(one: CellNats) -> tuple[str, ...]:
    nats = (one.reconstruction_nats, one.held_nats, one.marginal_nats, one.gain_nats)
    return (one.column, f"{one.cells:,}", *(spread(each) for each in nats))


def _cells(split: Split, count: int) -> Tensor:
    """The first rows, (N, D), NaN where a cell is not known."""
    import torch

    datum = split.batch(range(count))
    return datum.x.where(datum.is_known, torch.nan)
