from __future__ import annotations

from itertools import pairwise

import pytest

from hvae.config.train import TrainConfig
from hvae.training.learning_rate import learning_rate


def test_warm_up_joins_the_cosine_and_ends_at_the_floor() -> None:
    config = TrainConfig(steps=1000, warmup=100, lr=2.0, floor=0.05)
    curve = [learning_rate(config, s) for s in range(1001)]
    assert curve[0] == pytest.approx(0.02)
    assert curve[99] == curve[100] == 2.0
    assert curve[550] == pytest.approx(0.5 * (2.0 + 0.1))
    assert curve[1000] == pytest.approx(0.1)
    assert all(a <= b for a, b in pairwise(curve[:100]))
    assert all(a >= b for a, b in pairwise(curve[100:]))


def test_constant_stays_after_the_warm_up() -> None:
    config = TrainConfig(steps=50, warmup=4, schedule="constant")
    assert {learning_rate(config, s) for s in range(3, 60)} == {config.lr}


@pytest.mark.parametrize(("warmup", "steps"), [(0, 1), (0, 10), (10, 10), (20, 10)])
def test_odd_lengths_stay_between_zero_and_the_largest(warmup: int, steps: int) -> None:
    config = TrainConfig(steps=steps, warmup=warmup)
    assert all(0 < learning_rate(config, s) <= config.lr for s in range(steps))
