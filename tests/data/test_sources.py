"""Data of the user's own: every kind that training takes, and a line for the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from hvae.data.sources import as_batches
from hvae.datum import Datum
from hvae.errors import HvaeError

X = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 1, 2, 2) / 10
Y = torch.tensor([0, 1, 2, 0, 1, 2])


class Items(Dataset[Any]):
    """A map-style data set of whatever items it is given."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Any:
        return self.items[i]


def grey(i: int) -> Image.Image:
    return Image.fromarray(np.full((2, 2), 51 * i, np.uint8))


@pytest.mark.parametrize(
    ("source", "labelled"),
    [
        (X, False),
        (X.numpy(), False),
        (X.double().numpy(), False),
        ((X.numpy(), Y.numpy()), True),
        (Datum(X, {"label": Y}), True),
        (TensorDataset(X), False),
        (TensorDataset(X, Y), True),
        (Items(list(X)), False),
        (Items(list(zip(X, Y.tolist(), strict=True))), True),
        (Items([{"image": x, "label": int(y)} for x, y in zip(X, Y, strict=True)]), True),
        (Items([{"pixel_values": x.numpy()} for x in X]), False),
        (DataLoader(TensorDataset(X, Y), batch_size=2, shuffle=True), True),
        (DataLoader(Items(list(X))), False),
        (list(X), False),
        (X.numpy().astype(">f4"), False),
        (X.flip(0).numpy()[::-1], False),
        ((X.numpy(), Y.numpy().astype(">i8")), True),
        ((X.numpy(), Y.flip(0).numpy()[::-1]), True),
        ([x.numpy().astype(">f8") for x in X], False),
        (list(zip(X, Y.tolist(), strict=True)), True),
    ],
)
def test_every_kind_of_data_gives_the_same_batch(source: Any, labelled: bool) -> None:
    batches = as_batches(source)
    datum = batches.batch(torch.tensor([4, 1]), torch.Generator())
    assert len(batches) == 6 and isinstance(datum, Datum)
    assert datum.x.dtype == torch.float32 and torch.allclose(datum.x, X[[4, 1]])
    assert [t.tolist() for t in datum.context.values()] == ([[1, 1]] if labelled else [])


def test_bytes_and_pictures_become_shares_of_one() -> None:
    pictures = as_batches(Items([(grey(i), i) for i in range(6)]))
    datum = pictures.batch(torch.tensor([5, 0]), torch.Generator())
    assert datum.x.shape == (2, 1, 2, 2) and datum.x[:, 0, 0, 0].tolist() == [1.0, 0.0]
    colour = Items([np.array([255, 0, 51], np.uint8)])
    assert torch.allclose(as_batches(colour).batch(torch.tensor([0]), torch.Generator()).x, torch.tensor([1, 0, 0.2]))


def test_random_items_depend_on_the_generator_alone() -> None:
    class Noisy(Items):
        def __getitem__(self, i: int) -> Any:
            return torch.rand(2)

    batches = as_batches(Noisy([0] * 3))
    first, again, other = (batches.batch(torch.arange(3), torch.Generator().manual_seed(seed)).x for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(X)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (Endless(), "got Endless, which has no items by index"),
        (DataLoader(Endless()), "got Endless, which has no items by index"),
        ("photos", "got str, which has no items by index"),
        (7, "got int"),
        (Items([]), "a data set of length 0"),
        (Items([{"picture": X[0]}]), "expected items with one of the keys x, image"),
        (Items([(X[0], 1, 2)]), "expected"),
        (Items([torch.tensor([1, 2])]), "expected floats in \\[0, 1\\] or bytes, got torch.int64"),
        ((X, Y.float()), "expected one whole number a datum as labels"),
        ((X, Y[:3]), "expected one whole number a datum as labels, 6 in all"),
        (Items(["a", "b"]), "expected data of one shape"),
        (np.array([None, "a"]), "expected numbers as data, got an array of object"),
        (np.array(["a", "b"]), "expected numbers as data, got an array of <U1"),
        (np.array(["2026-01-01"], "datetime64[D]"), "expected numbers as data"),
        ((X, np.array(list("abcdef"))), "expected numbers as labels, got an array of <U1"),
        (Items([(X[0], None)]), "expected numbers as labels, got an array of object"),
        (torch.zeros(()), "expected data \\(N, ...\\), got a single number"),
        (np.float32(0.5), "got float32"),
        (None, "got NoneType"),
        ({"x": X}, "got dict"),
        (X.to("meta"), "expected a tensor with values as data, got one on the meta device; make it on the CPU"),
        (Datum(X.to("meta")), "expected a tensor with values as data"),
        (X.to_sparse(), "expected a dense tensor as data, got a sparse one; convert it by x.to_dense\\(\\)"),
        (X.flatten(1).to_sparse_csr(), "got a sparse one"),
        (list(X.to_sparse()), "got a sparse one"),
        (torch.nested.nested_tensor([X[0], X[1]], layout=torch.jagged), "got a nested one"),
        ((X, Y.to("meta")), "expected a tensor with values as labels"),
        ((X, Y.to_sparse()), "expected a dense tensor as labels"),
    ],
)
def test_anything_else_is_one_line(source: Any, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        as_batches(source)


def test_items_of_unequal_shape_are_one_line() -> None:
    batches = as_batches(Items([torch.zeros(2), torch.zeros(3)]))
    with pytest.raises(HvaeError, match="expected data of one shape"):
        batches.batch(torch.arange(2), torch.Generator())
