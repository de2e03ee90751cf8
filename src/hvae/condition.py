"""What a model asks of the context of its data, and the rows of a context that it takes.

Shapes: `B` batch; `...` one row of a context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.counts import whole, wholes
from hvae.errors import HvaeError, short, unknown
from hvae.range import has_values, span

Context = Mapping[str, Tensor | float | Sequence[float]]
"""What a user says of the conditions by name: a tensor (B, ...), one value for all rows, or a list of values."""


@dataclass(frozen=True)
class Condition:
    """What a model asks of one entry of the context.

    `classes` above 0: whole numbers from 0 to classes - 1 of `shape` for each row, -1 where they are unknown: a class,
    or the tokens of a text.  Otherwise numbers of `shape` for each row, NaN where they are unknown.  An `optional`
    condition may be left out, which makes every row unknown; of another one an unknown row is an error.

    >>> Condition(classes=10).rows("label", 7, 2, torch.device("cpu"))
    tensor([7, 7])
    >>> Condition(shape=(2,)).rows("vector", [0.5, 1.0], 1, torch.device("cpu"))
    tensor([[0.5000, 1.0000]])
    """

    classes: int = 0
    shape: tuple[int, ...] = ()
    optional: bool = False

    def __post_init__(self) -> None:
        whole("classes", self.classes)
        wholes("shape", self.shape)

    def __str__(self) -> str:
        if self.is_text:
            return f"a text of {self.shape[0]} tokens from 0 to {self.classes - 1}"
        return f"a class from 0 to {self.classes - 1}" if self.classes else f"numbers of shape {self.shape or '()'}"

    @property
    def is_text(self) -> bool:
        """Whether its rows are tokens of a text."""
        return bool(self.classes and self.shape)

    def unknown(self, n: int, device: torch.device) -> Tensor:
        """n rows of which nothing is known, (n, ...)."""
        if self.classes:
            return torch.full((n, *self.shape), -1, device=device)
        return torch.full((n, *self.shape), torch.nan, device=device)

    def placeholder(self, n: int, device: torch.device) -> Tensor:
        """n valid rows, all zero, (n, ...): for walks whose values do not matter."""
        return torch.zeros((n, *self.shape), dtype=torch.int64 if self.classes else torch.float32, device=device)

    def rows(self, name: str, value: Tensor | float | Sequence[float], n: int, device: torch.device) -> Tensor:
        """The value as n rows (n, ...); one value stands for all of them.  Raises HvaeError where it does not fit."""
        values = self._typed(name, _as_tensor(name, value).to(device))
        values = values[None] if tuple(values.shape) == self.shape else values
        if tuple(values.shape[1:]) != self.shape or values.shape[0] not in (1, n):
            got = tuple(values.shape)
            raise HvaeError(f"context['{name}']: expected shape {(n, *self.shape)} (or one row), got {got}")
        return values.expand(n, *self.shape)

    @property
    def _or_unknown(self) -> str:
        return " (-1: unknown)" if self.optional else ""

    def _numbers(self, name: str, value: Tensor) -> Tensor:
        if value.is_complex() or (has_values(value) and bool(self._odd(value).any())):
            extent = "finite numbers (NaN: unknown)" if self.optional else "finite numbers"
            raise HvaeError(f"context['{name}']: expected {extent}, got others (infinite, complex or unknown)")
        return value.float() if value.dtype.itemsize < 4 or not value.is_floating_point() else value

    def _odd(self, value: Tensor) -> Tensor:
        return value.isinf() if self.optional else ~value.isfinite()

    def _typed(self, name: str, value: Tensor) -> Tensor:
        if not self.classes:
            return self._numbers(name, value)
        if value.is_floating_point() or value.dtype == torch.bool:
            raise HvaeError(f"context['{name}']: expected {self}{self._or_unknown}, got values of {value.dtype}")
        # A model that must know it has no answer to -1: as an index that is the last class.
        least = -1 if self.optional else 0
        if has_values(value) and not (int(value.min()) >= least and int(value.max()) < self.classes):
            raise HvaeError(f"context['{name}']: expected {self}{self._or_unknown}, got {span(value)}")
        return value.long()


def _as_tensor(name: str, value: object) -> Tensor:
    """Raises HvaeError for what holds no numbers, such as the name of a class."""
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise HvaeError(
            f"context['{name}']: expected a number, or a tensor or list of them, got {short(value)}"
        ) from None


Conditions = Mapping[str, Condition]
"""The conditions of a model by name."""


def row_count(conditions: Conditions, context: Context) -> int:
    """How many rows a context speaks of: the longest of its entries, 1 where each is one value for all rows."""
    counts = [1]
    for name, value in context.items():
        size = _as_tensor(name, value).shape
        per_row = conditions[name].shape if name in conditions else ()
        counts.append(size[0] if len(size) > len(per_row) else 1)
    return max(counts)


def rows(conditions: Conditions, context: Context, n: int, device: torch.device) -> dict[str, Tensor]:
    """The context of n rows as a model with these conditions takes it, {name: (n, ...)}.

    Raises HvaeError for names that the model does not know, values that do not fit, and conditions left out.
    """
    for name in context:
        if name not in conditions:
            raise _unasked(name, conditions)
    return {name: _entry(name, condition, context, n, device) for name, condition in conditions.items()}


def _entry(name: str, condition: Condition, context: Context, n: int, device: torch.device) -> Tensor:
    if name in context:
        return condition.rows(name, context[name], n, device)
    if not condition.optional:
        raise missing(name, condition)
    return condition.unknown(n, device)


def _unasked(name: str, conditions: Conditions) -> HvaeError:
    if not conditions:
        return HvaeError(f"this model has no conditions, got context['{name}']; leave the context out")
    return unknown("condition", name, conditions)


def missing(name: str, condition: Condition) -> HvaeError:
    """The error for a condition that was left out."""
    return HvaeError(f"this model is conditional: '{name}' is {condition}; give it as context={{'{name}': ...}}")
