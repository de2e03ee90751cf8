r"""Images whose pixels are coded one after the other, each by the law that those before it leave it.

    pop:   for t = 1 .. T  the law of x_t given x_{<t}, from the network with cached activations; pop x_t by it
    push:  the same T laws, with the known values in their places; then push x_T, ..., x_1, since a stack gives back
           last what it was given first

Both sides run the same step of the network on the same number of rows: the laws of all pixels in one pass would be
other numbers in their last bits, and a symbol coded by one law is not decoded by another.  So both cost what drawing
costs, linear in pixels.  What a push keeps until the last law is known are the digits of each value with their masses.

Shapes: `B` rows; `C` colours; `H W` space; `N` = B C values of a pixel, of which `M` are chosen at once.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from hvae.coding.entropy.curves import Floats, Ints
from hvae.coding.entropy.registry import Discrete, symbolic
from hvae.coding.entropy.stack import Stack
from hvae.coding.entropy.steady import Uncodable
from hvae.coding.entropy.symbols import Cumulative, Digits
from hvae.distributions import Distribution
from hvae.distributions.pixels import AutoregressivePixels, Place


class Part(Cumulative):
    """Some of the symbols of another code: those at `rows` (M,).

    >>> from hvae.coding.entropy.symbols import Counted
    >>> whole = Counted(np.array([[1, 3], [2, 2]]) << 30)
    >>> Part(whole, np.array([1])).cumulative(np.array([[1]])) >> 30
    array([[2]])
    """

    def __init__(self, whole: Cumulative, rows: Ints) -> None:
        self.whole, self.rows = whole, rows
        self.size, self.total = whole.size, whole.total[rows]

    def cumulative(self, index: Ints) -> Ints:
        every = np.ones((len(self.whole.total), index.shape[1]), dtype=np.int64)
        every[self.rows] = index
        return self.whole.cumulative(every)[self.rows]


class _Turn:
    """The values of one pixel that are next: their code, and where they are among all values of the pixel."""

    def __init__(self, law: Distribution, at: Place, shape: tuple[int, ...]) -> None:
        self.form, self.at = symbolic(law), at
        every = np.arange(shape[0] * shape[1]).reshape(shape[:2])
        self.rows, self.count = every[at[:2]].reshape(-1), every.size

    def code(self) -> Digits:
        """Raises Uncodable for values that are joint where one of them is asked for."""
        code = _digits_of(self.form)
        if len(self.rows) == self.count:
            return code
        if not isinstance(code, Cumulative):
            raise Uncodable("the colours of a pixel are joint, and the network asks for one of them at a time")
        return Part(code, self.rows)

    def values(self, symbols: Ints) -> Tensor:
        """Symbols (M,) as values at the place."""
        every = np.zeros(self.count, dtype=np.int64)
        every[self.rows] = symbols
        return self.form.values(every)[:, self.at[1]]


def _digits_of(form: Discrete) -> Digits:
    code = form.data()
    if not isinstance(code, Digits):
        raise Uncodable("expected a law of data that is coded digit by digit, as those of the library are")
    return code


def pop(stack: Stack, law: AutoregressivePixels) -> Tensor:
    """Images in [0, 1], (B, C, H, W), by their p.  Raises Uncodable for densities."""

    def choose(one: Distribution, at: Place) -> Tensor:
        turn = _Turn(one, at, law.shape)
        return turn.values(turn.code().pop(stack))

    return law.stepwise(choose)


def push(stack: Stack, law: AutoregressivePixels, value: Tensor) -> None:
    """Images in [0, 1], (B, C, H, W), by their p.  Raises Uncodable for densities."""
    digits: list[tuple[Floats, Ints]] = []

    def choose(one: Distribution, at: Place) -> Tensor:
        turn = _Turn(one, at, law.shape)
        digits.extend(turn.code().digits(turn.form.symbols(value[at])))
        return value[at]

    law.stepwise(choose)
    assert len(digits) >= math.prod(law.shape[2:]), "every pixel has its turn"
    for masses, symbols in reversed(digits):
        stack.push(masses, symbols)
