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
from collections.abc import Sequence

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.divergence import register_kl


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

    @abstractmethod
    def guided(self, weight: float) -> Codes:
        r"""The law of n rows from that of 2 n: these under a condition, then the same without it.

        $$\log p \propto (1 - w) \log p_u + w \log p_c$$

        Ho and Salimans 2022, arXiv 2207.12598, sec. 3.2, of probabilities of codes: w = 1 is the first half.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.book)} codes)"


class ChosenCodes(Codes):
    r"""All mass on one code at each position: the inference conditional of a quantised latent.

    $$q(k \mid x) = 1 \;\text{ for }\; k = \text{index}, \qquad 0 \;\text{ elsewhere}$$

    Arguments: `index` (B, *P); `value` (B, D, *P), the same codes with the gradient that stands in for the one that a
    choice does not have (those of the book if left out); `penalty` (B, 1, *P), what pulls the encoder to its codes and
    codes to it; `pull` (B, 1, *P), the first of these alone.

    >>> q = ChosenCodes(torch.tensor([[0.0], [2.0]]), torch.tensor([[1]]))
    >>> q.sample(), q.log_prob(torch.tensor([[[2.0]]])), q.log_prob(torch.tensor([[[0.0]]]))
    (tensor([[[2.]]]), tensor([[[0.]]]), tensor([[[-inf]]]))
    """

    def __init__(
        self,
        book: Tensor,
        index: Tensor,
        value: Tensor | None = None,
        penalty: Tensor | None = None,
        pull: Tensor | None = None,
    ) -> None:
        super().__init__(book, index.shape)
        self.index, self.loss, self.pull = index, penalty, pull
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
        penalty, pull = (None if part is None else part.detach() for part in (self.loss, self.pull))
        return ChosenCodes(self.book.detach(), self.index, self.value.detach(), penalty, pull)

    def guided(self, weight: float) -> ChosenCodes:
        return ChosenCodes(self.book, self.index.chunk(2)[0])

    def penalty(self) -> Tensor:
        return torch.zeros_like(self.value[:, :1]) if self.loss is None else self.loss

    def commitment(self) -> Tensor | None:
        return self.pull


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

    def guided(self, weight: float) -> UniformCodes:
        """The same: no condition moves it."""
        return UniformCodes(self.book, (self.size[0] // 2, *self.size[1:]))

    def detach(self) -> UniformCodes:
        return UniformCodes(self.book.detach(), self.size)


def surprise(q: ChosenCodes, p: Codes) -> Tensor:
    """KL(q || p) in nats, (B, 1, *P): q has no entropy."""
    return -p.log_mass(q.index)


register_kl(ChosenCodes, UniformCodes)(surprise)
