"""Which rows, or which steps of rows, keep what is said to them: all, or, in training, a random part.

Shapes: `...` rows (B,), or rows and steps (B, T); `L` levels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from hvae.distributions.base import Distribution


class Hiding(Distribution, ABC):
    """1 where something is kept and 0 where it is hidden: a choice of training, the same under p and q, so that it
    costs nothing.  Nothing is hidden before somebody asks for it, and `rate` says how much is then."""

    density = False

    def __init__(self, like: Tensor, rate: float = 0.0, hides: bool = False) -> None:
        self.like, self.rate, self.hides = like, rate, hides

    @abstractmethod
    def hiding(self, rate: float) -> Hiding:
        """The law that hides at this rate."""

    def log_prob(self, value: Tensor) -> Tensor:
        return self.like.new_zeros(value.shape)

    def mode(self) -> Tensor:
        return torch.ones_like(self.like)

    def tempered(self, t: float) -> Hiding:
        return self

    def detach(self) -> Hiding:
        return self


class Keep(Hiding):
    r"""1 where something is kept, a condition or a step of a decoder's past, and 0 where it is hidden.

    $$k \sim \mathrm{Bernoulli}(1 - \text{rate}) \quad\text{once it is hiding},\qquad k = 1 \text{ before}$$

    Hiding is a choice of training, the same under p and q, so that it costs nothing: `log_prob` is 0.  A walk visits it
    as an auxiliary site and names its `rate`; the draws `dropping` and `forget` of `hvae.draw` decide that something is
    hidden.  Ho and Salimans 2022, arXiv 2207.12598, algorithm 1; Bowman et al. 2016, arXiv 1511.06349, sec. 3.1.

    >>> law = Keep(torch.zeros(3))
    >>> law.sample(), law.hiding(1.0).sample()
    (tensor([1., 1., 1.]), tensor([0., 0., 0.]))
    """

    def hiding(self, rate: float) -> Keep:
        """The law that hides each with probability `rate`."""
        return Keep(self.like, rate, hides=True)

    def sample(self) -> Tensor:
        means = self.mean()
        # What is sure draws nothing: a model that always hides its condition has the noise of one without it.
        return torch.bernoulli(means) if self.hides and 0 < self.rate < 1 else means

    def mean(self) -> Tensor:
        return torch.full_like(self.like, 1 - self.rate) if self.hides else torch.ones_like(self.like)


class KeepFirst(Hiding):
    r"""Of L levels, the top first, a random number of the first ones: (B, L) of 1 and then 0.

    $$n \sim U\{1, \dots, L\} \;\text{ with probability the rate, else }\; n = L, \qquad k_l = [\, l \le n \,]$$

    Quantiser dropout, Zeghidour et al. 2021, arXiv 2107.03312, sec. III-C, whose rate is 1; with a half the full number
    of levels is trained as well as each smaller one (Kumar et al. 2023, arXiv 2306.06546, sec. 3.3).

    >>> KeepFirst(torch.zeros(2, 3)).sample()
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """

    def hiding(self, rate: float) -> KeepFirst:
        return KeepFirst(self.like, rate, hides=True)

    def sample(self) -> Tensor:
        if not self.hides:
            return self.mode()
        rows, levels = self.like.shape
        few = torch.rand(rows, 1, device=self.like.device) < self.rate
        count = torch.where(few, torch.randint(1, levels + 1, (rows, 1), device=self.like.device), levels)
        return (torch.arange(levels, device=self.like.device) < count).to(self.like)

    def mean(self) -> Tensor:
        levels = self.like.shape[1]
        share = self.rate * torch.arange(levels, device=self.like.device) / levels if self.hides else 0.0
        return torch.ones_like(self.like) - share
