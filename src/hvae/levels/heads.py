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

from hvae.distributions import Bernoulli, Categorical, Correlated, Distribution, Normal, full
from hvae.errors import HvaeError
from hvae.levels.scale import Positive, clamped_gaussian, gaussian, softplus, softplus_raw
from hvae.modules import Spatial

Shape = Sequence[int]
MOST_CORRELATED = 256
"""Channels whose covariance a network may say: 33,152 raw numbers."""
LEAST_VARIANCE = 1e-4
"""Of data on [-1, 1], where a batch shows none."""


def at_least(name: str, value: int, least: int, advice: str) -> int:
    """The value of an argument.  Raises HvaeError, with advice, for less."""
    if value < least:
        raise HvaeError(f"expected {name} of at least {least}, got {value}; {advice}")
    return value


def at_least_two(levels: int) -> int:
    """How many levels there are.  Raises HvaeError for fewer than two."""
    return at_least("levels", levels, 2, "an n-bit image has 2**n levels: use 2 for binary data, 256 for 8 bits")


def softly_above(raw: Tensor, floor: float) -> Tensor:
    """raw where it is well above the floor, never below it, with a gradient everywhere.

    A single shared parameter that a hard clamp cuts off would never move again.
    """
    return floor + F.softplus(raw - floor)


def per_channel(shape: Shape, value: float) -> nn.Parameter:
    """One weight a channel that broadcasts over places, or one a coordinate of a vector."""
    return nn.Parameter(torch.full((shape[0], *(1 for _ in shape[1:])), value))  # (C, 1, 1) or (D,)


class Head(Spatial, ABC):
    """Raw numbers to a distribution over data of one shape.

    `shape` is (C, H, W) or (D,).  `width` is how many raw numbers a position takes: raw is (B, width, H, W) for images
    and (B, width) for vectors.  Raw numbers of half precision are widened before anything is computed from them.
    """

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__(shape[1:])
        self.shape, self.width = tuple(shape), width

    def forward(self, raw: Tensor) -> Distribution:
        assert raw.shape[1:] == (self.width, *self.size), f"{tuple(raw.shape)} for {self}"
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


class BoundedBernoulliHead(BernoulliHead):
    r"""One logit a value, within 30: $30\tanh(l/30)$, so that no value costs more than 30 nats, whatever the state.

    A state that has left its range then costs what it says, and no more: the mean over all draws stays a bound that can
    be estimated.  Within 5 of zero it is the free logit but for 1 %.
    """

    def read(self, raw: Tensor) -> Bernoulli:
        return Bernoulli(30 * torch.tanh(raw / 30))


class GaussianHead(Head):
    r"""A Gaussian of one fixed standard deviation `sigma`, in units of data that lie in [0, 1].

    $$-\log p(x) = \frac{(x - \mu)^2}{2\sigma^2} + \log\sigma + \tfrac12\log 2\pi$$

    The constant is kept, so that rates, likelihoods and densities under different sigma stay comparable.  Raises
    HvaeError for a sigma that is not above 0.
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


class GaussianFullHead(Head):
    """A Gaussian of full covariance over the coordinates of a vector, or over the channels at each place of a map.

    C locations, C precisions 1 / sigma, which grow linearly, so that one large raw number cannot make a density
    explode, and C (C - 1) / 2 slopes of each channel on those before it: raw numbers over sqrt(C), so that the sum of C
    of them is of order one at the start.  Raises HvaeError for more than 256 channels: the raw numbers grow with their
    square.
    """

    def __init__(self, shape: Shape) -> None:
        channels = shape[0]
        if channels > MOST_CORRELATED:
            raise HvaeError(
                f"expected at most {MOST_CORRELATED} coordinates for the gaussian-full likelihood, got {channels}; "
                "choose gaussian-pixel"
            )
        super().__init__(shape, channels * (channels + 3) // 2)

    def read(self, raw: Tensor) -> Correlated:
        channels = self.shape[0]
        loc, precision, slope = raw.split([channels, channels, channels * (channels - 1) // 2], 1)
        slopes = raw.new_zeros(raw.shape[0], channels, channels, *self.size)  # (B, C, C, S)
        row, column = torch.tril_indices(channels, channels, -1, device=raw.device)
        slopes[:, row, column] = slope / math.sqrt(channels)
        return Correlated((loc + 1) / 2, 0.5 / softplus(precision), slopes)

    def marginal(self, x: Tensor) -> Tensor:
        """Mean and covariance over the batch, shrunk by C / (B + C): few data show correlations that are none."""
        channels, rows = self.shape[0], (2 * x - 1).movedim(0, -1).movedim(0, -2)  # (S, C, B)
        mean = rows.mean(-1)
        apart = rows - mean[..., None]
        plain = apart @ apart.mT / len(x)
        own = torch.diag_embed(plain.diagonal(dim1=-2, dim2=-1) + LEAST_VARIANCE)
        factor = torch.linalg.cholesky(torch.lerp(plain, own, channels / (len(x) + channels)))
        scale = factor.diagonal(dim1=-2, dim2=-1)  # (S, C)
        row, column = torch.tril_indices(channels, channels, -1, device=x.device)
        # The rows of diag(sigma) L^-1 are those of I - S.
        slopes = -(scale[..., None] * torch.linalg.inv(factor))[..., row, column]
        raw = torch.cat([mean, softplus_raw(1 / scale), math.sqrt(channels) * slopes], -1)
        return raw.movedim(-1, 0)


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
        sigma = softly_above(full(self.log_sigma), self.floor).exp()
        return Normal((raw + 1) / 2, sigma.expand_as(raw))


class CategoricalHead(Head):
    """A free probability for each of the L levels of every value: L logits, the level the slower index."""

    def __init__(self, shape: Shape, levels: int) -> None:
        super().__init__(shape, at_least_two(levels) * shape[0])
        self.levels = levels

    def read(self, raw: Tensor) -> Categorical:
        return Categorical(raw.unflatten(1, (self.levels, self.shape[0])))  # (B, L, C, S), of any S
