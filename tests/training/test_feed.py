from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from toy_training import Data

from hvae.data.order import StepSampler
from hvae.training.feed import _ahead, feed, resident


def test_micro_batches_come_with_their_own_noise() -> None:
    data, sampler = Data(), StepSampler(n=50, batch=8, seed=3, steps=4, start_step=2, accumulate=2)
    fed = list(feed(data, sampler, torch.device("cpu")))
    assert [(m.step, m.shard) for m, _ in fed] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    for micro, datum in fed:
        assert torch.equal(datum.x, data.batch(micro.indices, micro.generator()))


def test_ahead_prepares_one_item_in_another_thread() -> None:
    made: list[int] = []
    threads = set()

    def source() -> Iterator[int]:
        for i in range(5):
            threads.add(threading.current_thread())
            made.append(i)
            yield i

    items = _ahead(source(), torch.device("cpu"))
    assert next(items) == 0
    assert list(items) == [1, 2, 3, 4]
    assert made == [0, 1, 2, 3, 4]
    assert threading.current_thread() not in threads


def test_ahead_passes_faults_on() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken file")

    with pytest.raises(ValueError, match="broken file"):
        list(_ahead(source(), torch.device("cpu")))


def test_nothing_moves_on_the_cpu() -> None:
    data = Data()
    assert resident(data, torch.device("cpu")) is data
