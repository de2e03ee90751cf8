from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvae.data.images import CHUNK, Split
from hvae.data.order import generator
from hvae.errors import HvaeError


def split(levels: Tensor, depth: int = 8, **options: bool) -> Split:
    return Split(store=levels, rows=torch.arange(len(levels)), labels=None, depth=depth, **options)


def grey(n: int = 6, shape: tuple[int, ...] = (1, 4, 5)) -> Tensor:
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8)


@pytest.mark.parametrize("depth", [1, 4, 8, 12, 16])
def test_every_level_becomes_its_exact_share_of_the_top(depth: int) -> None:
    top = 2**depth - 1
    levels = torch.arange(top + 1).to(torch.uint8 if depth <= 8 else torch.int32).reshape(-1, 1, 1, 1)
    x = split(levels, depth).pictures(range(top + 1))
    assert x.dtype == torch.float32
    assert x.flatten().equal((torch.arange(top + 1, dtype=torch.float64) / top).float())
    assert (x * top).round().flatten().long().equal(torch.arange(top + 1))


def test_rows_choose_from_the_store() -> None:
    levels = grey()
    some = Split(store=levels, rows=torch.tensor([5, 1]), labels=None, depth=8)
    assert len(some) == 2
    assert some.levels([1, 0]).equal(levels[[1, 5]])


def test_a_batch_is_a_function_of_indices_and_seed() -> None:
    images = split(grey(40), dynamic=True, flip=True)
    one, two, other = (images.pictures(range(40), generator(seed)) for seed in (3, 3, 4))
    assert one.equal(two) and not one.equal(other)


def test_dynamic_pixels_have_the_grey_value_as_their_mean() -> None:
    levels = torch.tensor([0, 51, 128, 255], dtype=torch.uint8).reshape(1, 1, 1, 4).expand(20_000, 1, 1, 4)
    x = split(levels, dynamic=True).pictures(range(20_000), generator(0))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    # Four standard errors of a mean of 20,000 coin flips.
    assert torch.allclose(x.mean(0).flatten(), torch.tensor([0, 51, 128, 255]) / 255, atol=4 * 0.5 / 20_000**0.5)
    assert x[..., 0].max() == 0 and x[..., 3].min() == 1


def test_a_flip_mirrors_about_half_the_images_and_nothing_else() -> None:
    levels = grey(2000, (3, 2, 3))
    plain, flipped = split(levels).pictures(range(2000)), split(levels, flip=True).pictures(range(2000), generator(0))
    mirrored = [x.equal(y.flip(-1)) and not x.equal(y) for x, y in zip(flipped, plain, strict=True)]
    same = [x.equal(y) for x, y in zip(flipped, plain, strict=True)]
    assert all(m or s for m, s in zip(mirrored, same, strict=True))
    assert 0.4 < sum(mirrored) / 2000 < 0.6


@pytest.mark.parametrize("option", ["dynamic", "flip"])
def test_chance_needs_a_generator(option: str) -> None:
    with pytest.raises(HvaeError, match="give batch\\(\\) a generator"):
        split(grey(), **{option: True}).pictures([0])


def test_fixed_takes_the_chance_away() -> None:
    levels = grey(CHUNK + 3, (1, 2, 2))
    drawn = split(levels, dynamic=True, flip=True)
    one, two, other = drawn.fixed(1), drawn.fixed(1), drawn.fixed(2)
    assert one.depth == 1 and not one.flip and len(one) == CHUNK + 3
    assert one.store.equal(two.store) and not one.store.equal(other.store)
    assert one.pictures([0, 1]).equal(one.store[:2].float())
    assert split(levels, flip=True).fixed(1).pictures([0]).equal(split(levels).pictures([0]))


def test_fixed_keeps_rows_and_labels() -> None:
    levels = torch.tensor([0, 255, 0], dtype=torch.uint8).reshape(3, 1, 1, 1)
    some = Split(store=levels, rows=torch.tensor([1, 2]), labels=torch.tensor([7, 8]), depth=8, dynamic=True).fixed(0)
    assert some.pictures([0, 1]).flatten().tolist() == [1, 0]
    assert some.labels is not None and some.labels.tolist() == [7, 8]


def test_an_empty_split_stays_empty() -> None:
    empty = Split(store=grey(), rows=torch.arange(0), labels=None, depth=8, dynamic=True)
    assert len(empty.fixed(0)) == 0 and list(empty.fixed(0).batches(4)) == [] and list(empty.chunks()) == []


def test_batches_cover_all_images_in_order() -> None:
    levels = grey(7)
    parts = list(split(levels).batches(3))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert torch.cat([part.x for part in parts]).equal(split(levels).pictures(range(7)))


def test_repr_says_what_it_is() -> None:
    assert repr(split(grey(), dynamic=True, flip=True)) == "Split(6 x (1, 4, 5), drawn from grey, flipped)"


def test_some_keep_their_labels_and_factors() -> None:
    levels = grey()
    factors = torch.arange(12).view(6, 2)
    whole = Split(store=levels, rows=torch.arange(6), labels=torch.arange(6), depth=8, flip=True, factors=factors)
    part = whole.some([4, 1])
    assert part.labels is not None and part.labels.tolist() == [4, 1] and part.flip
    assert part.factors is not None and part.factors.tolist() == [[8, 9], [2, 3]]
    assert torch.equal(part.levels([0, 1]), levels[[4, 1]])
    again = part.some([1]).fixed(0)
    assert again.factors is not None and again.factors.tolist() == [[2, 3]] and not again.flip
