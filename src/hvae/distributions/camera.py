r"""What a camera makes of a signal: noise that may grow with it, rounded to levels, clipped at black and white.

    y = s + sqrt(g s + sigma^2) eps,   eps ~ N(0, 1),   then rounded to k / (L - 1) and clipped to [0, 1]
    p(k | s) = Phi(b) - Phi(a),   a, b = (edges of the bin of k - s) / sqrt(g s + sigma^2)

with the first and the last bin open outwards, so that clipped values are what they are and bias nothing.  g = 0 is
Gaussian noise of one size; g > 0 the normal approximation of photons counted, g of the range each, and then read: Foi,
Trimeche, Katkovnik and Egiazarian 2008, "Practical Poissonian-Gaussian noise modeling and fitting for single-image
raw-data", IEEE Transactions on Image Processing 17(10), eq. (5) and sec. II.C on clipping.

Shapes: `B` batch; `...` the event; `L` levels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.discrete import level_of
from hvae.distributions.normal import HALF_LOG_TAU
from hvae.distributions.tails import log_mass, log_ndtr


class Camera(Distribution):
    r"""Gaussian noise on a signal, rounded to the grid: a mass, whatever the scale.

    $$p(x_k) = \Phi\Big(\frac{x_k + h - s}{\sigma}\Big) - \Phi\Big(\frac{x_k - h - s}{\sigma}\Big), \quad
      h = \frac{1}{2 (L - 1)}$$

    with the edge bins open outwards.  Arguments: `signal` and `scale` (> 0), both (B, ...), in units of data in [0, 1];
    `levels` L >= 2.  The signal itself may lie anywhere.

    >>> p = Camera(torch.full((1, 2), 0.5), torch.full((1, 2), 0.1), 2)
    >>> p.log_prob(torch.tensor([[0.0, 1.0]])).exp()
    tensor([[0.5000, 0.5000]])
    """

    density = False
    has_exact_mean = False

    def __init__(self, signal: Tensor, scale: Tensor, levels: int) -> None:
        self.signal, self.scale, self.levels = signal, scale, levels

    def sample(self) -> Tensor:
        return self._on_grid(torch.addcmul(self.signal, self.scale, torch.randn_like(self.signal)))

    def log_prob(self, value: Tensor) -> Tensor:
        k, n = level_of(value.to(self.signal.dtype), self.levels), self.levels - 1
        centre, half = (k / n - self.signal) / self.scale, 0.5 / (n * self.scale)
        inside = log_mass(centre, half)
        # The open bins: all that lies below the upper edge of the first, above the lower edge of the last.
        first, last = log_ndtr(centre + half), log_ndtr(half - centre)
        return torch.where(k == 0, first, torch.where(k == n, last, inside))

    def mode(self) -> Tensor:
        """The level nearest to the signal: of all inner levels the most probable one."""
        return self._on_grid(self.signal)

    def mean(self) -> Tensor:
        r"""The expectation of the clipped value before it is rounded, which the rounding moves by far less than h.

        $$E[\min(1, \max(0, y))] = s\,(\Phi(b) - \Phi(a)) + \sigma\,(\varphi(a) - \varphi(b)) + 1 - \Phi(b)$$

        with a = -s / sigma and b = (1 - s) / sigma.
        """
        a, b = -self.signal / self.scale, (1 - self.signal) / self.scale
        below, above = torch.special.ndtr(a), torch.special.ndtr(-b)
        bent = self.scale * (_density(a) - _density(b))
        return (self.signal * (1 - below - above) + bent + above).clamp(0, 1)

    def tempered(self, t: float) -> Camera:
        return Camera(self.signal, self.scale * t, self.levels)

    def detach(self) -> Camera:
        return Camera(self.signal.detach(), self.scale.detach(), self.levels)

    def _on_grid(self, y: Tensor) -> Tensor:
        return level_of(y.clamp(0, 1), self.levels) / (self.levels - 1)

    def __repr__(self) -> str:
        return f"Camera{tuple(self.signal.shape)} of {self.levels} levels"


def _density(z: Tensor) -> Tensor:
    return torch.exp(-0.5 * z**2 - HALF_LOG_TAU)
