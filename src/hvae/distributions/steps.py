"""Which of many steps a walk visits: all of them, or a few random ones that stand for the rest.

Shapes: `B` rows; `T` steps; `K` of them that are visited.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.errors import HvaeError

MOST_MOMENTS = 10**6


class Choice(Distribution, ABC):
    """A choice of the walk itself for each of the rows of `like`.

    Any is as probable as any other, under p and q alike, so that it costs nothing: `log_prob` is 0.
    """

    density = False
    like: Tensor

    def log_prob(self, value: Tensor) -> Tensor:
        return self.like.new_zeros(value.shape)

    def mode(self) -> Tensor:
        return self.sample()

    def mean(self) -> Tensor:
        return self.sample()

    def tempered(self, t: float) -> Choice:
        return self

    def detach(self) -> Choice:
        return self


class Visits(Choice):
    """Which of `total` steps are visited for each of B rows: all of them, or `count` random ones.

    `few` says how many a step of training visits where nobody says otherwise (0: all); the draw `trained` follows it.
    """

    def __init__(self, like: Tensor, total: int, count: int | None = None, few: int = 0) -> None:
        self.like, self.total, self.count, self.few = like, total, total if count is None else count, few
        self.most = total

    @abstractmethod
    def of(self, count: int) -> Visits:
        """The law of so many."""

    def thinned(self, count: int) -> Visits:
        """`count` random ones for each row.  Raises HvaeError for none, and for more than `most`."""
        if not (isinstance(count, int) and 1 <= count <= self.most):
            raise HvaeError(f"expected 1 to {self.most} steps of a walk, got {count}")
        return self.of(count)

    def places(self) -> Tensor:
        """A systematic choice of places in [0, T), (B, K): one in each of K equal parts."""
        rows, device = self.like.shape[0], self.like.device
        grid = (torch.rand((), device=device) + torch.arange(rows, device=device) / max(rows, 1)) % 1
        return (grid[:, None] + torch.arange(self.count, device=device)) * (self.total / self.count)

    def every(self) -> Tensor:
        """All of them, (B, T)."""
        return torch.arange(self.total, device=self.like.device).expand(self.like.shape[0], -1)


class Steps(Visits):
    r"""K of the steps 0 .. T-1 for each of B rows, in rising order: all of them, or a random choice.

    $$\sum_{t=0}^{T-1} f(t) = \mathbb{E}\Big[\frac{T}{K} \sum_{k=1}^{K} f(t_k)\Big]$$

    The choice is systematic: $t_k = \lfloor (u + k) T / K \rfloor$ with one u ~ U[0, 1) a row, and the u of the rows
    are a grid with one random offset ("antithetic", Kingma et al. 2021, arXiv 2107.00630, appendix I.1): every step is
    visited with probability K / T in every row, and a batch spreads over all of them.

    A walk visits it as an auxiliary site, `Site("t", Steps(rows, total), auxiliary=True)`, and gives the sites of each
    step it visits the weight T / K.

    >>> Steps(torch.zeros(2, 1), 3).sample()
    tensor([[0, 1, 2],
            [0, 1, 2]])
    >>> Steps(torch.zeros(2, 1), 1000).thinned(1).sample().shape
    torch.Size([2, 1])
    """

    def of(self, count: int) -> Steps:
        return Steps(self.like, self.total, count, self.few)

    def sample(self) -> Tensor:
        # Floats may round up to T itself.
        return self.every() if self.count == self.total else self.places().long().clamp(max=self.total - 1)


class Moments(Visits):
    r"""All of T steps, as whole numbers; or K moments of the time that they stand for, as floats in [0, T).

    $$\int_0^T f(t)\, dt = \mathbb{E}\Big[\frac{T}{K} \sum_{k=1}^{K} f(t_k)\Big]$$

    For walks in continuous time, whose levels of a step are ever closer: one that visits all of them visits T, and one
    that is thinned gives each moment the weight T / K, however many there are.

    >>> Moments(torch.zeros(2, 1), 1000).thinned(1).sample().dtype
    torch.float32
    """

    def __init__(self, like: Tensor, total: int, count: int | None = None, few: int = 0) -> None:
        super().__init__(like, total, count, few)
        self.is_whole, self.most = count is None, MOST_MOMENTS

    def of(self, count: int) -> Moments:
        return Moments(self.like, self.total, count, self.few)

    def steps(self) -> Steps:
        """The same as steps of a walk: what is visited of them are whole numbers."""
        return Steps(self.like, self.total, None if self.is_whole else self.count, self.few)

    def sample(self) -> Tensor:
        return self.every() if self.is_whole else self.places()


class Depth(Choice):
    """How many levels a walk has that may have fewer than all: a value (B, S) has S columns, each row 0 .. S - 1.

    `total` levels, unless the draw `coarse` asks for fewer; `most` that there can be at all; `least` so many that every
    name occurs: what a walk is looked at by.

    >>> Depth(torch.zeros(2, 1), total=1000, most=1000, least=10).levels(50).sample().shape
    torch.Size([2, 50])
    """

    def __init__(self, like: Tensor, *, total: int, most: int, least: int) -> None:
        self.like, self.total, self.most, self.least = like, total, most, least

    def levels(self, count: int) -> Depth:
        """The law of so many levels.  Raises HvaeError for more than there are."""
        if not 1 <= count <= self.most:
            raise HvaeError(f"expected 1 to {self.most:,} levels, as many as this model has, got {count:,}; take fewer")
        return Depth(self.like, total=count, most=self.most, least=self.least)

    def sample(self) -> Tensor:
        return torch.arange(self.total, device=self.like.device).expand(self.like.shape[0], -1)
