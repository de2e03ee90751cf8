from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hvae.data.order import StepSampler, epoch_order, generator, subset
from hvae.errors import HvaeError

sizes = st.integers(1, 60)


@given(n=sizes, epoch=st.integers(0, 1000), seed=st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_an_epoch_is_a_permutation_that_depends_on_nothing_else(n: int, epoch: int, seed: int) -> None:
    order = epoch_order(n, epoch, seed)
    assert sorted(order.tolist()) == list(range(n))
    order.zero_()  # the caller's copy: what comes next must not see it
    assert sorted(epoch_order(n, epoch, seed).tolist()) == list(range(n))


def test_epochs_and_seeds_differ() -> None:
    orders = [tuple(epoch_order(50, epoch, seed).tolist()) for epoch in range(3) for seed in range(3)]
    assert len(set(orders)) == 9


@given(n=sizes, batch=st.integers(1, 80), steps=st.integers(1, 8), seed=st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_steps_walk_the_endless_line_and_drop_nothing(n: int, batch: int, steps: int, seed: int) -> None:
    seen = torch.cat([micro.indices for micro in StepSampler(n=n, batch=batch, seed=seed, steps=steps)])
    assert len(seen) == steps * batch
    for epoch, part in enumerate(seen.split(n)):
        assert part.equal(epoch_order(n, epoch, seed)[: len(part)])


@given(n=sizes, width=st.integers(1, 6), world=st.integers(1, 4), accumulate=st.integers(1, 3), step=st.integers(0, 20))
@settings(max_examples=50, deadline=None)
def test_shards_partition_the_global_batch(n: int, width: int, world: int, accumulate: int, step: int) -> None:
    batch = width * world * accumulate
    whole = StepSampler(n=n, batch=batch, seed=1, steps=21).micro(step).indices
    ranks = [
        StepSampler(n=n, batch=batch, seed=1, steps=21, rank=rank, world=world, accumulate=accumulate)
        for rank in range(world)
    ]
    parts = [sampler.micro(step, part).indices for sampler in ranks for part in range(accumulate)]
    assert {len(part) for part in parts} == {width}
    assert torch.cat(parts).equal(whole)


def test_two_processes_run_the_shards_that_one_accumulates() -> None:
    one = list(StepSampler(n=10, batch=4, seed=0, steps=5, accumulate=2))
    two = [list(StepSampler(n=10, batch=4, seed=0, steps=5, rank=rank, world=2)) for rank in (0, 1)]
    for rank in (0, 1):
        for micro, other in zip(one[rank::2], two[rank], strict=True):
            assert (micro.step, micro.shard, micro.seed) == (other.step, other.shard, other.seed)
            assert micro.indices.equal(other.indices)
    assert len({micro.seed for micro in one}) == len(one)


def test_a_resumed_run_takes_the_steps_that_were_left() -> None:
    full = list(StepSampler(n=7, batch=3, seed=0, steps=9, accumulate=3))
    rest = StepSampler(n=7, batch=3, seed=0, steps=9, start_step=4, accumulate=3)
    assert len(rest) == 15
    for micro, other in zip(full[-15:], rest, strict=True):
        assert micro.indices.equal(other.indices) and micro.seed == other.seed


def test_epochs_are_counted() -> None:
    assert StepSampler(n=10, batch=5, seed=0, steps=9).epoch(3) == 1.5


def test_a_micro_batch_draws_the_same_each_time() -> None:
    micro = StepSampler(n=10, batch=4, seed=0, steps=2).micro(1)
    draws = [torch.rand(4, generator=micro.generator()) for _ in range(2)]
    assert draws[0].equal(draws[1])


def test_keys_give_unrelated_streams() -> None:
    first = {float(torch.rand(1, generator=generator(*key))) for key in [(0,), (1,), (0, 0), (0, 1), (1, 0)]}
    assert len(first) == 5


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"batch": 5, "world": 2}, "does not divide into 2 equal shards .* nearest that does is 4"),
        ({"batch": 0}, "does not divide"),
        ({"n": 0}, "at least one training image"),
        ({"accumulate": 0}, "at least 1 process and 1 micro-batch"),
    ],
)
def test_impossible_samplers_are_refused(wish: dict[str, int], message: str) -> None:
    with pytest.raises(HvaeError, match=message):
        StepSampler(**{"n": 8, "batch": 4, "seed": 0, "steps": 1, **wish})


def test_a_subset_is_spread_over_all_of_the_data() -> None:
    rows = subset(10_000, 500)
    assert rows.tolist() == sorted(set(rows.tolist())) and len(rows) == 500
    assert all(25 < int(((rows >= start) & (rows < start + 1000)).sum()) < 80 for start in range(0, 10_000, 1000))
    assert subset(4, 9).tolist() == [0, 1, 2, 3]
