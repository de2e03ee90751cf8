"""What networks read of a table: its numbers, its names one of K, and which cells are not known.

Shapes: `B` batch; `D` columns; `F` what is read of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hvae.nn.kit import Norm, Shape
from hvae.nn.mlp import MLPKit


class Kinds(NamedTuple):
    """Which columns hold whole numbers, and names, and how many each of them has; all others hold real numbers."""

    wholes: Mapping[int, int] = {}
    names: Mapping[int, int] = {}


class ReadColumns(nn.Module):
    """Cells to features, (B, D) -> (B, F); a cell of exactly 0 is one that is not known.

    Of a number: itself on [-1, 1], or 0, and whether it is known; of a name: which of its K, or none, as 1 of K + 1.

    >>> read = ReadColumns(2, {1: 2})
    >>> read(torch.tensor([[0.75, 0.5], [0.0, 0.0]]))
    tensor([[0.5000, 1.0000, 0.0000, 1.0000, 0.0000],
            [0.0000, 0.0000, 1.0000, 0.0000, 0.0000]])
    """

    def __init__(self, columns: int, names: Mapping[int, int]) -> None:
        super().__init__()
        sizes = [count + 1 for count in names.values()]
        numbers = [column for column in range(columns) if column not in names]
        self.width = sum(sizes)
        self.features = 2 * len(numbers) + self.width
        for key, values in (
            ("numbers", numbers),
            ("names", [*names]),
            ("counts", [*names.values()]),
            ("starts", [*accumulate([0, *sizes])][: len(sizes)]),
        ):
            self.register_buffer(key, torch.tensor(values, dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        numbers = x.index_select(1, self.get_buffer("numbers"))
        is_known = (numbers != 0).to(x.dtype)
        codes = (x.index_select(1, self.get_buffer("names")) * self.get_buffer("counts")).round().long()
        ones = x.new_zeros(x.shape[0], self.width).scatter(1, codes + self.get_buffer("starts"), 1.0)
        values = torch.where(numbers != 0, 2 * numbers - 1, 0.0)
        return torch.cat([values, is_known, ones], 1)


class ColumnsKit(MLPKit):
    """Dense layers over what is read of a table whose columns are of several kinds."""

    def __init__(self, norm: Norm, names: Mapping[int, int]) -> None:
        super().__init__(norm)
        self.names = names

    def enter(self, data: Shape, to: Shape) -> nn.Module:
        read = ReadColumns(math.prod(data), self.names)
        return nn.Sequential(read, self.connect((read.features,), to))
