"""The Gaussian whose channels are correlated: a likelihood of vectors whose kinds are ellipses, or of colours.

Shapes: `B` batch; `C` channels (the coordinates of a vector); `...` places, if any, which are independent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.normal import Normal


class Correlated(Distribution):
    r"""A Gaussian of any covariance over channels, each given those before it.

    $$x_c \mid x_{<c} \sim N\Big(\mu_c + \sum_{j<c} s_{cj} (x_j - \mu_j),\; \sigma_c^2\Big), \qquad
      \Sigma = (I - S)^{-1} \mathrm{diag}(\sigma^2) (I - S)^{-\top}$$

    The modified Cholesky decomposition of a covariance: Pourahmadi 1999, Biometrika 86(3), 677-690, sec. 2.  The slopes
    have no unit and no bounds, so that a network may say them.  Arguments: `loc` and `scale` (> 0), both (B, C, ...),
    in the unit of the value; `slopes` (B, C, C, ...), S, zero on its diagonal and above.  `log_prob` is that of each
    channel given those before it, and their sum that of all.

    >>> p = Correlated(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([[[0.0, 0.0], [0.5, 0.0]]]))
    >>> p.log_prob(torch.tensor([[2.0, 1.0]]))
    tensor([[-2.9189, -0.9189]])
    """

    def __init__(self, loc: Tensor, scale: Tensor, slopes: Tensor) -> None:
        self.loc, self.scale, self.slopes = loc, scale, slopes

    def sample(self) -> Tensor:
        noise = (self.scale * torch.randn_like(self.loc)).movedim(1, -1)[..., None]  # (B, ..., C, 1)
        # The diagonal is read as ones: I - S, whatever stands there.
        moved = torch.linalg.solve_triangular(
            -self.slopes.movedim((1, 2), (-2, -1)), noise, upper=False, unitriangular=True
        )
        return self.loc + moved[..., 0].movedim(-1, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        deviation = value - self.loc
        return Normal(torch.einsum("bcj...,bj...->bc...", self.slopes, deviation), self.scale).log_prob(deviation)

    def mode(self) -> Tensor:
        return self.loc

    def mean(self) -> Tensor:
        return self.loc

    def tempered(self, t: float) -> Correlated:
        return Correlated(self.loc, self.scale * t, self.slopes)

    def detach(self) -> Correlated:
        return Correlated(self.loc.detach(), self.scale.detach(), self.slopes.detach())

    def __repr__(self) -> str:
        return f"Correlated{tuple(self.loc.shape)}"
