"""What measurements have in common: an estimate with its uncertainty, and results as plain values.

Shapes: `N` data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from torch import Tensor

from hvae.screen import numbers

Z95 = 1.959964
"""Half width of a central 95 % interval of the standard normal."""


@dataclass(frozen=True)
class Estimate:
    """A mean over data, its standard error, and the 95 % confidence interval of the mean.

    The uncertainty is that of the choice of the data: another test set of the same size.  One datum has none (NaN).
    """

    mean: float
    standard_error: float
    low95: float
    high95: float

    def __str__(self) -> str:
        return numbers.estimate(self.mean, Z95 * self.standard_error)


def estimate(values: Tensor, unit: float = 1.0) -> Estimate:
    """The mean of one number for each datum, (N,), divided by `unit`.

    >>> import torch
    >>> e = estimate(torch.tensor([1.0, 3.0]))
    >>> e.mean, round(e.standard_error, 3), round(e.low95, 3), round(e.high95, 3)
    (2.0, 1.0, 0.04, 3.96)
    """
    values = values.double()
    mean = float(values.mean()) / unit
    error = float(values.std()) / unit / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Estimate(mean, error, mean - Z95 * error, mean + Z95 * error)


def plain(result: Any) -> Any:
    """A result as dicts, lists and numbers that JSON can hold: what is not finite becomes None.

    >>> plain({"a": [1, float("nan")]})
    {'a': [1, None]}
    """
    if is_dataclass(result):
        return {f.name: plain(getattr(result, f.name)) for f in fields(result)}
    if isinstance(result, Mapping):
        return {str(key): plain(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [plain(value) for value in result]
    return None if isinstance(result, float) and not math.isfinite(result) else result
