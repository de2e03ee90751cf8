r"""Pictures of one shape each, drawn from factors that are known: every combination of them once.

The idea is that of dSprites (Matthey, Higgins, Hassabis, Lerchner 2017), the pictures are our own.  A quarter turn is
enough: over a longer range a square and an ellipse would look alike at two orientations, and no code could tell them.

Shapes: `N` images; `F` factors; `S` pixels a side; `R` sub-pixels a side.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from hvae.data.factors import FactorData, known
from hvae.data.transforms import Array
from hvae.errors import HvaeError

FINE = 4  # sub-pixels along a side of a pixel: edges have 17 greys
LARGEST, SMALLEST, MARGIN, ELLIPSE = 0.25, 0.125, 0.28, 0.5
CHUNK = 256


Inside = Callable[[Array, Array], Array]
"""Which points of a plane, whose unit is the radius of the shape, belong to it."""


def _square(u: Array, v: Array) -> Array:
    return np.maximum(abs(u), abs(v)) <= 0.7


def _ellipse(u: Array, v: Array) -> Array:
    return u**2 + (v / ELLIPSE) ** 2 <= 1


def _heart(u: Array, v: Array) -> Array:
    # A sextic whose two lobes and tip lie within the unit circle after this stretch.
    a, b = 1.35 * u, 0.1 - 1.35 * v
    return (a**2 + b**2 - 1) ** 3 - a**2 * b**3 <= 0


SHAPES: dict[str, Inside] = {"square": _square, "ellipse": _ellipse, "heart": _heart}
NAMES = ("shape", "scale", "orientation", "x", "y")


def shapes(*, size: int = 32, scales: int = 4, orientations: int = 6, positions: int = 8) -> FactorData:
    """Squares, ellipses and hearts at every scale, orientation and place: (3 x scales x orientations x positions^2).

    Grey, 8 bits, white on black, anti-aliased.  Factors in order: shape, scale, orientation (a quarter turn), x, y;
    the last is the fastest.

    Arguments: `size`, pixels a side; how many `scales` (the radius is an eighth to a quarter of the side),
    `orientations` and `positions` along each axis.  Raises HvaeError when one is below 1 or a picture too small.

    >>> found = shapes(positions=2)
    >>> found.images.pictures([0]).shape, found.sizes
    (torch.Size([1, 1, 32, 32]), (3, 4, 6, 2, 2))
    """
    if min(scales, orientations, positions) < 1 or size < 8:
        raise HvaeError(f"expected 1 value or more of each factor and 8 pixels a side or more, got size={size}")
    counts = (len(SHAPES), scales, orientations, positions, positions)
    factors = np.stack(np.unravel_index(np.arange(math.prod(counts)), counts), 1)  # (N, F)
    each = np.split(factors, len(SHAPES))
    parts = [_drawn(part, inside, counts, size) for part, inside in zip(each, SHAPES.values(), strict=True)]
    return known(np.concatenate(parts), factors, list(NAMES), 8)


def _drawn(factors: Array, inside: Inside, counts: tuple[int, ...], size: int) -> Array:
    """Pictures of one shape, (N, 1, S, S) uint8."""
    chunks = np.split(factors, range(CHUNK, len(factors), CHUNK))
    return np.concatenate([_rendered(chunk, inside, counts, size) for chunk in chunks])


def _rendered(factors: Array, inside: Inside, counts: tuple[int, ...], size: int) -> Array:
    _, scale, turn, x, y = factors.astype(np.float32).T[:, :, None, None]  # (N, 1, 1) each
    at = ((np.arange(size * FINE) + 0.5) / (size * FINE)).astype(np.float32)  # (R,)
    dx = at - _between(x, counts[3], MARGIN, 1 - MARGIN)  # (N, 1, R)
    dy = at[:, None] - _between(y, counts[4], MARGIN, 1 - MARGIN)  # (N, R, 1)
    radius, angle = _between(scale, counts[1], SMALLEST, LARGEST), turn / counts[2] * math.pi / 2
    across, along = np.cos(angle) / radius, np.sin(angle) / radius
    covered = inside(across * dx + along * dy, across * dy - along * dx)  # (N, R, R)
    share = covered.reshape(-1, size, FINE, size, FINE).mean((2, 4))  # (N, S, S)
    return np.rint(255 * share).astype(np.uint8)[:, None]


def _between(index: Array, count: int, low: float, high: float) -> Array:
    """`count` values from low to high; their middle when there is one."""
    return low + (high - low) * (index / (count - 1) if count > 1 else 0.5 + 0 * index)
