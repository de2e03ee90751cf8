from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvae.objectives.schedule import cyclical, linear, progress, sigmoid

steps = st.integers(0, 10_000)
spans = st.integers(1, 5_000)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (99, 0.0), (100, 0.0), (150, 0.25), (299, 0.995), (300, 1.0)])
def test_linear(step: int, weight: float) -> None:
    assert linear(step, 100, 200) == pytest.approx(weight, abs=1e-12)


def test_sigmoid() -> None:
    logistic = lambda u: 1 / (1 + math.exp(-12 * (u - 0.5)))  # noqa: E731
    for u in (0.0, 0.1, 0.5, 0.8, 1.0):
        rescaled = (logistic(u) - logistic(0)) / (logistic(1) - logistic(0))
        assert sigmoid(100 + 200 * u, 100, 200) == pytest.approx(rescaled, abs=1e-12)
    assert sigmoid(100, 100, 200) == 0.0 and sigmoid(300, 100, 200) == 1.0


@pytest.mark.parametrize(
    ("step", "weight"),
    [(0, 0.0), (10, 0.0), (20, 0.4), (35, 1.0), (59, 1.0), (60, 0.0), (70, 0.4), (85, 1.0), (110, 1.0), (500, 1.0)],
)
def test_cyclical(step: int, weight: float) -> None:
    # Two cycles of 50 steps from step 10: 25 steps of rise, 25 at 1.
    assert cyclical(step, 10, 100, cycles=2) == pytest.approx(weight, abs=1e-9)


def test_no_length_is_a_jump() -> None:
    for shape in (linear, sigmoid, cyclical):
        assert shape(99, 100, 0) == 0.0
        assert shape(100, 100, 0) == 1.0


@given(steps, steps, spans)
def test_monotone_schedules_stay_in_range_and_never_fall(step: int, start: int, length: int) -> None:
    for shape in (linear, sigmoid):
        now, next_ = shape(step, start, length), shape(step + 1, start, length)
        assert 0.0 <= now <= next_ <= 1.0


@given(steps, steps, spans, st.integers(1, 8))
def test_cycles_stay_in_range_and_end_at_one(step: int, start: int, length: int, cycles: int) -> None:
    assert 0.0 <= cyclical(step, start, length, cycles) <= 1.0
    assert cyclical(start + length, start, length, cycles) == 1.0
    assert progress(start + length, start, length) == 1.0
