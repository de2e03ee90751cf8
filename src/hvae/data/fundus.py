r"""Pictures like those of the back of an eye, some with microaneurysms: a rare finding a pixel wide, from one seed.

A picture is 6 mm wide, 64 pixels of 94 um: a bright disc of 1.5 to 1.8 mm where the nerve leaves, dark vessels of 60 to
180 um that leave it and bend towards the macula, a ground that varies slowly, and noise.  A microaneurysm is a dark
spot of 60 to 125 um (Gaussian, its full width at half depth), beside the vessels or on them; a picture that has any has
2 to 6.  One training picture in ten has.

Shapes: `N` pictures; `S` pixels a side; `T` vessels; `P` points of a vessel; `A` spots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

from hvae.data.raw import Part, Raw
from hvae.data.transforms import Array
from hvae.errors import HvaeError

SIZE, MICRONS = 64, 6000 / 64
"""Pixels of a side, and um of a pixel."""
PIXELS = np.indices((SIZE, SIZE)).reshape(2, -1).T
VESSELS, POINTS, SPOTS = 6, 160, 6
GROUND, DISC, DEPTH, SPOT_DEPTH, NOISE = 0.5, 0.35, 0.22, 0.28, 0.02
"""Brightness of the ground and what the disc adds; what vessels and spots take away; deviation of the noise."""
HALF = 2.3548
"""Full width at half depth of a Gaussian of deviation 1."""
SIZES = {"train": (900, 100), "valid": (180, 20), "test": (300, 300)}
"""Pictures without and with microaneurysms."""
SEED = 0
CLASSES = ("healthy", "microaneurysms")


def fundus(number: int, *, lesions: bool, seed: int = SEED) -> Array:
    """So many pictures, (N, 1, 64, 64) uint8, all with microaneurysms or all without; the first of more are the same.

    Raises HvaeError for no picture.

    >>> fundus(3, lesions=True).shape, bool((fundus(2, lesions=True) == fundus(3, lesions=True)[:2]).all())
    ((3, 1, 64, 64), True)
    """
    _check(number)
    return _stored([_drawn(np.random.default_rng([seed, lesions, i]), lesions) for i in range(number)])


def _check(number: int) -> None:
    if number < 1:
        raise HvaeError(f"expected at least 1 picture, got {number}")


def drawn_fundus() -> Raw:
    """The set of this name: each part with a seed of its own."""
    parts = {}
    for at, (name, counts) in enumerate(SIZES.items()):
        some = [fundus(count, lesions=bool(k), seed=SEED + at) for k, count in enumerate(counts)]
        parts[name] = Part(np.concatenate(some), np.repeat(np.arange(2), counts))
    return Raw(parts=parts, bits=8, source="hvae.data.fundus", classes=CLASSES)


@dataclass(frozen=True, eq=False)
class Twins:
    """Pictures with microaneurysms, the same eyes without them, (N, 1, S, S) uint8, and where the spots are.

    `spots`, (N, 1, S, S) in [0, 1]: of which `SPOT_DEPTH` is taken away.
    """

    ill: Array
    healthy: Array
    spots: Array


def twins(number: int, *, seed: int = SEED) -> Twins:
    """What a lesion changes and nothing else: the ill ones are those of `fundus(number, lesions=True)`.

    Raises HvaeError for no picture.

    >>> pair = twins(2)
    >>> bool((pair.ill == fundus(2, lesions=True)).all()), bool((pair.healthy >= pair.ill).all())
    (True, True)
    """
    _check(number)
    ill, healthy, spots = zip(*(_twin(np.random.default_rng([seed, True, i])) for i in range(number)), strict=True)
    return Twins(_stored(ill), _stored(healthy), np.stack(spots)[:, None])


def _twin(random: np.random.Generator) -> tuple[Array, Array, Array]:
    eye, spots = _eye(random), _spots(random)
    noise = _noise(random)
    return _clipped(eye - SPOT_DEPTH * spots + noise), _clipped(eye + noise), spots


def _drawn(random: np.random.Generator, lesions: bool) -> Array:
    """One picture in [0, 1], (S, S)."""
    eye = _eye(random)
    spots = SPOT_DEPTH * _spots(random) if lesions else 0.0
    return _clipped(eye - spots + _noise(random))


def _eye(random: np.random.Generator) -> Array:
    """Ground, nerve and vessels, (S, S)."""
    ground = gaussian_filter(random.standard_normal((SIZE, SIZE)), 12)
    nerve = np.array([random.uniform(0.3, 0.7), random.choice([0.15, 0.85])]) * SIZE  # row, column
    light = GROUND + 0.05 * ground / ground.std() + DISC * _disc(random, nerve)
    return light - DEPTH * _vessels(random, nerve)


def _noise(random: np.random.Generator) -> Array:
    return NOISE * random.standard_normal((SIZE, SIZE))


def _clipped(light: Array) -> Array:
    return np.clip(light, 0, 1)


def _stored(pictures: Sequence[Array]) -> Array:
    return np.rint(255 * np.stack(pictures)).astype(np.uint8)[:, None]


def _disc(random: np.random.Generator, middle: Array) -> Array:
    """1 inside of the disc of the nerve, with a soft edge, (S, S)."""
    radius = random.uniform(1500, 1800) / 2 / MICRONS
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return 1 / (1 + np.exp(np.clip(2 * (np.hypot(rows - middle[0], columns - middle[1]) - radius), -50, 50)))


def _vessels(random: np.random.Generator, nerve: Array) -> Array:
    """Curves from the nerve across the picture, 1 along their middle and as wide as each is, (S, S)."""
    away = np.where(nerve[1] < SIZE / 2, 1, -1)
    angles = random.uniform(-1.3, 1.3, VESSELS)
    ends = nerve + 1.3 * SIZE * np.stack([np.sin(angles), away * np.cos(angles)], 1)  # (T, 2)
    bends = nerve + 0.5 * (ends - nerve) + random.normal(0, 0.15 * SIZE, (VESSELS, 2))
    t = np.linspace(0, 1, POINTS)[:, None, None]
    curves = (1 - t) ** 2 * nerve + 2 * t * (1 - t) * bends + t**2 * ends  # (P, T, 2)
    deviations = random.uniform(60, 180, VESSELS) / MICRONS / HALF
    return np.max([_near(curves[:, k], width) for k, width in enumerate(deviations)], 0)


def _spots(random: np.random.Generator) -> Array:
    """Gaussian spots, 1 in their middles, (S, S)."""
    count = random.integers(2, SPOTS + 1)
    middles = random.uniform(0.08, 0.92, (count, 2)) * SIZE
    deviations = random.uniform(60, 125, count) / MICRONS / HALF
    return np.max([_near(middle[None], width) for middle, width in zip(middles, deviations, strict=True)], 0)


def _near(points: Array, deviation: float) -> Array:
    """exp(-d^2 / 2 deviation^2) of the distance d of each pixel to the nearest of some points (P, 2), (S, S)."""
    far = 5 * deviation  # beyond it the value is below 4e-6
    distance, _ = KDTree(points).query(PIXELS, distance_upper_bound=far)  # infinity where none is that near
    return np.exp(-((distance / deviation) ** 2) / 2).reshape(SIZE, SIZE)
