"""The stack: what is pushed comes back, what is popped can be given back, and nothing is invented."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvae.coding.entropy.numerics import noise
from hvae.coding.entropy.stack import Exhausted, Stack
from hvae.errors import HvaeError


def masses(seed: int, count: int, width: int) -> np.ndarray:
    """Integers of very different sizes, with zeros among them."""
    rng = np.random.default_rng(seed)
    found = np.floor(2.0 ** rng.uniform(-2, 40, (count, width)))
    found[:, 0] += 1
    return found


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([2, 4, 8, 16]))
@settings(max_examples=30)
def test_pushed_symbols_come_back(seed: int, count: int, width: int) -> None:
    table, symbols = masses(seed, count, width), np.random.default_rng(seed).integers(0, width, count)
    stack = Stack.start(noise(3))
    stack.push(table, symbols)
    stack.push_even(1000, symbols)
    assert np.array_equal(stack.pop_even(1000, count), symbols)
    assert np.array_equal(stack.pop(table), symbols)
    assert np.array_equal(stack.ending(), noise(3))


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([2, 4, 8, 16]))
@settings(max_examples=30)
def test_popped_symbols_can_be_given_back(seed: int, count: int, width: int) -> None:
    table, stack = masses(seed, count, width), Stack.start(noise(200))
    symbols = stack.pop(table)
    assert symbols.min() >= 0 and symbols.max() < width
    words = stack.words()
    again = Stack.resume(words)
    again.push(table, symbols)
    assert np.array_equal(again.ending(), noise(200))


def test_pops_from_noise_follow_the_masses() -> None:
    table = np.tile([1.0, 2.0, 4.0, 1.0], (20_000, 1))
    shares = np.bincount(Stack.start(noise(4000)).pop(table), minlength=4) / 20_000
    assert np.abs(shares - [0.125, 0.25, 0.5, 0.125]).max() < 0.015


def test_each_symbol_costs_its_logarithm() -> None:
    table = np.tile([1.0, 3.0], (1000, 1))
    stack = Stack.start(noise(2))
    before = stack.bits
    stack.push(table, np.zeros(1000, dtype=np.int64))
    assert stack.bits - before == pytest.approx(2000, abs=2)


def test_an_impossible_symbol_still_has_mass() -> None:
    table = np.array([[0.0, 1.0]])
    stack = Stack.start(noise(2))
    before = stack.bits
    stack.push(table, np.array([0]))
    assert 20 <= stack.bits - before <= 25
    assert stack.pop(table).tolist() == [0]


@pytest.mark.parametrize("words", range(1, 12))
def test_no_bit_is_ever_invented(words: int) -> None:
    """All that can be popped is what was there, to the last whole word; then it is an error, again and again."""
    stack, popped = Stack.start(noise(words)), 0
    with pytest.raises(Exhausted, match="exhausted"):
        while popped < 10_000:
            stack.pop_even(256, 1)
            popped += 8
    assert 32 * (words - 1) - 8 <= popped <= 32 * words
    with pytest.raises(Exhausted):
        stack.pop_even(256, 1)


def test_one_call_that_takes_too_much_is_seen() -> None:
    with pytest.raises(Exhausted):
        Stack.start(noise(10)).pop_even(256, 1000)
    with pytest.raises(Exhausted):
        Stack.start(noise(10)).pop(np.ones((1000, 8)))


def test_lowest_remembers_the_loan() -> None:
    stack = Stack.start(noise(100))
    before = stack.bits
    symbols = stack.pop_even(256, 100)
    stack.push_even(256, symbols)
    assert before - stack.lowest == pytest.approx(800, abs=1)
    assert stack.copy().lowest == stack.bits


def test_words_are_the_same_for_ever() -> None:
    stack = Stack.start(np.array([7, 8], dtype=np.uint32))
    stack.push(np.array([[1.0, 2.0, 5.0, 0.0]] * 12), np.arange(12) % 4)
    stack.push_even(1 << 12, np.arange(5))
    assert stack.words().tolist() == [7, 4044987446, 4195059238, 1359105569, 50342340, 16777280, 2147328]


def test_what_is_no_stack_is_refused() -> None:
    with pytest.raises(HvaeError, match="no stack of compressed bits"):
        Stack.resume(np.array([1, 0], dtype=np.uint32))


def test_left_over_bits_are_refused() -> None:
    stack = Stack.start(noise(4))
    stack.push_even(1000, np.arange(10))
    with pytest.raises(HvaeError, match="left over"):
        stack.ending()


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(HvaeError, match="-m pip install 'constriction<"):
        Stack.start(noise(4))
