"""Which rows keep what is said of them: all, or, in training, a random part.

Shapes: `B` rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.distributions.base import Distribution


class Keep(Distribution):
    r"""For each of B rows 1 where its condition is kept, 0 where it is hidden: 1 everywhere, unless rows are dropped.

    $$k_b \sim \mathrm{Bernoulli}(1 - \text{rate}) \quad\text{once } \texttt{dropped()},\qquad k_b = 1 \text{ before}$$

    Dropping is a choice of training, the same under p and q, so that it costs nothing: `log_prob` is 0.  A walk visits
    it as an auxiliary site, and the draw `hvae.draw.dropping` decides that rows are dropped.  Ho and Salimans 2022,
    arXiv 2207.12598, algorithm 1.

    >>> Keep(torch.zeros(3), rate=1.0).sample(), Keep(torch.zeros(3), rate=1.0).dropped().sample()
    (tensor([1., 1., 1.]), tensor([0., 0., 0.]))
    """

    density = False

    def __init__(self, like: Tensor, rate: float, hides: bool = False) -> None:
        self.like, self.rate, self.hides = like, rate, hides

    def dropped(self) -> Keep:
        """The law that hides a row with probability `rate`."""
        return Keep(self.like, self.rate, hides=True)

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
