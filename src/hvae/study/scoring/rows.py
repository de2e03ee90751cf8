"""Which cell of each row of a table is the oddest, by the run and beside its validation rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hvae.records import JSON
from hvae.runs.columns import columns_of, table_keys
from hvae.study.images import Images

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data.columns import Columns
    from hvae.data.tables import Table
    from hvae.study.scoring.judge import Judge

DRAWS = 20
"""Of latents for each cell that is hidden."""
RARE = 0.01
HEADS = ("column", "cell", "cell_nats", "cell_share")


@dataclass(frozen=True, kw_only=True)
class OddCell:
    """A cell as it is written, -log p(cell given the other cells) in nats, and the share of validation rows whose cell
    of that column is as surprising or more; a name that training has not seen has infinite nats and a share of 0."""

    column: str
    cell: str
    nats: float
    share: float

    def row(self) -> list[str]:
        """As cells of a table."""
        return [self.column, self.cell, f"{self.nats:.6g}", f"{self.share:.3g}"]


def odd_cells(judge: Judge, images: Images) -> tuple[OddCell, ...]:
    """The oddest cell of each row; none of data that are no table."""
    from hvae.data import Split
    from hvae.data.tables import top_of
    from hvae.metrics.columns import oddest

    columns, run = columns_of(judge.subject.run), judge.subject.run
    if columns is None or not isinstance(images.split, Split):
        return ()
    odd = oddest(_surprises(judge, images, "cells"), _surprises(judge, Images(judge.valid), "cells of validation data"))
    table, names, places = _table(judge), list(columns), images.split.rows.tolist()
    x = images.batch(range(len(images))).x.double().numpy()
    columns_cells = {name: table.column(name) for name in names} if table else {}
    cells = []
    for i, c in enumerate(odd.column.tolist()):
        name, row = names[c], places[i]  # of the user's file: its rows are the store's
        cell = columns_cells[name][row] if table else columns[name].words(x[i : i + 1, c], top_of(run.bits))[0]
        cells.append(OddCell(column=name, cell=cell, nats=float(odd.nats[i]), share=float(odd.share[i])))
    strange = _strange(table, columns) if table else {}
    return tuple(strange.get(place, cell) for place, cell in zip(places, cells, strict=True))


def _surprises(judge: Judge, images: Images, what: str) -> Tensor:
    from hvae.metrics.columns import surprises

    with judge.progress.bar(what) as tick:
        batches = images.batches(judge.subject.config.batch)
        model, seed = judge.subject.run.model, judge.request.seed
        return surprises(model, batches, draws=DRAWS, chunk_rows=judge.rows, seed=seed, progress=tick)


def _table(judge: Judge) -> Table | None:
    """The cells of the user's file, as they are written; None of the run's own rows."""
    from hvae.config.columns import TABLES
    from hvae.data.tables import read_cells
    from hvae.files import expanded

    source = str(judge.request.data)
    if not source.lower().endswith(TABLES):
        return None
    return read_cells(expanded(source), table_keys(judge.subject.run, source).missing)


def _strange(table: Table, columns: Columns) -> dict[int, OddCell]:
    """By row, a name that training has not seen."""
    from hvae.data.columns import Name

    return {
        row: OddCell(column=name, cell=cell, nats=float("inf"), share=0.0)
        for name, column in columns.items()
        if isinstance(column, Name)
        for row, cell in enumerate(table.column(name))
        if cell and cell not in column.names
    }


def by_column(cells: Sequence[OddCell]) -> JSON:
    """In how many rows each column has a cell of a share of at most one in a hundred, the commonest first."""
    return dict(Counter(cell.column for cell in cells if cell.share <= RARE).most_common())
