"""The likelihood of a table: each column by a law of its own.

    real numbers     a Gaussian of one fixed standard deviation, a share of the column's range       (1 raw number)
    whole numbers    a discretised logistic with a location and a scale for each row                (2)
    names            a free probability for each                                                    (as many as names)

Shapes: as in `heads`.
"""

from __future__ import annotations

from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.distributions import Distribution, Normal
from hvae.distributions.columns import Columns, Names, Wholes
from hvae.errors import HvaeError
from hvae.levels.heads import Head, Shape
from hvae.levels.logisticheads import CEILING, START, floor_of
from hvae.nn.columns import Kinds


class ColumnsHead(Head):
    """Raw numbers to a law of each column: locations of the real ones, locations and then log-scales of the whole ones,
    logits of the names, column after column.

    Arguments: `shape` (D,); `kinds` of the columns; `sigma` of real numbers, in units of data in [0, 1].  Raises
    HvaeError for data of axes, and for columns that there are not.

    >>> head = ColumnsHead((3,), Kinds(wholes={1: 90}, names={2: 4}), sigma=0.05)
    >>> head
    ColumnsHead((3,), width=7)
    >>> head(torch.zeros(5, 7)).sample().shape
    torch.Size([5, 3])
    """

    def __init__(self, shape: Shape, kinds: Kinds, *, sigma: float = 0.05) -> None:
        wholes, names = kinds
        if len(shape) != 1 or not {*wholes, *names} <= {*range(shape[0])}:
            raise HvaeError(
                f"model.likelihood columns: expected a table of as many columns as model.columns has, got data of "
                f"shape {tuple(shape)}; leave model.columns out, the data say it"
            )
        reals = [column for column in range(shape[0]) if column not in wholes and column not in names]
        self.parts = [len(reals), len(wholes), len(wholes), sum(names.values())]
        super().__init__(shape, sum(self.parts))
        self.sigma, self.floor = sigma, floor_of(max([2, *wholes.values()]))
        # Where the logits of each name stand among all: past the end, at minus infinity, beyond the names of a column.
        most, starts = max([0, *names.values()]), accumulate(names.values(), initial=0)
        firsts = list(zip(starts, names.values(), strict=False))
        table = [[start + k if k < count else self.parts[3] for start, count in firsts] for k in range(most)]
        place = {column: at for at, column in enumerate([*reals, *wholes, *names])}
        for key, values in (
            ("reals", reals),
            ("wholes", [*wholes]),
            ("names", [*names]),
            ("levels", [*wholes.values()]),
            ("counts", [*names.values()]),
            ("order", [place[column] for column in range(shape[0])]),
        ):
            self.register_buffer(key, torch.tensor(values, dtype=torch.int64), persistent=False)
        self.register_buffer(
            "table", torch.tensor(table, dtype=torch.int64).reshape(most, len(names)), persistent=False
        )

    def read(self, raw: Tensor) -> Distribution:
        real, loc, log_scale, logits = raw.split(self.parts, 1)
        log_scale = (log_scale + START).clamp(self.floor, CEILING)
        laws: dict[str, Distribution] = {
            "reals": Normal((real + 1) / 2, real.new_tensor(self.sigma).expand_as(real)),
            "wholes": Wholes(loc, log_scale, self.get_buffer("levels").to(raw.dtype)),
            "names": Names(self._logits(logits), self.get_buffer("counts").to(raw.dtype)),
        }
        some = {key: law for key, law in laws.items() if self.get_buffer(key).shape[0]}
        return Columns([*some.values()], [self.get_buffer(key) for key in some], self.get_buffer("order"))

    def _logits(self, logits: Tensor) -> Tensor:
        """(B, sum of names) -> (B, K, columns of names)."""
        table = self.get_buffer("table")
        padded = F.pad(logits, (0, 1), value=-torch.inf)
        return padded.index_select(1, table.flatten()).unflatten(1, tuple(table.shape))
