"""A datum, what a data set hands out a batch of; and the conditions that a model asks of its context.

Shapes: `B` batch; `T` steps of a sequence; `...` one datum, or one row of a context.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from hvae.counts import whole, wholes
from hvae.errors import HvaeError, entries, short, unknown
from hvae.range import has_values

Context = Mapping[str, Tensor | float | Sequence[float]]
"""What a user says of the conditions by name: a tensor (B, ...), one value for all rows, or a list of values."""


@dataclass(frozen=True, eq=False)
class Datum:
    """A batch of data with everything that came with it.

    `x` (B, ...), or (B, T, ...) for sequences; `context`, what is known about each datum by name, each (B, ...), with
    -1 or NaN where it is unknown; `observed` (B, ...) bool, which values of x are known (all of them if None);
    `lengths` (B,) int64, how many steps of each sequence exist (all of them if None).

    >>> batch = Datum(torch.zeros(4, 1, 8, 8), {"label": torch.arange(4)})
    >>> len(batch), batch[1:3].context["label"]
    (4, tensor([1, 2]))
    """

    x: Tensor
    context: Mapping[str, Tensor] = field(default_factory=dict)
    observed: Tensor | None = None
    lengths: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def known(self) -> Tensor:
        """Which values exist and are observed, (B, ...) bool: what a likelihood is of.

        >>> Datum(torch.zeros(2, 3), lengths=torch.tensor([2, 3])).known
        tensor([[ True,  True, False],
                [ True,  True,  True]])
        """
        mask = torch.ones_like(self.x, dtype=torch.bool) if self.observed is None else self.observed
        if self.lengths is None:
            return mask
        within = torch.arange(self.x.shape[1], device=self.x.device) < self.lengths[:, None]
        return mask & within.view(*within.shape, *[1] * (self.x.ndim - 2))

    @property
    def values(self) -> Tensor:
        """How many values of each datum are known, (B,).

        >>> Datum(torch.zeros(2, 3), observed=torch.tensor([[True, True, False], [True, True, True]])).values
        tensor([2, 3])
        """
        return self.known.flatten(1).sum(1)

    @property
    def counts(self) -> Tensor:
        """How many steps each sequence has, (B,) int64.

        >>> Datum(torch.zeros(2, 3)).counts, Datum(torch.zeros(2, 3), lengths=torch.tensor([2, 3])).counts
        (tensor([3, 3]), tensor([2, 3]))
        """
        if self.lengths is not None:
            return self.lengths
        return torch.full((len(self),), self.x.shape[1], device=self.x.device)

    def __getitem__(self, rows: slice | Tensor) -> Datum:
        """Some of the rows."""
        observed, lengths = (None if t is None else t[rows] for t in (self.observed, self.lengths))
        return Datum(self.x[rows], {name: t[rows] for name, t in self.context.items()}, observed, lengths)

    def split(self, size: int) -> Iterator[Datum]:
        """The rows in order, `size` at a time.  Raises HvaeError for a size that is no count."""
        return (self[start : start + size] for start in range(0, len(self), whole("size", size, 1)))

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Datum:
        """The same batch on a device; itself where it is there already."""
        if self.x.device == device:
            return self
        x, observed, lengths = (
            None if t is None else t.to(device, non_blocking=non_blocking)
            for t in (self.x, self.observed, self.lengths)
        )
        assert x is not None
        context = {name: t.to(device, non_blocking=non_blocking) for name, t in self.context.items()}
        return Datum(x, context, observed, lengths)

    def pin_memory(self) -> Datum:
        """The same batch in page-locked memory, from which a GPU copies while the CPU goes on."""
        x, observed, lengths = (None if t is None else t.pin_memory() for t in (self.x, self.observed, self.lengths))
        assert x is not None
        return Datum(x, {name: t.pin_memory() for name, t in self.context.items()}, observed, lengths)


def as_datum(data: Tensor | Datum) -> Datum:
    """A bare tensor as a datum without context; a datum as it is.

    Raises HvaeError for anything else, and for parts that do not fit x.
    """
    if isinstance(data, Datum):
        _check(data)
        return data
    if not isinstance(data, Tensor):
        raise HvaeError(f"expected a tensor (B, ...) or a Datum, got {type(data).__name__}; use torch.as_tensor")
    return Datum(data)


def _check(datum: Datum) -> None:
    entries(datum.context)
    for name, part in (("x", datum.x), ("observed", datum.observed), ("lengths", datum.lengths)):
        if not (isinstance(part, Tensor) or (part is None and name != "x")):
            raise HvaeError(f"{name}: expected a tensor, got {type(part).__name__}; use torch.as_tensor")
    shape, n = tuple(datum.x.shape), len(datum)
    if datum.observed is not None and (tuple(datum.observed.shape) != shape or datum.observed.dtype != torch.bool):
        kind = f"{datum.observed.dtype} of shape {tuple(datum.observed.shape)}"
        raise HvaeError(f"observed: expected bool of the shape of x, {shape}, got {kind}")
    lengths = datum.lengths
    if lengths is None:
        return
    if tuple(lengths.shape) != (n,) or lengths.is_floating_point():
        raise HvaeError(f"lengths: expected {n} whole numbers, got {lengths.dtype} of shape {tuple(lengths.shape)}")
    if n and not (int(lengths.min()) >= 0 and int(lengths.max()) <= shape[1]):
        raise HvaeError(f"lengths: expected 0 to {shape[1]} steps, got {_span(lengths)}")


def _span(value: Tensor) -> str:
    """From the least to the greatest of some whole numbers, or the only one.

    >>> _span(torch.tensor([5, 5])), _span(torch.tensor([3, -1, 5]))
    ('5', '-1 to 5')
    """
    low, high = int(value.min()), int(value.max())
    return f"{low} to {high}" if low < high else str(low)


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
            raise HvaeError(f"context['{name}']: expected {self}{self._or_unknown}, got {_span(value)}")
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


def relevant(datum: Datum, conditions: Conditions) -> Datum:
    """The datum with that part of its context which a model asks for: data sets know more than each model needs."""
    if all(name in conditions for name in datum.context):
        return datum
    return replace(datum, context={name: t for name, t in datum.context.items() if name in conditions})


def filled(x: Tensor, mask: Tensor) -> Tensor:
    """Data (B, ...), what `mask` (B, ...) bool leaves out at the mean of the rest, for each datum its own; 0 of none.

    >>> filled(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
    tensor([[1., 3., 2.]])
    """
    total = torch.where(mask, x, 0.0).flatten(1).sum(1)
    mean = total / mask.flatten(1).sum(1).clamp_min(1)
    return torch.where(mask, x, mean.view(-1, *[1] * (x.ndim - 1)))
