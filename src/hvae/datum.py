"""A datum, what a data set hands out a batch of.

Shapes: `B` batch; `T` steps of a sequence; `...` one datum, or one row of a context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from hvae.condition import Conditions
from hvae.counts import whole
from hvae.errors import HvaeError, entries
from hvae.range import check_dense, check_stored, span


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
    def is_known(self) -> Tensor:
        """Which values exist and are observed, (B, ...) bool: what a likelihood is of.

        >>> Datum(torch.zeros(2, 3), lengths=torch.tensor([2, 3])).is_known
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
        return self.is_known.flatten(1).sum(1)

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
        return self._changed(lambda t: t[rows])

    def _changed(self, change: Callable[[Tensor], Tensor]) -> Datum:
        observed, lengths = (None if t is None else change(t) for t in (self.observed, self.lengths))
        return Datum(change(self.x), {name: change(t) for name, t in self.context.items()}, observed, lengths)

    def split(self, size: int) -> Iterator[Datum]:
        """The rows in order, `size` at a time.  Raises HvaeError for a size that is no count."""
        return (self[start : start + size] for start in range(0, len(self), whole("size", size, 1)))

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Datum:
        """The same batch on a device; itself where it is there already."""
        if self.x.device == device:
            return self
        check_stored(self.x)
        return self._changed(lambda t: t.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Datum:
        """The same batch in page-locked memory, from which a GPU copies while the CPU goes on."""
        return self._changed(lambda t: t.pin_memory())


def as_datum(data: Tensor | Datum) -> Datum:
    """A bare tensor as a datum without context; a datum as it is.

    Raises HvaeError for anything else, and for parts that do not fit x.
    """
    if isinstance(data, Datum):
        _check(data)
        return data
    if not isinstance(data, Tensor):
        raise HvaeError(f"expected a tensor (B, ...) or a Datum, got {type(data).__name__}; use torch.as_tensor")
    check_dense(data)
    return Datum(data)


def _check(datum: Datum) -> None:
    entries(datum.context)
    for name, part in (("x", datum.x), ("observed", datum.observed), ("lengths", datum.lengths)):
        if not (isinstance(part, Tensor) or (part is None and name != "x")):
            raise HvaeError(f"{name}: expected a tensor, got {type(part).__name__}; use torch.as_tensor")
    check_dense(datum.x)
    shape = tuple(datum.x.shape)
    if datum.observed is not None and (tuple(datum.observed.shape) != shape or datum.observed.dtype != torch.bool):
        kind = f"{datum.observed.dtype} of shape {tuple(datum.observed.shape)}"
        raise HvaeError(f"observed: expected bool of the shape of x, {shape}, got {kind}")
    lengths = datum.lengths
    if lengths is None:
        return
    n = len(datum)
    if tuple(lengths.shape) != (n,) or lengths.is_floating_point():
        raise HvaeError(f"lengths: expected {n} whole numbers, got {lengths.dtype} of shape {tuple(lengths.shape)}")
    if n and not (int(lengths.min()) >= 0 and int(lengths.max()) <= shape[1]):
        raise HvaeError(f"lengths: expected 0 to {shape[1]} steps, got {span(lengths)}")


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
