r"""Latents that are going to be rounded: additive noise while training, integers in a file.

Rounding to a grid of width w moves a value by at most w / 2; uniform noise of that width does the same to it, and has a
gradient.  If the prior is blurred by the same noise, its density at a value is the mass of the bin around that value
(over w), so that the rate of training is the bits of the file.

    q = U(mu_q - w/2, mu_q + w/2),   p = N(mu_p, sigma_p^2) * U(-w/2, w/2),   z_hat = mu_p + round(mu_q - mu_p)

Balle, Laparra and Simoncelli 2017, arXiv 1611.01704, sec. 3; for hierarchies Duan, Lu, Ma and Zhu 2022, arXiv
2208.13056, sec. 3.

Shapes: `B` batch; `...` any event shape.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.tails import log_ndtr

# A value drawn as loc + noise, less loc again, may lie outside the support by the rounding of single precision.
_SLACK = 1e-3


class Uniform(Distribution):
    r"""Uniform within half a width of a location.

    $$\log q(z) = -\log w \quad\text{for}\quad |z - \mu| \le w/2, \qquad -\infty \text{ elsewhere}$$

    Arguments: `loc` (B, ...); `width` w > 0, in the unit of the value.

    >>> q = Uniform(torch.zeros(1, 2))
    >>> q.log_prob(torch.tensor([[0.3, 0.7]])).exp()
    tensor([[1., 0.]])
    """

    def __init__(self, loc: Tensor, width: float = 1.0) -> None:
        self.loc, self.width = loc, width

    def sample(self) -> Tensor:
        return self.loc + self.width * (torch.rand_like(self.loc) - 0.5)

    def log_prob(self, value: Tensor) -> Tensor:
        inside = (value - self.loc).abs() <= self.width * (0.5 + _SLACK)
        level = torch.full_like(value, -math.log(self.width))
        return level.masked_fill(~inside, -math.inf)

    def mode(self) -> Tensor:
        """The middle: all values of the support are equally probable."""
        return self.loc

    def mean(self) -> Tensor:
        return self.loc

    def tempered(self, t: float) -> Uniform:
        return Uniform(self.loc, self.width * t)

    def detach(self) -> Uniform:
        return Uniform(self.loc.detach(), self.width)

    def __repr__(self) -> str:
        return f"Uniform{tuple(self.loc.shape)}"


class BlurredNormal(Distribution):
    r"""A Gaussian plus uniform noise of one width: its density is the Gaussian's mass around a value.

    $$p(z) = \frac1w\Big[\Phi\Big(\frac{z + w/2 - \mu}{\sigma}\Big) - \Phi\Big(\frac{z - w/2 - \mu}{\sigma}\Big)\Big]$$

    Over the grid mu + k w, k integer, p w sums to one: those are the masses that a file is coded with.

    Arguments: `loc` and `scale` (> 0, up to 1e5 widths in single precision), both (B, ...); `width` w > 0, all in the
    unit of the value.

    >>> p = BlurredNormal(torch.zeros(1, 1), torch.full((1, 1), 0.7))
    >>> round(float(p.log_prob(torch.arange(-9.0, 10)[:, None]).exp().sum()), 6)
    1.0
    """

    def __init__(self, loc: Tensor, scale: Tensor, width: float = 1.0) -> None:
        self.loc, self.scale, self.width = loc, scale, width

    def sample(self) -> Tensor:
        noise = self.width * (torch.rand_like(self.loc) - 0.5)
        return torch.addcmul(self.loc + noise, self.scale, torch.randn_like(self.loc))

    def log_prob(self, value: Tensor) -> Tensor:
        # On the lower side of the Gaussian both logarithms stay exact, however far in the tail the value lies.
        distance, half = (value - self.loc).abs(), 0.5 * self.width
        high, low = log_ndtr((half - distance) / self.scale), log_ndtr((-half - distance) / self.scale)
        return high + torch.log(-torch.expm1(low - high)) - math.log(self.width)

    def mode(self) -> Tensor:
        return self.loc

    def mean(self) -> Tensor:
        return self.loc

    def tempered(self, t: float) -> BlurredNormal:
        """Everything t times as wide, the noise included."""
        return BlurredNormal(self.loc, self.scale * t, self.width * t)

    def detach(self) -> BlurredNormal:
        return BlurredNormal(self.loc.detach(), self.scale.detach(), self.width)

    def __repr__(self) -> str:
        return f"BlurredNormal{tuple(self.loc.shape)}"
