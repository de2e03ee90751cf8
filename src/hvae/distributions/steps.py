"""Which of many steps a walk visits: all of them, or a few random ones that stand for the rest.

Shapes: `B` rows; `T` steps; `K` of them that are visited.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.errors import HvaeError


class Steps(Distribution):
    r"""K of the steps 0 .. T-1 for each of B rows, in rising order: all of them, or a random choice.

    $$\sum_{t=0}^{T-1} f(t) = \mathbb{E}\Big[\frac{T}{K} \sum_{k=1}^{K} f(t_k)\Big]$$

    Each choice is as probable as any other, under p and q alike, so that it costs nothing: `log_prob` is 0.  The choice
    is systematic: $t_k = \lfloor (u + k) T / K \rfloor$ with one u ~ U[0, 1) a row, and the u of the rows are a grid
    with one random offset ("antithetic", Kingma et al. 2021, arXiv 2107.00630, appendix I.1): every step is visited
    with probability K / T in every row, and a batch spreads over all of them.

    A walk visits it as an auxiliary site, `Site("t", Steps(rows, total), auxiliary=True)`, and gives the sites of each
    step it visits the weight T / K.

    >>> Steps(torch.zeros(2, 1), 3).sample()
    tensor([[0, 1, 2],
            [0, 1, 2]])
    >>> Steps(torch.zeros(2, 1), 1000).thinned(1).sample().shape
    torch.Size([2, 1])
    """

    density = False

    def __init__(self, like: Tensor, total: int, count: int | None = None) -> None:
        self.like, self.total, self.count = like, total, total if count is None else count

    def thinned(self, count: int) -> Steps:
        """`count` random steps for each row.  Raises HvaeError unless 1 <= count <= T."""
        if not (isinstance(count, int) and 1 <= count <= self.total):
            raise HvaeError(f"expected 1 to {self.total} steps of a walk, got {count}")
        return Steps(self.like, self.total, count)

    def sample(self) -> Tensor:
        rows = len(self.like)
        every = torch.arange(self.count, device=self.like.device)
        if self.count == self.total:
            return every.expand(rows, -1)
        grid = (torch.rand((), device=self.like.device) + torch.arange(rows, device=self.like.device) / rows) % 1
        # Floats may round up to T itself.
        return ((grid[:, None] + every) * (self.total / self.count)).long().clamp(max=self.total - 1)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.like.new_zeros(value.shape)

    def mode(self) -> Tensor:
        return self.sample()

    def mean(self) -> Tensor:
        return self.sample()

    def tempered(self, t: float) -> Steps:
        return self

    def detach(self) -> Steps:
        return self
