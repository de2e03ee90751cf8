from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hvae.config.train import TrainConfig
from hvae.training.guard import NormGuard

CONFIG = TrainConfig(skip_factor=4.0, skip_quantile=0.9, skip_window=100)


def test_a_lone_spike_is_skipped_and_forgotten() -> None:
    guard = NormGuard(CONFIG)
    taken = [guard.passes(n) for n in [1.0] * 50 + [100.0] + [1.0] * 50]
    assert taken == [True] * 50 + [False] + [True] * 50


def test_a_lasting_jump_of_norms_does_not_stall() -> None:
    """openai/vdvae issue 25: all norms rise above the threshold, and with a fixed one no step is ever taken again."""
    guard = NormGuard(CONFIG)
    calm = [guard.passes(50.0) for _ in range(500)]
    after = [guard.passes(5000.0) for _ in range(500)]
    assert all(calm)
    assert not after[0]
    first = after.index(True)
    assert first <= 10, "a tenth of the window lies above the 0.9 quantile"
    assert all(after[first:])


@given(st.lists(st.floats(min_value=1e-12, max_value=1e30), max_size=400))
def test_no_norms_whatever_can_stall_it(norms: list[float]) -> None:
    guard = NormGuard(CONFIG)
    taken = [-1, *(i for i, n in enumerate(norms) if guard.passes(n)), len(norms)]
    assert all(b - a - 1 <= guard.patience for a, b in pairwise(taken))


def test_norms_that_grow_for_ever_are_let_through_now_and_then() -> None:
    guard = NormGuard(CONFIG)
    taken = [guard.passes(10.0**i) for i in range(-100, 200)]
    assert not all(taken[20:40])
    assert sum(taken[100:]) >= 200 // (guard.patience + 1)


def test_factor_zero_skips_nothing() -> None:
    guard = NormGuard(TrainConfig(skip_factor=0.0))
    assert all(guard.passes(10.0**i) for i in range(100))
    assert guard.limit() == math.inf


def test_state_carries_the_memory_over() -> None:
    one, two = NormGuard(CONFIG), NormGuard(CONFIG)
    for i in range(60):
        one.passes(1.0 + i % 3)
    two.restore(**one.state())
    assert two.limit() == one.limit()
    assert [two.passes(n) for n in (9.0, 30.0)] == [one.passes(n) for n in (9.0, 30.0)]
