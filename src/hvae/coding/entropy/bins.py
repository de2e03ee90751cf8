r"""Discretisation of continuous latents into bins, for bits-back coding.

An entropy coder needs symbols: a latent is coded as the index of its bin, and encoder and decoder both use the bin's
centre.  A latent that is visited once has bins of equal probability under its p, so that p costs exactly `bits`
(Townsend et al. 2019, arXiv 1901.04866, sec. 2.5.1; Townsend et al. 2020, arXiv 1912.09953, sec. 3.3).  These are wide
in the tails of p, where the q of unfamiliar data lies; such a latent has even bins on the scale of its p.  A latent
whose q is visited first has a fixed grid (Kingma et al. 2019, arXiv 1905.06845, sec. 3.2).

Shapes: `N` all elements of a value, (B, ...) flattened; `E` edges.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np

from hvae.coding.entropy.curves import UNIT_BITS, Curve, Floats, Ints
from hvae.coding.entropy.forms import Continuous
from hvae.distributions import Distribution
from hvae.errors import HvaeError

MOST_BITS = 20
MOST_EXPONENT = 60


class Bins(ABC):
    """2^bits intervals that partition the real line."""

    bits: int

    @property
    def size(self) -> int:
        return 1 << self.bits

    @abstractmethod
    def edges(self, index: Ints) -> Floats:
        """The lower edge of the bins of index (N, E), 0 .. size: -inf at 0, inf at size."""

    @abstractmethod
    def centres(self, index: Ints) -> Floats:
        """The value that stands for the bins of index (N,)."""


class EqualMass(Bins):
    r"""Bins that all hold the mass $2^{-b}$ of a law of this `form`: edge j is $\mu + \sigma\,F^{-1}(j\,2^{-b})$."""

    def __init__(self, law: Distribution, form: Continuous, bits: int) -> None:
        self.law, self.p, self.bits = law, form.parameters, bits
        self.standard = _quantiles(form.standard.curve(), bits)

    def edges(self, index: Ints) -> Floats:
        return self.p.loc[:, None] + self.p.scale[:, None] * self.standard[0].take(index)

    def centres(self, index: Ints) -> Floats:
        return self.p.loc + self.p.scale * self.standard[1][index]


@cache
def _quantiles(curve: Curve, bits: int) -> tuple[Floats, Floats]:
    """Edges, 2^b + 1 of them, and centres, of equally probable bins of a standard distribution."""
    step = 1 << (UNIT_BITS - bits)
    at = np.arange(1 << bits, dtype=np.int64) * step
    inner, centres = curve.inverse(at[1:]), curve.inverse(at + step // 2)
    return np.concatenate([[-np.inf], inner, [np.inf]]), centres


class Even(Bins):
    """Bins of one width from `low` on, the same for every element of a level."""

    def __init__(self, low: float, step: float, bits: int) -> None:
        self.low, self.step, self.bits = low, step, bits

    def edges(self, index: Ints) -> Floats:
        edges = np.asarray(self.low + self.step * index, dtype=np.float64)
        edges[index <= 0], edges[index >= self.size] = -np.inf, np.inf
        return edges

    def centres(self, index: Ints) -> Floats:
        return np.asarray(self.low + self.step * (index + 0.5), dtype=np.float64)


class Spread(Bins):
    r"""Even bins on the scale of a law: edge j is $\mu + \sigma\,w\,(j - 2^{b-1})$."""

    def __init__(self, form: Continuous, step: float, bits: int) -> None:
        self.p, self.bits = form.parameters, bits
        self.even = Even(-step * (1 << bits - 1), step, bits)

    def edges(self, index: Ints) -> Floats:
        return self.p.loc[:, None] + self.p.scale[:, None] * self.even.edges(index)

    def centres(self, index: Ints) -> Floats:
        return self.p.loc + self.p.scale * self.even.centres(index)


@dataclass(frozen=True)
class Relative:
    """Settings of `EqualMass`: 2^bits bins, for a level whose p is known before it is drawn."""

    bits: int

    def __post_init__(self) -> None:
        _check(self.bits)


@dataclass(frozen=True)
class Scaled:
    """Settings of `Spread`: 2^bits bins, each 2^exponent standard deviations of p wide."""

    exponent: int
    bits: int

    def __post_init__(self) -> None:
        _check(self.bits)
        if abs(self.exponent) > MOST_EXPONENT:
            raise HvaeError(f"expected bins of 2^-{MOST_EXPONENT} to 2^{MOST_EXPONENT} deviations, got {self}")

    def bins(self, form: Continuous) -> Spread:
        return Spread(form, math.ldexp(1.0, self.exponent), self.bits)


@dataclass(frozen=True)
class Grid:
    """Settings of `Even`: 2^bits bins of width `step`, for a level that is drawn before its p is known."""

    low: float
    step: float
    bits: int

    def __post_init__(self) -> None:
        _check(self.bits)
        if not (np.isfinite(self.low) and 0 < self.step < np.inf):
            raise HvaeError(f"expected a grid of finite numbers and a step above 0, got {asdict(self)}")
        if (
            math.frexp(self.step)[0] != 0.5
            or not (self.low / self.step).is_integer()
            or abs(self.low / self.step) > 1 << 52
        ):
            raise HvaeError(f"expected a step that is a power of two and divides the lower end, got {asdict(self)}")

    @property
    def dyadic(self) -> tuple[int, int]:
        """Exponent e and place k of the grid: steps of 2^e from k 2^e on."""
        return math.frexp(self.step)[1] - 1, int(self.low / self.step)

    def bins(self) -> Even:
        return Even(self.low, self.step, self.bits)


def _check(bits: int) -> None:
    if not 1 <= bits <= MOST_BITS:
        raise HvaeError(f"expected 1 to {MOST_BITS} bits for the bins of a latent, got {bits}; 10 is usual")
