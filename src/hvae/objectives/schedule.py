"""Weights that grow with the training step: pure functions, floats in and out.

Each rises from 0 to 1 while `step` goes from `start` to `start + length`, and stays at 1.  `length` 0 is a jump at
`start`.  Plain arithmetic on the step (no tensors), so that no schedule ever waits for a device.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Shape = Callable[[float, float, float], float]
"""(step, start, length) -> weight in [0, 1]."""

STEEPNESS = 12.0
"""Width of a sigmoid warm-up in logits: the logistic curve is followed from -6 to 6, 99.5 % of its rise."""
RISE = 0.5
"""Share of a cycle that rises; the rest stays at 1.  The R of Fu et al. 2019, who find 0.5 a good value."""


def progress(step: float, start: float, length: float) -> float:
    """The fraction of the way completed, in [0, 1].

    >>> progress(150, 100, 200), progress(5, 100, 200), progress(0, 0, 0)
    (0.25, 0.0, 1.0)
    """
    if step < start:
        return 0.0
    return 1.0 if step >= start + length else (step - start) / length


def linear(step: float, start: float, length: float) -> float:
    """A straight line: min(1, (t - start) / length).

    Bowman et al. 2015, arXiv 1511.06349; Sonderby et al. 2016, arXiv 1602.02282, "warm-up".

    >>> linear(150, 100, 200)
    0.25
    """
    return progress(step, start, length)


def sigmoid(step: float, start: float, length: float) -> float:
    r"""A logistic curve, rescaled to be exactly 0 at the start and 1 at the end.

    $$w(u) = \tfrac12 + \frac{\tanh\!\big(\tfrac k2 (u - \tfrac12)\big)}{2\tanh(\tfrac k4)},
      \qquad u = \frac{t - \mathrm{start}}{\mathrm{length}},\; k = 12$$

    Bowman et al. 2015, arXiv 1511.06349.

    >>> sigmoid(200, 100, 200), round(sigmoid(150, 100, 200), 4)
    (0.5, 0.0452)
    """
    u = progress(step, start, length)
    # tanh is the logistic function on another scale; unlike exp it never overflows.
    return 0.5 + 0.5 * math.tanh(0.5 * STEEPNESS * (u - 0.5)) / math.tanh(0.25 * STEEPNESS)


def cyclical(step: float, start: float, length: float, cycles: int = 4) -> float:
    r"""Linear rises, one a cycle, each followed by a rest at 1.

    $$w = \min\Big(1, \frac{\tau}{R}\Big), \qquad \tau = \frac{t \bmod (T/M)}{T/M}$$

    Fu et al. 2019, arXiv 1903.10145, "cyclical annealing schedule", with t counted from 0; R = 0.5.  `length` is T,
    the steps of all `cycles` M together.

    >>> [cyclical(t, 0, 80, cycles=2) for t in (0, 10, 20, 39, 40, 50, 80)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0]
    """
    u = progress(step, start, length)
    return 1.0 if u == 1.0 else min(1.0, (u * cycles) % 1.0 / RISE)
