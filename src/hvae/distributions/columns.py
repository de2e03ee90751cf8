r"""Laws of the columns of a table: numbers that are whole, names, and any laws side by side.

A column of L whole numbers, or of K names, holds (k + 1) / L or (k + 1) / K for the k-th of them, so that 0 is free to
say that a cell is not known.  A column's law is its own, and given the latents the columns are independent:

    log p(x | z) = sum over observed columns of log p_c(x_c | z)          Nazabal et al. 2020, arXiv 1807.03653, eq. (2)

Masses and densities stand in one sum where a table has both: its nats compare models of the same columns alone.

Shapes: `B` batch; `D` columns; `K` the most names of any column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.discrete import choose
from hvae.distributions.logistic import bins, log_mass, logistic_noise


class Wholes(Distribution):
    r"""Logistic variables, rounded to the L whole numbers of each column; the first and the last own the tails.

    $$p(k) = \sigma\Big(\frac{x'_k + h - \mu}{s}\Big) - \sigma\Big(\frac{x'_k - h - \mu}{s}\Big), \qquad
      x'_k = \frac{2k}{L - 1} - 1, \quad h = \frac{1}{L - 1}$$

    The discretised logistic of Kingma et al. 2016, arXiv 1606.04934, with a number of levels for each column.
    Arguments: `loc` and `log_scale`, (B, D), on the scale [-1, 1]; `levels` L >= 2, (D,).

    >>> p = Wholes(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([2.0, 4.0]))
    >>> p.log_prob(torch.tensor([[0.5, 1.0]])).exp()
    tensor([[0.5000, 0.3392]])
    """

    density = False
    has_exact_mean = False

    def __init__(self, loc: Tensor, log_scale: Tensor, levels: Tensor) -> None:
        self.loc, self.log_scale, self.levels = loc, log_scale, levels

    def sample(self) -> Tensor:
        return self._nearest(torch.addcmul(self.loc, self.log_scale.exp(), logistic_noise(self.loc)))

    def log_prob(self, value: Tensor) -> Tensor:
        k = (value.to(self.loc.dtype) * self.levels).round() - 1
        where = bins((k / (self.levels - 1)).clamp(0, 1), self.levels)
        return log_mass(self.loc, self.log_scale, where, self.levels)

    def mode(self) -> Tensor:
        """The number nearest to the location; an end may hold more, since it owns a tail."""
        return self._nearest(self.loc)

    def mean(self) -> Tensor:
        """The mode: the expectation would take L terms for each value, and is no whole number."""
        return self.mode()

    def _nearest(self, y: Tensor) -> Tensor:
        k = ((y.clamp(-1, 1) + 1) / 2 * (self.levels - 1)).round()
        return (k + 1) / self.levels

    def tempered(self, t: float) -> Wholes:
        return Wholes(self.loc, self.log_scale + math.log(t), self.levels)

    def detach(self) -> Wholes:
        return Wholes(self.loc.detach(), self.log_scale.detach(), self.levels)


class Names(Distribution):
    r"""A free probability for each of the K names of each column.

    $$\log p(k) = l_k - \log\sum_j e^{l_j}$$

    Arguments: `logits` (B, K, D), minus infinity beyond the names of a column; `counts` (D,), how many it has.

    >>> p = Names(torch.tensor([[[0.0, 0.0], [0.0, 0.0], [0.0, -torch.inf]]]), torch.tensor([3.0, 2.0]))
    >>> p.log_prob(torch.tensor([[1 / 3, 1.0]])).exp()
    tensor([[0.3333, 0.5000]])
    """

    density = False
    has_exact_mean = False

    def __init__(self, logits: Tensor, counts: Tensor) -> None:
        self.logits, self.counts = logits, counts

    @property
    def shares(self) -> Tensor:
        """The probability of each name, (B, K, D)."""
        return self.logits.softmax(1)

    def sample(self) -> Tensor:
        return self._value(choose(self.logits))

    def log_prob(self, value: Tensor) -> Tensor:
        # A cell that is not known has no name; what it would cost is masked by who asks.
        k = ((value * self.counts).round() - 1).clamp(min=0).long()
        return -F.cross_entropy(self.logits, k, reduction="none")

    def mode(self) -> Tensor:
        return self._value(self.logits.argmax(1, keepdim=True))

    def mean(self) -> Tensor:
        """The mode: names have no mean."""
        return self.mode()

    def _value(self, index: Tensor) -> Tensor:
        return (index.squeeze(1) + 1).to(self.logits.dtype) / self.counts

    def tempered(self, t: float) -> Names:
        return Names(self.logits / t, self.counts)

    def detach(self) -> Names:
        return Names(self.logits.detach(), self.counts)


class Columns(Distribution):
    """Laws side by side, each of some columns.

    Arguments: `laws`, of (B, d) each; `places`, which columns each is of, (d,) int64; `order` (D,), the place of each
    column where all are joined.

    >>> from hvae.distributions.normal import standard_normal
    >>> laws = [standard_normal(torch.zeros(5), (width,)) for width in (2, 1)]
    >>> both = Columns(laws, [torch.tensor([0, 2]), torch.tensor([1])], torch.tensor([0, 2, 1]))
    >>> both.log_prob(torch.zeros(5, 3)).shape, both.density
    (torch.Size([5, 3]), True)
    """

    def __init__(self, laws: Sequence[Distribution], places: Sequence[Tensor], order: Tensor) -> None:
        self.laws, self.places, self.order = laws, places, order
        self.density = any(law.density for law in laws)
        self.has_exact_mean = all(law.has_exact_mean for law in laws)

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(parts), 1).index_select(1, self.order)

    def _each(self, change: Callable[[Distribution], Distribution]) -> Columns:
        return Columns([change(law) for law in self.laws], self.places, self.order)

    def sample(self) -> Tensor:
        return self._joined([law.sample() for law in self.laws])

    def log_prob(self, value: Tensor) -> Tensor:
        pairs = zip(self.laws, self.places, strict=True)
        return self._joined([law.log_prob(value.index_select(1, place)) for law, place in pairs])

    def mode(self) -> Tensor:
        return self._joined([law.mode() for law in self.laws])

    def mean(self) -> Tensor:
        return self._joined([law.mean() for law in self.laws])

    def tempered(self, t: float) -> Columns:
        return self._each(lambda law: law.tempered(t))

    def detach(self) -> Columns:
        return self._each(lambda law: law.detach())
