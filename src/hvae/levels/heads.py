"""Likelihood heads: raw outputs of the last layer to the distribution of the data.

A head says how many raw numbers it needs (`width`), the builder makes the last layer that wide, and the head reads
them.  It thinks on the scale of the networks, x' = 2 x - 1 in [-1, 1], and raw 0 always gives a broad distribution
around mid-grey, so that training starts near the uniform code whatever the last layer's initialisation.

Shapes: `B` batch; `C` channels, `H W` space; `D` coordinates of a vector; `L` levels; `M` components; `S` positions,
(H, W) for images, none for vectors, except in the mixture (see there).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.distributions import Bernoulli, Categorical, DiscretizedLogistic, Distribution, LogisticMixture, Normal, full
from hvae.distributions.logistic import Mass, log_mass
from hvae.errors import HvaeError
from hvae.levels.scale import Positive, clamped_gaussian, gaussian, softplus

Shape = Sequence[int]

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


def _at_least(name: str, value: int, least: int, advice: str) -> int:
    if value < least:
        raise HvaeError(f"expected {name} of at least {least}, got {value}; {advice}")
    return value


def at_least_two(levels: int) -> int:
    """How many levels there are.  Raises HvaeError for fewer than two."""
    return _at_least("levels", levels, 2, "an n-bit image has 2**n levels: use 2 for binary data, 256 for 8 bits")


def _softly_above(raw: Tensor, floor: float) -> Tensor:
    """raw where it is well above the floor, never below it, with a gradient everywhere.

    A single shared parameter that a hard clamp cuts off would never move again.
    """
    return floor + F.softplus(raw - floor)


def _per_channel(shape: Shape, value: float) -> nn.Parameter:
    return nn.Parameter(torch.full((shape[0], *(1 for _ in shape[1:])), value))  # (C, 1, 1) or (D,)


class Head(nn.Module, ABC):
    """Raw numbers to a distribution over data of one shape.

    `shape` is (C, H, W) or (D,).  `width` is how many raw numbers a position takes: raw is (B, width, H, W) for images
    and (B, width) for vectors.  Raw numbers of half precision are widened before anything is computed from them.
    """

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.shape, self.width = tuple(shape), width

    def forward(self, raw: Tensor) -> Distribution:
        assert raw.shape[1:] == (self.width, *self.shape[1:]), f"{tuple(raw.shape)} for {self}"
        return self.read(full(raw))

    @abstractmethod
    def read(self, raw: Tensor) -> Distribution:
        """The distribution that raw numbers of the right shape and at least single precision stand for."""

    def marginal(self, x: Tensor) -> Tensor | None:
        """Raw numbers, (width, *positions), that describe data (B, *shape) as a whole; none if nobody has said how."""
        return None

    def extra_repr(self) -> str:
        return f"{self.shape}, width={self.width}"


class BernoulliHead(Head):
    """One logit a value: binary data only.  Raises HvaeError for more than two levels."""

    def __init__(self, shape: Shape, levels: int = 2) -> None:
        super().__init__(shape, shape[0])
        if levels != 2:
            raise HvaeError(
                f"expected binary data (1 bit, 2 levels) for the bernoulli likelihood, got {levels} levels; "
                "grey values are not binary: use dmol, or a binarised data set"
            )

    def read(self, raw: Tensor) -> Bernoulli:
        return Bernoulli(raw)

    def marginal(self, x: Tensor) -> Tensor:
        """The logit of the mean, with half a count of either kind added: no few data show that a pixel is never lit."""
        return torch.logit((x.sum(0) + 0.5) / (len(x) + 1))


class GaussianHead(Head):
    r"""A Gaussian of one fixed standard deviation `sigma`, in units of data that lie in [0, 1].

    $$-\log p(x) = \frac{(x - \mu)^2}{2\sigma^2} + \log\sigma + \tfrac12\log 2\pi$$

    The constant is kept, so that rates, likelihoods and densities under different sigma stay comparable.
    """

    def __init__(self, shape: Shape, *, sigma: float = 0.1) -> None:
        super().__init__(shape, shape[0])
        if not sigma > 0:
            raise HvaeError(f"expected sigma above 0, got {sigma}; it is in units of data in [0, 1], 0.1 is usual")
        self.sigma = sigma

    def read(self, raw: Tensor) -> Normal:
        return Normal((raw + 1) / 2, raw.new_tensor(self.sigma).expand_as(raw))


class GaussianPixelHead(Head):
    """A Gaussian whose standard deviation is learned for every value; `positive` bounds it away from zero."""

    def __init__(self, shape: Shape, *, positive: Positive = softplus) -> None:
        super().__init__(shape, 2 * shape[0])
        self.positive = positive

    def read(self, raw: Tensor) -> Normal:
        centred = gaussian(raw, self.positive)
        return Normal((centred.loc + 1) / 2, centred.scale / 2)


class GaussianClampedHead(Head):
    """The Gaussian of NVAE's released code for every value: location and log-scale softly clamped to [-5, 5].

    Vahdat and Kautz 2020, arXiv 2007.03898.  The density there is of data on [-1, 1]; of data in [0, 1] it is log 2
    a value higher.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, 2 * shape[0])

    def read(self, raw: Tensor) -> Normal:
        centred = clamped_gaussian(raw)
        return Normal((centred.loc + 1) / 2, centred.scale / 2)


class GaussianGlobalHead(Head):
    r"""A Gaussian with one learned standard deviation for all values: the sigma-VAE.

    Its maximum-likelihood value is the root of the mean squared error, so it balances reconstruction and rate by
    itself.  Rybkin et al. 2021, arXiv 2006.13202.  log sigma stays softly above `floor`.
    """

    def __init__(self, shape: Shape, *, floor: float = -6.0) -> None:
        super().__init__(shape, shape[0])
        self.floor = floor
        self.log_sigma = nn.Parameter(torch.tensor(-1.0))

    def read(self, raw: Tensor) -> Normal:
        sigma = _softly_above(full(self.log_sigma), self.floor).exp()
        return Normal((raw + 1) / 2, sigma.expand_as(raw))


class LogisticHead(Head):
    """Discretised logistics with one learned scale a channel (a coordinate of a vector).

    Kingma et al. 2016, arXiv 1606.04934 (there one scale for all).  The log-scale stays softly above `floor`.
    """

    def __init__(self, shape: Shape, levels: int, *, floor: float | None = None) -> None:
        super().__init__(shape, shape[0])
        self.levels = at_least_two(levels)
        self.floor = floor_of(levels) if floor is None else floor
        self.log_scale = _per_channel(shape, START)

    def read(self, raw: Tensor) -> DiscretizedLogistic:
        return DiscretizedLogistic(raw, _softly_above(full(self.log_scale), self.floor).expand_as(raw), self.levels)


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
        m = _at_least("mixtures", mixtures, 1, "10 is usual")
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


class CategoricalHead(Head):
    """A free probability for each of the L levels of every value: L logits, the level the slower index."""

    def __init__(self, shape: Shape, levels: int) -> None:
        super().__init__(shape, at_least_two(levels) * shape[0])
        self.levels = levels

    def read(self, raw: Tensor) -> Categorical:
        return Categorical(raw.unflatten(1, (self.levels, self.shape[0])))  # (B, L, C, S), of any S
