"""Which steps of its own past a decoder is shown: all of them, or a random part.

Shapes: `B` rows; `T` steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.distributions.base import Distribution


class Kept(Distribution):
    r"""1 for each step of each row that is kept, 0 for one that is forgotten; all are kept unless `share` says else.

    The choice is made with the same probabilities under p and q, so that it costs nothing: `log_prob` is 0.  Bowman et
    al. 2016, arXiv 1511.06349, sec. 3.1 (word dropout; share 0 is their inputless decoder).

    A walk visits it as an auxiliary site, `Site("kept", Kept(zeros), auxiliary=True)`, of zeros (B, T).

    >>> Kept(torch.zeros(1, 3)).sample(), Kept(torch.zeros(1, 3)).sharing(0.0).sample()
    (tensor([[1., 1., 1.]]), tensor([[0., 0., 0.]]))
    """

    density = False

    def __init__(self, like: Tensor, share: float = 1.0) -> None:
        self.like, self.share = like, share

    def sharing(self, share: float) -> Kept:
        """The same choice with another share of steps that are kept."""
        return Kept(self.like, share)

    def sample(self) -> Tensor:
        if self.share == 1.0:
            return torch.ones_like(self.like)
        return torch.bernoulli(torch.full_like(self.like, self.share))

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.zeros_like(self.like)

    def mode(self) -> Tensor:
        return torch.ones_like(self.like)

    def mean(self) -> Tensor:
        return torch.full_like(self.like, self.share)

    def tempered(self, t: float) -> Kept:
        return self

    def detach(self) -> Kept:
        return self
