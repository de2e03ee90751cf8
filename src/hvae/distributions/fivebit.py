r"""Five bits as VDVAE published them (FFHQ-256, 0.61 bits a dimension), and the same weights read correctly.

A grey value v = 0 .. 255 counts by its five high bits k = floor(v / 8), which the published code places at
y_k = 8 k / 127.5 - 1 on the scale of its logistics.  Two things are wrong with the masses that it then takes:

- neighbours lie 8 / 127.5 = 0.0627 apart, but every bin is 2 / 31 = 0.0645 wide, the width that would fit the grid
  2 k / 31 - 1: bins overlap, and masses in the middle of the range add up to 1.028;
- the last value lies at 0.945, and the upper tail is given to values above 0.999, of which there are none: for bright
  pixels masses add up to far less than one (0.596 at location 0.97 and scale 0.02).

So the published number is no bound on anything.  `overlapping_mass` reproduces it; with the usual mass, `placed` reads
the same parameters with bins that touch and tails that are owned, and masses sum to one.

Shapes: `B` batch; `M` components; `C` channels; `S` positions, (H, W).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.discrete import level_of
from hvae.distributions.logistic import Bins, Mass, log_mass
from hvae.distributions.mixture import LogisticMixture

_LEVELS, _GREYS = 32, 8
_A = _GREYS * (_LEVELS - 1) / 255
"""Our grid y' = 2 k / 31 - 1 is stretched: the published place of level k is A y' + A - 1."""
_HALF = 1 / (31 * _A)
"""The published half-width of a bin, in our grid (where 1 / 31 would fit)."""
_SMALL = 1e-5
"""Below it the published code takes a bin's mass as its width times the density in its middle."""


def overlapping_mass(loc: Tensor, log_scale: Tensor, where: Bins, levels: int) -> Tensor:
    r"""Log of what the published code takes for a mass: a compatibility mode, never a default.

    $$\log\big[\sigma\big(\tfrac{y' + h - \mu}{s}\big) - \sigma\big(\tfrac{y' - h - \mu}{s}\big)\big], \qquad
      h = \tfrac{1}{31 A} > \tfrac{1}{31}$$

    with the low edge open at k = 0 and no open edge above.  Child 2021, arXiv 2011.10650, released code; the module
    says what is wrong with it.

    >>> from hvae.distributions.logistic import bins
    >>> everything = bins(torch.arange(32.0) / 31, 32)
    >>> overlapping_mass(torch.tensor(0.0), torch.tensor(-2.0), everything, 32).exp().sum() > 1.02
    tensor(True)
    """
    assert levels == _LEVELS
    inverse, centred = torch.exp(-log_scale), where.centre - loc
    high, middle, low = inverse * (centred + _HALF), inverse * centred, inverse * (centred - _HALF)
    mass = high.sigmoid() - low.sigmoid()
    by_density = middle - log_scale - 2 * F.softplus(middle) + math.log(2 * _HALF)
    inner = torch.where(mass > _SMALL, mass.clamp(min=1e-12).log(), by_density)
    return torch.where(where.has_low > 0, inner, F.logsigmoid(high))


def placed(mixture: LogisticMixture, mass: Mass = log_mass) -> LogisticMixture:
    r"""A mixture on the published scale of 8-bit greys as one over 32 levels: the same density, on our grid.

    With $y = A y' + A - 1$ for every channel,

    $$\mu' = \frac{\mu + (\sum_j c_j - 1)(A - 1)}{A}, \qquad s' = s / A, \qquad c' = c$$

    for a channel whose location moves by $\sum_j c_j y_j$ with the channels before it.  With the default `mass` bins
    touch, both outer ones are open, and masses sum to one.
    """
    channels = range(mixture.loc.shape[2])
    pull = [mixture.coefficients[:, :, c * (c - 1) // 2 : c * (c + 1) // 2].sum(2) for c in channels]
    return LogisticMixture(
        mixture.logits,
        loc=(mixture.loc + (torch.stack(pull, 2) - 1) * (_A - 1)) / _A,  # (B, M, C, S)
        log_scale=mixture.log_scale - math.log(_A),
        coefficients=mixture.coefficients,
        levels=_LEVELS,
        shape=mixture.shape,
        mass=mass,
    )


class HighBits(Distribution):
    """A distribution over 5-bit values, asked of 8-bit ones: the datum v counts by floor(v / 8), a draw is v = 8 k.

    The published encoder sees all eight bits while the likelihood scores five.  Nats are those of the 5-bit image.

    >>> from hvae.distributions.discrete import Categorical
    >>> HighBits(Categorical(torch.zeros(1, 32, 1))).log_prob(torch.tensor([[7 / 255]])).exp() * 32
    tensor([[1.]])
    """

    density = False

    def __init__(self, inner: Distribution) -> None:
        self.inner, self.has_exact_mean = inner, inner.has_exact_mean

    def log_prob(self, value: Tensor) -> Tensor:
        return self.inner.log_prob((level_of(value, 256) / _GREYS).floor() / (_LEVELS - 1))

    def sample(self) -> Tensor:
        return self.inner.sample() * _A

    def mode(self) -> Tensor:
        return self.inner.mode() * _A

    def mean(self) -> Tensor:
        return self.inner.mean() * _A

    def tempered(self, t: float) -> HighBits:
        return HighBits(self.inner.tempered(t))

    def detach(self) -> HighBits:
        return HighBits(self.inner.detach())

    def __repr__(self) -> str:
        return f"five high bits by {self.inner!r}"
