r"""The discretised logistic, and the mass of one of its bins: the arithmetic that DMOL shares.

Parameters live on the scale of the papers, x' = 2 x - 1 in [-1, 1], so that published weights keep their meaning.
There the L values of the grid are 2 h apart with h = 1 / (L - 1); value k owns the bin x'_k - h .. x'_k + h, and the
first and the last bin reach to infinity, so the masses sum to one for any location and scale.

Shapes: `B` batch; `...` the event, (C, H, W) or (D,); `L` levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.discrete import level_of

# A uniform of exactly 0 would draw -inf.  Half the spacing of float32 uniforms keeps the tail as long as it can be.
_TINY = 2.0**-25


class Bins(NamedTuple):
    """Where data lie on the scale [-1, 1]: the value, the edges of its bin, and 1 where that edge counts, else 0.

    The first bin has no low edge and the last one no high edge: those tails belong to them.
    """

    centre: Tensor
    low: Tensor
    high: Tensor
    has_low: Tensor
    has_high: Tensor


def bins(value: Tensor, levels: int | Tensor) -> Bins:
    """The bins of data in [0, 1], every field of the shape of the data.

    >>> bins(torch.tensor([0.0, 1.0]), 3).has_low
    tensor([0., 1.])
    """
    k, n = level_of(value, levels), levels - 1
    # From integers, so that neighbours share their edge to the last bit: however narrow the scale, sums telescope.
    low, high = (2 * k - 1) / n - 1, (2 * k + 1) / n - 1
    return Bins(2 * k / n - 1, low, high, (k > 0).to(k.dtype), (k < n).to(k.dtype))


def log_mass(loc: Tensor, log_scale: Tensor, where: Bins, levels: int | Tensor) -> Tensor:
    r"""Log of the mass of a logistic in one bin; all arguments broadcast.

    With the edges a > b in units of the scale, $d = a - b = 2h/s$ and $\sigma$ the logistic function,

    $$\sigma(a) - \sigma(b) = \sigma(a)\,\sigma(-b)\,(1 - e^{-d})$$

    holds exactly.  Its logarithm subtracts nothing that could cancel: it is right however far in the tail the bin
    lies, with finite gradients, where the usual log(max(sigma(a) - sigma(b), 1e-12)) saturates and needs a second
    formula.  In an edge bin one edge is infinite, and only the factor of the other one stays.
    """
    inverse = torch.exp(-log_scale)
    below_high = F.logsigmoid((where.high - loc) * inverse)
    above_low = F.logsigmoid((loc - where.low) * inverse)
    inner = torch.log(-torch.expm1(-2 / (levels - 1) * inverse))
    return where.has_high * below_high + where.has_low * above_low + where.has_high * where.has_low * inner


Mass = Callable[[Tensor, Tensor, Bins, int], Tensor]
"""Location, log-scale, where the data lie, and levels, to the log-mass of their bins."""


def published_mass(loc: Tensor, log_scale: Tensor, where: Bins, levels: int) -> Tensor:
    """Log of the mass of a bin as the released code of NVAE computes it: for comparing with its numbers alone.

    Vahdat and Kautz 2020, arXiv 2007.03898 (8 bits).  It is no probability: every value above 0.99 on the scale
    [-1, 1] gets the whole upper tail, which counts level 254 of 255 twice, so that the masses of a pixel sum to up to
    1.23; and bins of a mass below 1e-5 get the density at their centre times their width, off by nats where the scale
    is narrow.  With fewer than 8 bits only the second holds.
    """
    inverse, n = torch.exp(-log_scale), levels - 1
    centred = where.centre - loc
    low, middle, high = inverse * (centred - 1 / n), inverse * centred, inverse * (centred + 1 / n)
    inner = high.sigmoid() - low.sigmoid()
    thin = middle - log_scale - 2 * F.softplus(middle) - math.log(n / 2)
    inside = torch.where(inner > 1e-5, inner.clamp(min=1e-10).log(), thin)
    first, last = where.centre < -0.999, where.centre > 0.99
    return torch.where(first, F.logsigmoid(high), torch.where(last, F.logsigmoid(-low), inside))


def logistic_noise(like: Tensor) -> Tensor:
    """Draws of the standard logistic distribution, of the shape, type and device of `like`."""
    return torch.rand_like(like).logit(_TINY)


def on_grid(y: Tensor, levels: int) -> Tensor:
    """The nearest value of the grid in [0, 1] for y on the scale [-1, 1]; what lies outside is clipped.

    >>> on_grid(torch.tensor([-3.0, 0.1, 1.2]), 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    return level_of((y.clamp(-1, 1) + 1) / 2, levels) / (levels - 1)


class DiscretizedLogistic(Distribution):
    r"""Independent logistic variables, rounded to the grid.

    $$p(x_k) = \sigma\Big(\frac{x'_k + h - \mu}{s}\Big) - \sigma\Big(\frac{x'_k - h - \mu}{s}\Big)$$

    with the edge bins open outwards.  Kingma et al. 2016, arXiv 1606.04934, with the edge rule of
    Salimans et al. 2017, arXiv 1701.05517, eq. (2).

    Arguments: `loc` and `log_scale`, both (B, ...), on the scale [-1, 1], log s between -40 and 80 (in float32);
    `levels` >= 2.

    >>> p = DiscretizedLogistic(torch.zeros(1, 2), torch.zeros(1, 2), 2)
    >>> p.log_prob(torch.tensor([[0.0, 1.0]])).exp()
    tensor([[0.5000, 0.5000]])
    """

    density = False

    def __init__(self, loc: Tensor, log_scale: Tensor, levels: int) -> None:
        self.loc, self.log_scale, self.levels = loc, log_scale, levels

    def sample(self) -> Tensor:
        return on_grid(torch.addcmul(self.loc, self.log_scale.exp(), logistic_noise(self.loc)), self.levels)

    def log_prob(self, value: Tensor) -> Tensor:
        return log_mass(self.loc, self.log_scale, bins(value.to(self.loc.dtype), self.levels), self.levels)

    def mode(self) -> Tensor:
        """The level nearest to the location: of all inner levels the most probable one.

        With a scale of the order of the whole range an edge level may hold more, since it takes a whole tail.
        """
        return on_grid(self.loc, self.levels)

    def mean(self) -> Tensor:
        """The exact expectation, E[k] = sum over k >= 1 of P(K >= k): L - 1 evaluations, none of them kept."""
        inverse, h = torch.exp(-self.log_scale), 1 / (self.levels - 1)
        total = torch.zeros_like(self.loc)
        for k in range(1, self.levels):
            total = total + ((self.loc - ((2 * k - 1) * h - 1)) * inverse).sigmoid()
        return total * h

    def tempered(self, t: float) -> DiscretizedLogistic:
        return DiscretizedLogistic(self.loc, self.log_scale + math.log(t), self.levels)

    def detach(self) -> DiscretizedLogistic:
        return DiscretizedLogistic(self.loc.detach(), self.log_scale.detach(), self.levels)

    def __repr__(self) -> str:
        return f"DiscretizedLogistic{tuple(self.loc.shape)} of {self.levels} levels"
