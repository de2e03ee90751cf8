"""Student's t: a likelihood for real-valued data that jump now and then.

Shapes: `B` batch; `...` any event shape.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Gamma

from hvae.distributions.base import Distribution

HALF_LOG_PI = 0.5 * math.log(math.pi)


class Student(Distribution):
    r"""Student's t with independent coordinates: a Gaussian whose variance is itself drawn, anew for each number.

    $$\log p(x) = \log\Gamma\big(\tfrac{\nu+1}{2}\big) - \log\Gamma\big(\tfrac{\nu}{2}\big) - \tfrac12\log(\nu\pi)
      - \log\sigma - \tfrac{\nu+1}{2}\log\Big(1 + \tfrac{1}{\nu}\big(\tfrac{x-\mu}{\sigma}\big)^2\Big)$$

    A number far off costs the logarithm of how far, where a Gaussian charges the square.  Arguments: `loc`, `scale`
    (> 0), both (B, ...) in the unit of the value, and `freedom` (nu > 1; the mean is then `loc`), which broadcasts with
    them.  The standard deviation is sigma sqrt(nu / (nu - 2)) for nu > 2.

    >>> Student(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor(3.0)).log_prob(torch.zeros(1, 2))[0, 0]
    tensor(-1.0009)
    """

    def __init__(self, loc: Tensor, scale: Tensor, freedom: Tensor) -> None:
        self.loc, self.scale, self.freedom = loc, scale, freedom

    def sample(self) -> Tensor:
        loc, scale, freedom = torch.broadcast_tensors(self.loc, self.scale, self.freedom)
        noise = torch.randn_like(loc)
        # Not torch's StudentT, whose law of the variance checks values, which tensors without storage do not have.
        chi2: Tensor = Gamma(0.5 * freedom, torch.full_like(freedom, 0.5), validate_args=False).rsample()
        value: Tensor = loc + scale * noise * torch.rsqrt(chi2 / freedom)
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        nu = self.freedom
        far = ((value - self.loc) / self.scale).square() / nu
        norm = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * nu.log() - HALF_LOG_PI
        return norm - self.scale.log() - (nu + 1) / 2 * torch.log1p(far)

    def mode(self) -> Tensor:
        return self.loc

    def mean(self) -> Tensor:
        return self.loc

    def at(self, loc: Tensor, scale: Tensor) -> Student:
        """The same law at another location and scale, both (B, ...)."""
        return Student(loc, scale, self.freedom)

    def tempered(self, t: float) -> Student:
        return self.at(self.loc, self.scale * t)

    def detach(self) -> Student:
        return Student(self.loc.detach(), self.scale.detach(), self.freedom.detach())

    def __repr__(self) -> str:
        return f"Student{tuple(self.loc.shape)}"
