"""Likelihood heads of discretised logistics: one for each value, or a mixture of them.

Shapes: as in `heads`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae.distributions import DiscretizedLogistic, LogisticMixture, full
from hvae.distributions.logistic import Mass, log_mass
from hvae.levels.heads import Head, Shape, at_least, at_least_two, per_channel, softly_above

# The published floor of a logistic's log-scale: e^-7 is an eighth of an 8-bit bin, so a narrower one gains nothing.
FLOOR = -7.0


def floor_of(levels: int) -> float:
    """The least log-scale of a logistic of so many levels: the published one, or as small a part of a finer bin.

    >>> floor_of(256), round(floor_of(2**16), 2)
    (-7.0, -12.55)
    """
    return FLOOR - max(0.0, math.log((levels - 1) / 255))


# Far above any use (every inner level has log-probability -40 or less), far below where float32 underflows.
CEILING = 40.0
# Logistics of scale e^-1 near mid-grey cost at most 0.4 bits a dimension more than the uniform code.
START = -1.0
# The variance of a logistic is its squared scale times pi^2 / 3.
LOGISTIC_OF_UNIT_VARIANCE = 0.5 * math.log(3 / math.pi**2)


class LogisticHead(Head):
    """Discretised logistics with one learned scale a channel (a coordinate of a vector).

    Kingma et al. 2016, arXiv 1606.04934 (there one scale for all).  The log-scale stays softly above `floor`.
    """

    def __init__(self, shape: Shape, levels: int, *, floor: float | None = None) -> None:
        super().__init__(shape, shape[0])
        self.levels = at_least_two(levels)
        self.floor = floor_of(levels) if floor is None else floor
        self.log_scale = per_channel(shape, START)

    def read(self, raw: Tensor) -> DiscretizedLogistic:
        return DiscretizedLogistic(raw, softly_above(full(self.log_scale), self.floor).expand_as(raw), self.levels)


class LogisticPixelHead(Head):
    """Discretised logistics with a location and a log-scale for every value, the locations first."""

    def __init__(self, shape: Shape, levels: int, *, floor: float | None = None) -> None:
        super().__init__(shape, 2 * shape[0])
        self.levels = at_least_two(levels)
        self.floor = floor_of(levels) if floor is None else floor

    def read(self, raw: Tensor) -> DiscretizedLogistic:
        loc, log_scale = raw.chunk(2, 1)
        return DiscretizedLogistic(loc, (log_scale + START).clamp(self.floor, CEILING), self.levels)


class MixtureHead(Head):
    r"""DMOL: a mixture of M discretised logistics, joint over the channels.

    Salimans et al. 2017, arXiv 1701.05517, sec. 2.2.  Raw numbers a position, in this order: M logits; M x C
    locations; M x C log-scales; M x P coefficients (before tanh), P = C (C - 1) / 2, pairs (1,0), (2,0), (2,1), ...,
    the component always the slower index.  For three channels that is the published 10 M.

    A vector (D,) is one channel at D positions: 3 M numbers for each, (B, 3 M D) read as (B, 3 M, D).

    Locations start spread over the middle of [-1, 1] (the fraction `spread` of it), since equal components would get
    equal gradients for ever, and log-scales at `start`.  Published models have no such start: with `start=0.0,
    spread=0.0` the raw numbers are the published ones in another order.  For three channels the published layer has
    component m of channel c at M + (3 c + i) M + m, where i = 0 is its location, 1 its log-scale and 2 the coefficient
    of the c-th pair.

    Raises HvaeError if `levels` is below 2 or `mixtures` below 1.
    """

    def __init__(
        self,
        shape: Shape,
        levels: int,
        *,
        mixtures: int = 10,
        floor: float | None = None,
        start: float = START,
        spread: float = 0.5,
        mass: Mass = log_mass,
    ) -> None:
        m = at_least("mixtures", mixtures, 1, "10 is usual")
        image = tuple(shape) if len(shape) > 1 else (1, *shape)
        c = image[0]
        self.parts = [m, m * c, m * c, m * (c * (c - 1) // 2)]
        super().__init__(shape, sum(self.parts) * (1 if len(shape) > 1 else shape[0]))
        self.levels, self.mixtures, self.start, self.image = at_least_two(levels), m, start, image
        self.floor = floor_of(levels) if floor is None else floor
        self.mass = mass
        middles = (2 * torch.arange(m) + 1) / m - 1  # of m equal parts of [-1, 1]
        self.register_buffer("spread", (spread * middles).view(m, *(1 for _ in image)), persistent=False)  # (M, 1, ...)

    def read(self, raw: Tensor) -> LogisticMixture:
        positions = raw.shape[2:] or self.image[1:]
        raw = raw.reshape(raw.shape[0], sum(self.parts), *positions)  # (B, width, S), of any S for images
        logits, loc, log_scale, coefficients = raw.split(self.parts, 1)
        m, c = self.mixtures, self.image[0]
        return LogisticMixture(
            logits,
            loc=loc.unflatten(1, (m, c)) + self.spread,  # (B, M, C, S)
            log_scale=(log_scale + self.start).clamp(self.floor, CEILING).unflatten(1, (m, c)),
            coefficients=coefficients.tanh().unflatten(1, (m, c * (c - 1) // 2)),  # (B, M, P, S)
            levels=self.levels,
            shape=(c, *positions) if len(self.shape) > 1 else self.shape,
            mass=self.mass,
        )

    def marginal(self, x: Tensor) -> Tensor:
        """Components around the mean of each value, each half as wide as the one before: sound is loud at times."""
        centred = (2 * x - 1).unflatten(1, self.image[:1] if len(self.shape) > 1 else self.image)  # (N, C, S)
        m, bin_width = self.mixtures, 2 / (self.levels - 1)
        wide = centred.std(0, correction=0).clamp_min(bin_width).log() + LOGISTIC_OF_UNIT_VARIANCE
        halves = math.log(2) * torch.arange(m, dtype=x.dtype, device=x.device).view(m, *(1 for _ in wide.shape))
        log_scale = (wide - halves).clamp_min(math.log(bin_width)) - self.start  # (M, C, S)
        rest = log_scale.new_zeros(self.parts[3], *wide.shape[1:])
        loc = (centred.mean(0) - self.spread).expand_as(log_scale)
        raw = torch.cat([torch.zeros_like(loc[:, 0]), loc.flatten(0, 1), log_scale.flatten(0, 1), rest])
        return raw if len(self.shape) > 1 else raw.flatten()
