r"""Laws over the rows of a codebook: the value of such a variable is the code vector itself.

A codebook (K, D) has K codes of D numbers; at each position of a latent stands one of them.

    p: uniform, p(k) = 1 / K,        q: all mass on one code, the nearest to what the encoder says
    KL(q || p) = -log p(k) = log K,  exactly, whatever the data

van den Oord, Vinyals and Kavukcuoglu 2017, arXiv 1711.00937, sec. 3.1.

Shapes: `B` batch; `K` codes; `D` numbers of a code; `P` positions, (h, w) for maps; nats are (B, 1, *P), one number for
all channels of a position.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hvae.distributions.base import Distribution, full
from hvae.distributions.discrete import choose
from hvae.distributions.divergence import register_kl
from hvae.errors import HvaeError, short


def codes_at(book: Tensor, index: Tensor) -> Tensor:
    """The codes of a book (K, D) at some indices: (B, *P) -> (B, D, *P).

    >>> codes_at(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), torch.tensor([[1, 0]]))
    tensor([[[2., 0.],
             [3., 1.]]])
    """
    return torch.nn.functional.embedding(index, book).movedim(-1, 1)


class Codes(Distribution):
    """A law over the rows of `book` (K, D) at each of the positions of a `size` (B, *P).

    Its value is (B, D, *P), its `log_prob` (B, 1, *P).
    """

    density = False

    def __init__(self, book: Tensor, size: Sequence[int]) -> None:
        self.book, self.size = book, tuple(size)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its values, (B, D, *P)."""
        return self.size[0], self.book.shape[1], *self.size[1:]

    @abstractmethod
    def log_mass(self, index: Tensor) -> Tensor:
        """log p of the codes at some indices, in nats: (B, *P) -> (B, 1, *P)."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.book)} codes)"


class ChosenCodes(Codes):
    r"""All mass on one code at each position: the inference conditional of a quantised latent.

    $$q(k \mid x) = 1 \;\text{ for }\; k = \text{index}, \qquad 0 \;\text{ elsewhere}$$

    Arguments: `index` (B, *P); `value` (B, D, *P), the same codes with the gradient that stands in for the one that a
    choice does not have (those of the book if left out); `penalty` (B,), what pulls the encoder to its codes.

    >>> q = ChosenCodes(torch.tensor([[0.0], [2.0]]), torch.tensor([[1]]))
    >>> q.sample(), q.log_prob(torch.tensor([[[2.0]]])), q.log_prob(torch.tensor([[[0.0]]]))
    (tensor([[[2.]]]), tensor([[[0.]]]), tensor([[[-inf]]]))
    """

    def __init__(self, book: Tensor, index: Tensor, value: Tensor | None = None, penalty: Tensor | None = None) -> None:
        super().__init__(book, index.shape)
        self.index, self.loss = index, penalty
        self.value = codes_at(book, index) if value is None else value

    def sample(self) -> Tensor:
        return self.value

    def log_prob(self, value: Tensor) -> Tensor:
        # Compared with the code and not searched for: no rounding decides whether a value is possible.
        return self._certain(torch.all(value == codes_at(self.book, self.index), 1, keepdim=True))

    def log_mass(self, index: Tensor) -> Tensor:
        return self._certain((index == self.index)[:, None])

    def _certain(self, same: Tensor) -> Tensor:
        return torch.zeros_like(same, dtype=self.value.dtype).masked_fill(~same, -math.inf)

    def mode(self) -> Tensor:
        return self.value

    def mean(self) -> Tensor:
        return self.value

    def tempered(self, t: float) -> ChosenCodes:
        """Itself: there is nothing to narrow."""
        return self

    def detach(self) -> ChosenCodes:
        penalty = None if self.loss is None else self.loss.detach()
        return ChosenCodes(self.book.detach(), self.index, self.value.detach(), penalty)

    def penalty(self) -> Tensor:
        return self.value.new_zeros(len(self.value)) if self.loss is None else self.loss


class UniformCodes(Codes):
    r"""Every code alike at every position, whatever its neighbours: $\log p = -\log K$ nats a position.

    A value is taken for one of the codes.  `size` is (B, *P).

    >>> p = UniformCodes(torch.randn(512, 3), (2, 4, 4))
    >>> p.sample().shape, p.log_prob(p.sample()).shape
    (torch.Size([2, 3, 4, 4]), torch.Size([2, 1, 4, 4]))
    >>> round(float(-p.log_prob(p.sample())[0, 0, 0, 0]) / math.log(2), 4)
    9.0
    """

    def sample(self) -> Tensor:
        return codes_at(self.book, torch.randint(len(self.book), self.size, device=self.book.device))

    def log_prob(self, value: Tensor) -> Tensor:
        return self._each(value[:, :1])

    def log_mass(self, index: Tensor) -> Tensor:
        return self._each(index[:, None])

    def _each(self, like: Tensor) -> Tensor:
        return torch.full_like(like, -math.log(len(self.book)), dtype=self.book.dtype, requires_grad=False)

    def mode(self) -> Tensor:
        """The code nearest to the mean of the book, in place of a most probable one: all are equally probable."""
        return self._settled().value

    def mean(self) -> Tensor:
        rows, *places = self.size
        return self.book.mean(0).view(1, -1, *(1 for _ in places)).expand(rows, -1, *places)

    def tempered(self, t: float) -> Codes:
        """Itself, since no code is more probable than another; at 0 all mass is on the mode."""
        return self if t > 0 else self._settled()

    def _settled(self) -> ChosenCodes:
        middle = (self.book - self.book.mean(0)).square().sum(1).argmin()
        return ChosenCodes(self.book, middle.expand(self.size))

    def detach(self) -> UniformCodes:
        return UniformCodes(self.book.detach(), self.size)


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
        if self.k is not None and self.k < 1:
            raise HvaeError(f"top-k: expected at least 1 code, got {short(self.k)}")
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

    def penalty(self) -> Tensor:
        return self.book.new_zeros(self.size[0])


class _Still:
    """The same maps without gradients."""

    def __init__(self, maps: Maps) -> None:
        self.size, self.draw, self.search = maps.size, maps.draw, maps.search
        self._moving = maps

    def logits(self, index: Tensor) -> Tensor:
        return self._moving.logits(index).detach()


def _surprise(q: ChosenCodes, p: Codes) -> Tensor:
    """KL(q || p) in nats, (B, 1, *P): q has no entropy."""
    return -p.log_mass(q.index)


for _kind in (UniformCodes, AutoregressiveCodes):
    register_kl(ChosenCodes, _kind)(_surprise)
