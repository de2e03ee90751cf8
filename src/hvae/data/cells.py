r"""Pictures like those of a fluorescence microscope: bright threads and soft nuclei on a dark ground, from one seed.

Threads are quadratic Bezier curves, blurred by the point spread of an optical system; nuclei are ellipses with soft
edges and a mottled inside.  Every picture is drawn on a plane that is larger than what is seen of it.

Shapes: `N` pictures; `S` pixels a side; `T` threads; `P` points of a thread; `K` nuclei.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from hvae.data.raw import Part, Raw
from hvae.data.transforms import Array
from hvae.errors import HvaeError

CHUNK = 256
THREADS, POINTS, NUCLEI = 7, 400, 3
SPREAD = 1.1
"""Standard deviation of the point spread in pixels."""
GROUND, THREAD, NUCLEUS = 0.06, 0.5, 0.35
SEED = 0


def cells(number: int = 2_000, *, size: int = 64, seed: int = SEED) -> Array:
    """So many pictures, (N, 1, S, S) uint8: the first of more are the same ones.

    Raises HvaeError for no picture, or one of less than 8 pixels a side.

    >>> cells(3).shape, bool((cells(2, seed=1) == cells(2, seed=1)).all())
    ((3, 1, 64, 64), True)
    """
    if number < 1 or size < 8:
        raise HvaeError(f"expected at least 1 picture of 8 pixels a side, got {number} of {size}")
    # A generator for each chunk, so that the first pictures do not depend on how many there are.
    chunks = (_drawn(np.random.default_rng([seed, at]), size) for at in range(-(-number // CHUNK)))
    return np.concatenate([np.rint(255 * chunk).astype(np.uint8) for chunk in chunks])[:number, None]


def drawn_cells() -> Raw:
    """The set of this name."""
    return Raw(parts={"train": Part(cells())}, bits=8, source="hvae.data.cells")


def _drawn(random: np.random.Generator, size: int) -> Array:
    """`CHUNK` pictures in [0, 1], (N, S, S)."""
    light = GROUND + THREAD * _threads(random, size) + NUCLEUS * _nuclei(random, size)
    return np.clip(light, 0, 1)


def _threads(random: np.random.Generator, size: int) -> Array:
    """Curves of brightness 1 along their middle, some brighter than others, (N, S, S)."""
    ends = random.uniform(-0.3 * size, 1.3 * size, (CHUNK, THREADS, 1, 3, 2))  # start, bend, end
    t = np.linspace(0, 1, POINTS)[:, None]  # (P, 1)
    weights = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2])  # (3, P, 1)
    curve = sum(weights[i] * ends[..., i, :] for i in range(3))  # (N, T, P, 2)
    bright = random.uniform(0.5, 1.5, (CHUNK, THREADS, 1))
    steps = np.linalg.norm(np.diff(curve, axis=2, append=curve[:, :, -1:]), axis=-1)  # so that long ones are as bright
    plane = np.zeros((CHUNK, size, size))
    row, column = np.floor(curve).astype(int).transpose(3, 0, 1, 2)
    is_seen = (row >= 0) & (row < size) & (column >= 0) & (column < size)
    picture = np.broadcast_to(np.arange(CHUNK)[:, None, None], is_seen.shape)
    np.add.at(plane, (picture[is_seen], row[is_seen], column[is_seen]), (bright * steps)[is_seen])
    # A line of density 1, blurred, is 1 / (spread sqrt(2 pi)) high along its middle.
    return gaussian_filter(plane, (0, SPREAD, SPREAD)) * SPREAD * np.sqrt(2 * np.pi)


def _nuclei(random: np.random.Generator, size: int) -> Array:
    """Ellipses with soft edges, mottled inside, (N, S, S)."""
    y, x = np.mgrid[:size, :size]
    total = np.zeros((CHUNK, size, size))
    mottle = gaussian_filter(random.standard_normal((CHUNK, size, size)), (0, 2.5, 2.5))
    mottle /= mottle.std()
    for _ in range(NUCLEI):
        top, left, turn = (random.uniform(0, most, (CHUNK, 1, 1)) for most in (size, size, np.pi))
        high, wide = random.uniform(0.08 * size, 0.2 * size, (2, CHUNK, 1, 1))
        u = (np.cos(turn) * (x - left) + np.sin(turn) * (y - top)) / wide
        v = (np.cos(turn) * (y - top) - np.sin(turn) * (x - left)) / high
        total += 1 / (1 + np.exp(np.clip(8 * (np.hypot(u, v) - 1), -50, 50)))
    return np.minimum(total, 1) * (1 + 0.25 * mottle)
