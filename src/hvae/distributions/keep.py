"""Which rows, or which steps of rows, keep what is said to them: all, or, in training, a random part.

Shapes: `...` rows (B,), or rows and steps (B, T).
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.distributions.base import Distribution


class Keep(Distribution):
    r"""1 where something is kept, a condition or a step of a decoder's past, and 0 where it is hidden.

    $$k \sim \mathrm{Bernoulli}(1 - \text{rate}) \quad\text{once it is hiding},\qquad k = 1 \text{ before}$$

    Hiding is a choice of training, the same under p and q, so that it costs nothing: `log_prob` is 0.  A walk visits it
    as an auxiliary site and names its `rate`; the draws `dropping` and `forget` of `hvae.draw` decide that something is
    hidden.  Ho and Salimans 2022, arXiv 2207.12598, algorithm 1; Bowman et al. 2016, arXiv 1511.06349, sec. 3.1.

    >>> law = Keep(torch.zeros(3))
    >>> law.sample(), law.hiding(1.0).sample()
    (tensor([1., 1., 1.]), tensor([0., 0., 0.]))
    """

    density = False

    def __init__(self, like: Tensor, rate: float = 0.0, hides: bool = False) -> None:
        self.like, self.rate, self.hides = like, rate, hides

    def hiding(self, rate: float) -> Keep:
        """The law that hides each with probability `rate`."""
        return Keep(self.like, rate, hides=True)

    def sample(self) -> Tensor:
        means = self.mean()
        # What is sure draws nothing: a model that always hides its condition has the noise of one without it.
        return torch.bernoulli(means) if self.hides and 0 < self.rate < 1 else means

    def log_prob(self, value: Tensor) -> Tensor:
        return self.like.new_zeros(value.shape)

    def mode(self) -> Tensor:
        return torch.ones_like(self.like)

    def mean(self) -> Tensor:
        return torch.full_like(self.like, 1 - self.rate) if self.hides else torch.ones_like(self.like)

    def tempered(self, t: float) -> Keep:
        return self

    def detach(self) -> Keep:
        return self
