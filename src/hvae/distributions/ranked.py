"""Laws over codes of unequal probability: which codes may be drawn, and each code given those before it.

Shapes: `B` batch; `K` codes; `D` numbers of a code; `P` positions, (h, w) for maps; nats are (B, 1, *P), one number for
all channels of a position.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hvae.counts import whole
from hvae.distributions.base import full
from hvae.distributions.codebook import ChosenCodes, Codes, codes_at, surprise
from hvae.distributions.discrete import choose
from hvae.distributions.divergence import register_kl
from hvae.errors import HvaeError, short


class Among(NamedTuple):
    """Which codes may be drawn: the `k` most probable (None: all), and of these the fewest that hold a share `p`.

    Fan, Lewis and Dauphin 2018, arXiv 1805.04833, sec. 5.1; Holtzman et al. 2020, arXiv 1904.09751, sec. 3.1.

    >>> Among(k=2)(torch.tensor([[0.0, 2.0, 1.0]])), Among(p=0.6)(torch.tensor([[0.0, 2.0, 1.0]]))
    (tensor([[-inf, 2., 1.]]), tensor([[-inf, 2., -inf]]))
    """

    k: int | None = None
    p: float = 1.0

    def check(self) -> None:
        """Raises HvaeError for numbers that fit no book at all."""
        if self.k is not None:
            whole("top-k", self.k, 1)
        if not 0 < self.p <= 1:
            raise HvaeError(f"top-p: expected a share above 0 and at most 1, got {short(self.p)}")

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits (B, K, ...), minus infinity for the codes that are left out."""
        ranked, order = logits.sort(1, descending=True)
        out = torch.zeros_like(ranked, dtype=torch.bool)
        if self.k is not None:
            out[:, self.k :] = True
        if self.p < 1:
            share = ranked.masked_fill(out, -math.inf).softmax(1)
            out |= share.cumsum(1) - share >= self.p
        return logits.masked_fill(out.scatter(1, order, out), -math.inf)


ALL = Among()
"""Every code."""


class Maps(Protocol):
    """A network over maps (B, *P) of codes under what it is conditioned on: what an autoregressive law asks."""

    size: tuple[int, ...]

    def logits(self, index: Tensor) -> Tensor:
        """Logits of each code given those before it, all at once: (B, *P) -> (B, K, *P)."""

    def draw(self, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """Maps (B, *P), one code after the other, each by `choose` of its logits (B, K) -> (B,)."""

    def search(self, value: Tensor) -> Tensor:
        """Which codes given values are: (B, D, *P) -> (B, *P)."""


def checked(among: Among, codes: int) -> Among:
    """What may be drawn of so many codes.  Raises HvaeError for more codes than there are, or none."""
    among.check()
    if among.k is not None and among.k > codes:
        raise HvaeError(f"top-k: expected 1 to {codes:,}, the codes of the book, got {among.k:,}")
    return among


class RankedCodes(Codes):
    """Codes of unequal probability, so that the most probable ones can be asked for."""

    @abstractmethod
    def narrowed(self, among: Among) -> RankedCodes:
        """The same with fewer codes at each position.  Raises HvaeError for more codes than the book has, or none."""


class AutoregressiveCodes(RankedCodes):
    r"""Each code given those before it: scored in one pass, drawn one after the other.

    $$\log p(k) = \sum_t \log \mathrm{softmax}\big(l_t(k_{<t}) / \tau\big)_{k_t}$$

    van den Oord et al. 2017, arXiv 1711.00937, sec. 3.3.  Arguments: `book`; `maps`, the network; `temperature` tau;
    `among`, which codes may stand at a position at that temperature (all of them if left out).
    `mode` takes the most probable code at each position in turn, which need not be the most probable map; `mean` is
    the same, since the mean of all maps has no closed form.
    """

    has_exact_mean = False

    def __init__(self, book: Tensor, maps: Maps, temperature: float = 1.0, among: Among = ALL) -> None:
        super().__init__(book, maps.size)
        self.maps, self.temperature, self.among = maps, temperature, among
        self._scored: tuple[Tensor, Tensor] | None = None

    def sample(self) -> Tensor:
        return self._drawn(lambda logits: choose(logits).squeeze(1))

    def mode(self) -> Tensor:
        return self._drawn(lambda logits: logits.argmax(1))

    def mean(self) -> Tensor:
        return self.mode()

    def _drawn(self, one: Callable[[Tensor], Tensor]) -> Tensor:
        return codes_at(self.book, self.stepwise(one))

    @torch.no_grad()
    def stepwise(self, one: Callable[[Tensor], Tensor]) -> Tensor:
        """Maps of indices (B, *P), one code after the other, each by `one` of its logits (B, K) -> (B,)."""
        return self.maps.draw(lambda logits: one(self._read(logits)))

    def _read(self, logits: Tensor) -> Tensor:
        logits = full(logits) / self.temperature
        return logits if self.among == ALL else self.among(logits)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_mass(self.maps.search(value))

    def log_mass(self, index: Tensor) -> Tensor:
        # A trace is read several times (rates, bound, weight), and the network is all that costs.
        if self._scored is None or self._scored[0] is not index:
            logits = self._read(self.maps.logits(index))
            self._scored = index, -torch.nn.functional.cross_entropy(logits, index, reduction="none")[:, None]
        return self._scored[1]

    def tempered(self, t: float) -> Codes:
        """Logits over t; at 0 all mass is on the mode."""
        if t > 0:
            return AutoregressiveCodes(self.book, self.maps, self.temperature * t, self.among)
        return ChosenCodes(self.book, self.maps.search(self.mode()))

    def detach(self) -> AutoregressiveCodes:
        return AutoregressiveCodes(self.book.detach(), _Still(self.maps), self.temperature, self.among)

    def narrowed(self, among: Among) -> AutoregressiveCodes:
        return AutoregressiveCodes(self.book, self.maps, self.temperature, checked(among, len(self.book)))

    def guided(self, weight: float) -> AutoregressiveCodes:
        return AutoregressiveCodes(self.book, _Guided(self.maps, weight), self.temperature, self.among)

    def penalty(self) -> Tensor:
        return self.book.new_zeros(self.size[0])


class _Guided:
    """Maps of n rows, by the logits of 2 n: under a condition, then without it."""

    def __init__(self, maps: Maps, weight: float) -> None:
        self.maps, self.weight = maps, weight
        self.size, self.search = (maps.size[0] // 2, *maps.size[1:]), maps.search

    def logits(self, index: Tensor) -> Tensor:
        return self._steered(self.maps.logits(torch.cat([index, index])))

    def draw(self, choose: Callable[[Tensor], Tensor]) -> Tensor:
        return self.maps.draw(lambda logits: choose(self._steered(logits)).repeat(2))[: self.size[0]]

    def _steered(self, logits: Tensor) -> Tensor:
        under, free = full(logits).log_softmax(1).chunk(2)
        return torch.lerp(free, under, self.weight)


class _Still:
    """The same maps without gradients."""

    def __init__(self, maps: Maps) -> None:
        self.size, self.draw, self.search = maps.size, maps.draw, maps.search
        self._moving = maps

    def logits(self, index: Tensor) -> Tensor:
        return self._moving.logits(index).detach()


register_kl(ChosenCodes, AutoregressiveCodes)(surprise)
