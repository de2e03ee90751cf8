r"""Codes that are independent of each other, each with probabilities of its own.

    q(k | x) = prod_t softmax(l_t)_{k_t},        KL(q || p) = sum_t sum_k q_t(k) (log q_t(k) - log p_t(k))

As inference it is the categorical posterior of stochastic quantisation, as a prior all codes of a map at once.

Shapes: `B` batch; `K` codes; `D` numbers of a code; `P` positions; nats are (B, 1, *P).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from hvae.distributions.base import full
from hvae.distributions.codebook import ChosenCodes, Codes, UniformCodes, codes_at
from hvae.distributions.divergence import register_kl
from hvae.distributions.ranked import Among, RankedCodes, checked

Search = Callable[[Tensor], Tensor]
"""Which codes given values are: (B, D, *P) -> (B, *P)."""


class IndependentCodes(RankedCodes):
    r"""Each code by its own probabilities, $\mathrm{softmax}(l)$.

    Arguments: `book` (K, D); `logits` (B, K, *P); `search`, which codes given values are; `relaxation` tau, 0 for
    draws without a gradient.  Above 0 a draw is a code, and its gradient that of the mean code under the weights

    $$\mathrm{softmax}\big((l + g) / \tau\big), \qquad k = \arg\max_j (l_j + g_j), \quad g \sim \mathrm{Gumbel}$$

    Jang, Gu and Poole 2016, arXiv 1611.01144, sec. 2.2 (straight-through; a biased gradient of an exact draw).

    >>> book = torch.tensor([[0.0], [2.0]])
    >>> q = IndependentCodes(book, torch.zeros(1, 2, 1), lambda value: (value[:, 0] / 2).long())
    >>> q.log_prob(torch.tensor([[[2.0]]])), q.mean()
    (tensor([[[-0.6931]]]), tensor([[[1.]]]))
    """

    def __init__(self, book: Tensor, logits: Tensor, search: Search, relaxation: float = 0.0) -> None:
        super().__init__(book, (len(logits), *logits.shape[2:]))
        self.log_share, self.search, self.relaxation = full(logits).log_softmax(1), search, relaxation

    @property
    def index(self) -> Tensor:
        """The most probable code at each position, (B, *P)."""
        return self.log_share.argmax(1)

    def sample(self) -> Tensor:
        noisy = self.log_share - torch.empty_like(self.log_share).exponential_().clamp(min=_TINY).log()
        code = codes_at(self.book, noisy.argmax(1))
        if not self.relaxation:
            return code
        soft = _mean_code((noisy / self.relaxation).softmax(1), self.book)
        return code.detach() + (soft - soft.detach())

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_mass(self.search(value))

    def log_mass(self, index: Tensor) -> Tensor:
        return self.log_share.gather(1, index[:, None])

    def mode(self) -> Tensor:
        return codes_at(self.book, self.index)

    def mean(self) -> Tensor:
        return _mean_code(self.log_share.exp(), self.book)

    def tempered(self, t: float) -> Codes:
        """Logits over t; at 0 all mass is on the mode."""
        if t > 0:
            return IndependentCodes(self.book, self.log_share / t, self.search, self.relaxation)
        return ChosenCodes(self.book, self.index)

    def detach(self) -> IndependentCodes:
        return IndependentCodes(self.book.detach(), self.log_share.detach(), self.search, self.relaxation)

    def narrowed(self, among: Among) -> IndependentCodes:
        return IndependentCodes(self.book, checked(among, len(self.book))(self.log_share), self.search, self.relaxation)

    def guided(self, weight: float) -> IndependentCodes:
        under, free = self.log_share.chunk(2)
        return IndependentCodes(self.book, torch.lerp(free, under, weight), self.search, self.relaxation)

    def penalty(self) -> Tensor:
        return self.book.new_zeros(self.size[0])


_TINY = 2.0**-100


def _mean_code(share: Tensor, book: Tensor) -> Tensor:
    """(B, K, *P), (K, D) -> (B, D, *P)."""
    return torch.einsum("bk...,kd->bd...", share, book.to(share.dtype))


@register_kl(IndependentCodes, IndependentCodes)
def _both(q: IndependentCodes, p: IndependentCodes) -> Tensor:
    share = q.log_share.exp()
    # A code that q never has costs nothing, however improbable p finds it.
    return torch.where(share > 0, share * (q.log_share - p.log_share), 0.0).sum(1, keepdim=True)


@register_kl(IndependentCodes, UniformCodes)
def _against_uniform(q: IndependentCodes, p: UniformCodes) -> Tensor:
    # Not by `entr`, whose gradient is infinite where a probability underflows.
    return math.log(len(p.book)) + (q.log_share.exp() * q.log_share).sum(1, keepdim=True)


@register_kl(ChosenCodes, IndependentCodes)
def _surprise(q: ChosenCodes, p: IndependentCodes) -> Tensor:
    return -p.log_mass(q.index)
