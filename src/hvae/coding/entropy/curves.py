r"""Cumulative distribution functions as integer tables, identical on every machine.

`exp` and `erf` differ in their last bit between processors and libraries, and one differing bit of a table corrupts the
rest of a file.  So each curve is tabulated in decimal arithmetic at equidistant points and interpolated linearly;
everything after the table is exact (integers, and single IEEE operations on doubles, which numpy never fuses).  The
density is then piecewise constant, with a relative error of at most 0.8 % inside a piece, which costs about 1e-5 bits a
symbol.

Shapes: any; element by element.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hvae.errors import HvaeError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

UNIT_BITS = 32
UNIT = 1 << UNIT_BITS
"""The integer that stands for a probability of one."""

_DIGITS = 40
_ROOT_TAU = Decimal("2.506628274631000502415765284811045253007")


class Curve:
    """A cumulative distribution function, piecewise linear between integers at points `1 / per` apart.

    Outside -reach .. reach it is 0 or UNIT.  Arguments: `upper`, its values at 0, 1 / per, ..., reach, in units of
    1 / UNIT; the lower half follows from symmetry.
    """

    def __init__(self, upper: list[int], per: int) -> None:
        # What lies beyond the reach belongs to the last piece, so that nothing of the mass is lost.
        upper = [*upper[:-1], UNIT]
        self.table = np.array([*(UNIT - f for f in reversed(upper[1:])), *upper], dtype=np.int64)
        self.rises = np.diff(self.table).astype(np.float64)
        self.reach, self.per = (len(upper) - 1) / per, per

    def __call__(self, t: Floats) -> Ints:
        """The probability of a value up to t, in units of 1 / UNIT."""
        place = np.clip(t, -self.reach, self.reach)
        place += self.reach
        place *= self.per
        index = place.astype(np.int32)
        np.minimum(index, len(self.rises) - 1, out=index)
        place -= index
        place *= self.rises.take(index)
        return self.table.take(index) + place.astype(np.int64)

    def inverse(self, u: Ints) -> Floats:
        """The t up to which the probability is u / UNIT, 0 < u < UNIT."""
        index = np.searchsorted(self.table, u, side="right") - 1
        low, high = self.table[index], self.table[index + 1]
        return (index + (u - low) / (high - low)) / self.per - self.reach


@cache
def normal() -> Curve:
    r"""The standard Gaussian's, to 7 standard deviations.

    $$\Phi(t) = \tfrac12 + \phi(t)\,\big(t + \tfrac{t^3}{3} + \tfrac{t^5}{3\cdot5} + \dots\big)$$

    All terms are positive, so nothing cancels.

    >>> [round(float(t), 2) for t in normal().inverse(np.array([UNIT // 40, UNIT // 2]))]
    [-1.96, 0.0]
    """
    return curve(_gaussian, reach=7, per=128)


@cache
def logistic() -> Curve:
    """The standard logistic's, 1 / (1 + exp(-t)), to 22.

    >>> int(logistic()(np.array([0.0]))[0]) == UNIT // 2
    True
    """
    return curve(lambda t: 1 / (1 + (-t).exp()), reach=22, per=64)


def curve(f: Callable[[Decimal], Decimal], reach: int, per: int) -> Curve:
    """The table of a user's distribution function, symmetric about 0, given as f(t) for t >= 0.

    Outside -reach .. reach it is 0 or 1; points lie `per` to a unit.  Raises HvaeError unless f is increasing from 1/2.

    >>> laplace = curve(lambda t: 1 - (-t).exp() / 2, reach=22, per=64)
    >>> round(float(laplace.inverse(np.array([3 * UNIT // 4]))[0]), 2)
    0.69
    """
    points = _points(f, reach, per)
    if points[0] != UNIT // 2 or points[-1] > UNIT or any(b < a for a, b in pairwise(points)):
        raise HvaeError("expected a distribution function that is 1/2 at 0, never falls, and is 1 at most")
    return Curve(points, per)


def _points(f: Callable[[Decimal], Decimal], reach: int, per: int) -> list[int]:
    with localcontext() as context:
        context.prec = _DIGITS
        return [int((f(Decimal(i) / per) * UNIT).to_integral_value()) for i in range(reach * per + 1)]


def _gaussian(t: Decimal) -> Decimal:
    term, total, n = t, t, 1
    while term > Decimal(10) ** -20:
        n += 2
        term = term * t * t / n
        total += term
    return Decimal("0.5") + total * (-t * t / 2).exp() / _ROOT_TAU
