"""A law of n rows for two halves of 2 n that hold the same values.

Shapes: `n` rows; `...` an event.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.distributions.base import Distribution


class Both(Distribution):
    """Each half by the same law `half` of n rows, and of one value.

    >>> from hvae.distributions import Bernoulli
    >>> Both(Bernoulli(torch.zeros(3, 2))).mode().shape
    torch.Size([6, 2])
    """

    def __init__(self, half: Distribution) -> None:
        self.half = half
        self.density, self.has_exact_mean = half.density, half.has_exact_mean

    def sample(self) -> Tensor:
        return _twice(self.half.sample())

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.cat([self.half.log_prob(part) for part in value.chunk(2)])

    def mode(self) -> Tensor:
        return _twice(self.half.mode())

    def mean(self) -> Tensor:
        return _twice(self.half.mean())

    def tempered(self, t: float) -> Both:
        return Both(self.half.tempered(t))

    def detach(self) -> Both:
        return Both(self.half.detach())


def _twice(t: Tensor) -> Tensor:
    return torch.cat([t, t])
