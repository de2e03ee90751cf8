"""Data of the user's own as batches that training can ask for by index: arrays, data sets of torch, of Hugging Face.

Shapes: `N` data; `B` batch; `...` one datum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from hvae.datum import Datum, as_datum
from hvae.errors import HvaeError
from hvae.range import check_stored

DATA_KEYS = ("x", "image", "img", "images", "pixel_values", "data", "audio", "sequence")
LABEL_KEYS = ("label", "labels", "y", "target", "fine_label")
KINDS = "a Split, a tensor or array (N, ...), a pair (x, y) of them, a map-style data set, a DataLoader of one"


@runtime_checkable
class Batches(Protocol):
    """Data of any kind that can be trained on: a `Split`, or anything with its two methods."""

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor, generator: torch.Generator) -> Tensor | Datum:
        """The data (B, ...) of these indices (B,): a pure function of the indices and the generator."""


Source = (
    Batches | Datum | Tensor | np.ndarray[Any, Any] | tuple[Any, Any] | Dataset[Any] | DataLoader[Any] | Sequence[Any]
)
"""Everything that `as_batches` takes."""


def as_batches(source: Source) -> Batches:
    """What a user trains on as `Batches`.

    `source`: a `Split` or anything with `len()` and `batch(indices, generator)`; a tensor or NumPy array (N, ...); a
    pair (x, y) of them, y (N,) whole numbers; a `Datum`; a map-style torch `Dataset` or a Hugging Face data set whose
    items are x, (x, y) or a mapping with one of the usual keys; a `DataLoader`, of which the data set and the collating
    are used (order and batch size are those of the training).  Values are floats in [0, 1], NaN where they are missing
    (then not observed, and 0 in x); integers of one byte are divided by 255.  Raises HvaeError for anything else.

    >>> batches = as_batches((np.zeros((5, 1, 4, 4), np.float32), np.arange(5)))
    >>> len(batches), batches.batch(torch.tensor([1, 3]), torch.Generator()).context["label"]
    (5, tensor([1, 3]))
    """
    # A data set of Hugging Face has a method `batch` too, which does something else.
    if isinstance(source, Batches) and type(source).__module__.partition(".")[0] != "datasets":
        return source
    if isinstance(source, DataLoader):
        collate = source.collate_fn
        return _items(source.dataset, _by_item if collate is None else lambda items: _by_batch(collate(items)))
    if isinstance(source, Datum):
        check_stored(as_datum(source).x)
        return _Table(source)
    if isinstance(source, (Tensor, np.ndarray)):
        return _Table(_datum(source, None))
    if isinstance(source, tuple) and len(source) == 2 and all(isinstance(a, (Tensor, np.ndarray)) for a in source):
        return _Table(_datum(source[0], source[1]))
    return _items(source, _by_item)


@dataclass(frozen=True, eq=False)
class _Table:
    """Data that are in memory as they are used."""

    datum: Datum

    def __len__(self) -> int:
        return len(self.datum)

    def batch(self, indices: Tensor, generator: torch.Generator) -> Datum:
        return self.datum[indices]


@dataclass(frozen=True, eq=False)
class _Items:
    """Data that are asked for one by one."""

    source: Any
    collate: Callable[[list[Any]], Parts]

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: Tensor, generator: torch.Generator) -> Datum:
        # Data sets draw their augmentation from the global generator, which must not decide what a resumed run sees.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            items = [self.source[i] for i in indices.tolist()]
        return _datum(*self.collate(items))


def _items(source: Any, collate: Callable[[list[Any]], Parts]) -> _Items:
    is_indexed = callable(getattr(source, "__getitem__", None)) and callable(getattr(source, "__len__", None))
    if isinstance(source, IterableDataset) or not is_indexed or isinstance(source, (str, bytes, Mapping)):
        raise HvaeError(f"expected data to train on: {KINDS}; got {type(source).__name__}, which has no items by index")
    items = _Items(source, collate)
    if not len(items):
        raise HvaeError("expected data to train on, got a data set of length 0")
    items.batch(torch.zeros(1, dtype=torch.int64), torch.Generator())  # what is wrong with its items is said at once
    return items


Parts = tuple[Any, Any]
"""The data of a batch and their labels, None where there are none; neither is a tensor yet."""


def _by_item(items: list[Any]) -> Parts:
    """A batch of items, each of them x, (x,), (x, y) or a mapping."""
    first = items[0]
    if isinstance(first, Mapping):
        return _of_mapping({key: [item[key] for item in items] for key in first})
    if isinstance(first, (tuple, list)):
        return _of_columns(list(map(list, zip(*items, strict=True))))
    return items, None


def _by_batch(batch: Any) -> Parts:
    """A batch that a DataLoader has collated."""
    if isinstance(batch, Datum):
        return batch.x, batch.context.get("label")
    if isinstance(batch, Mapping):
        return _of_mapping(batch)
    return _of_columns(batch) if isinstance(batch, (tuple, list)) else (batch, None)


def _of_columns(columns: Sequence[Any]) -> Parts:
    if len(columns) not in (1, 2):
        raise HvaeError(f"expected items of x or (x, y), got {len(columns)} parts")
    return columns[0], columns[1] if len(columns) == 2 else None


def _of_mapping(batch: Mapping[str, Any]) -> Parts:
    return _named(batch, DATA_KEYS), next((batch[key] for key in LABEL_KEYS if key in batch), None)


def _datum(x: Any, label: Any) -> Datum:
    values = _values(x)
    observed = None
    if bool(values.isnan().any()):
        observed, values = ~values.isnan(), values.nan_to_num(0.0)
    if label is None:
        return Datum(values, observed=observed)
    labels = as_tensor(label if isinstance(label, Tensor) else np.asarray(label), "labels")
    if labels.shape != values.shape[:1] or labels.is_floating_point():
        got = f"{labels.dtype} of shape {tuple(labels.shape)}"
        raise HvaeError(f"expected one whole number a datum as labels, {len(values)} in all, got {got}")
    return Datum(values, {"label": labels.long()}, observed)


def _named(batch: Mapping[str, Any], keys: Sequence[str]) -> Any:
    for key in keys:
        if key in batch:
            return batch[key]
    raise HvaeError(f"expected items with one of the keys {', '.join(keys)}, got {', '.join(map(str, batch))}")


def _values(x: Any) -> Tensor:
    """Floats (B, ...) in the type of the default."""
    t = check_stored(x) if isinstance(x, Tensor) else _stacked(x)
    if not t.ndim:
        raise HvaeError("expected data (N, ...), got a single number; give it an axis for the data")
    if t.dtype == torch.uint8:
        return t.to(torch.get_default_dtype()) / 255
    if not (t.is_floating_point() or t.dtype == torch.bool):
        raise HvaeError(f"expected floats in [0, 1] or bytes, got {t.dtype}; divide by the largest value")
    return t.to(torch.get_default_dtype())


def _stacked(x: Any) -> Tensor:
    if isinstance(x, np.ndarray):
        return as_tensor(x)
    try:
        return torch.stack([as_tensor(one if isinstance(one, Tensor) else _array(one)) for one in x])
    except (TypeError, ValueError, RuntimeError) as fault:
        why = " ".join(str(fault).split())[:120]
        raise HvaeError(f"expected data of one shape that become tensors, got {type(x[0]).__name__} ({why})") from fault


def as_tensor(array: Tensor | np.ndarray[Any, Any], what: str = "data") -> Tensor:
    """An array of numbers of any order of bytes and of axes as a tensor; a tensor with values as it is.

    Raises HvaeError for anything else.
    """
    if isinstance(array, Tensor):
        return check_stored(array, what)
    # What a tensor can share is not copied: it may be larger than memory.
    is_shared = array.dtype.isnative and min(array.strides, default=0) >= 0
    try:
        return torch.from_numpy(array if is_shared else array.astype(array.dtype.newbyteorder("="), order="C"))
    except TypeError:
        raise HvaeError(f"expected numbers as {what}, got an array of {array.dtype}; convert it first") from None


def _array(one: Any) -> np.ndarray[Any, Any]:
    """One datum; a picture (H, W, C) of PIL becomes (C, H, W)."""
    array = np.array(one)
    is_picture = "PIL" in type(one).__module__
    return (array[None] if array.ndim == 2 else array.transpose(2, 0, 1)) if is_picture else array
