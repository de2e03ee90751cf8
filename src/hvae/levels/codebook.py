"""A level whose latent is a map of codes: the parts of one, and the level they make.

Shapes: `B` batch; `H` state; `E` evidence; `D` numbers of a code; `P` positions, (h, w).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from hvae.distributions import full
from hvae.distributions.codebook import AutoregressiveCodes, ChosenCodes, Codes, UniformCodes, codes_at
from hvae.nn import Shape
from hvae.nn.codebook import Book
from hvae.nn.transformer import Choose
from hvae.site import Site, Visit

Gradient = Callable[[Tensor, Tensor], Tensor]
"""(encoder output, code), (B, D, *P) both, to the code with a gradient of the encoder output."""


class CausalNetwork(Protocol):
    """A network over maps of codes, in raster order."""

    places: Shape

    def __call__(self, index: Tensor, context: Tensor | None = None) -> Tensor:
        """Logits of each code given those before it, all at once: (B, *P), (B, W, *P) -> (B, K, *P)."""

    def draw(self, rows: int, choose: Choose, context: Tensor | None = None) -> Tensor:
        """So many maps, (B, *P), one code after the other."""


class UniformPrior(nn.Module):
    """p: each of the codes alike, at each of the `places` of a map, whatever the state."""

    def __init__(self, places: Shape) -> None:
        super().__init__()
        self.places = tuple(places)

    def forward(self, h: Tensor, book: Book) -> Codes:
        return UniformCodes(book.codes, (len(h), *self.places))

    def extra_repr(self) -> str:
        return f"{self.places}"


class CodePrior(nn.Module):
    """p: each code given those before it in raster order, and the state above where the level has one.

    Arguments: `network` over maps of codes; `see`, the state h to a context (B, W, *P) of it; None at the top.
    """

    def __init__(self, network: CausalNetwork, see: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.see = network, see

    def forward(self, h: Tensor, book: Book) -> Codes:
        context = None if self.see is None else self.see(h)
        return AutoregressiveCodes(book.codes, _Maps(self.network, book, len(h), context))


class _Maps:
    """A network with the context of one walk."""

    def __init__(self, network: CausalNetwork, book: Book, rows: int, context: Tensor | None) -> None:
        self.network, self.size, self.context = network, (rows, *network.places), context
        self.search = book.search

    def logits(self, index: Tensor) -> Tensor:
        """Logits of all positions, (B, K, *P)."""
        return self.network(index, self.context)

    def draw(self, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """Maps of codes, (B, *P)."""
        return self.network.draw(self.size[0], choose, self.context)


class ReadAlone(nn.Module):
    """Encoder output from the evidence alone: (h, e) -> f(e).  The top level."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        return self.network(e)


class ReadBelow(nn.Module):
    """Encoder output from the evidence and what the levels above say at this scale: (h, e) -> f([g(h), e])."""

    def __init__(self, above: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.above, self.network = above, network

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        return self.network(torch.cat([self.above(h), e], 1))


class Beside(nn.Module):
    """The state enlarged to this level's scale, beside its codes: (h, z) -> [g(h), z]."""

    def __init__(self, enlarge: nn.Module) -> None:
        super().__init__()
        self.enlarge = enlarge

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        return torch.cat([self.enlarge(h), z], 1)


class CodeLevel(nn.Module):
    r"""One visit of a map of codes: the encoder's output goes to its nearest code.

    $$k = \arg\min_j \lVert z_e - e_j \rVert, \qquad
      \text{penalty} = w \Big( f\, \overline{(\mathrm{sg}[z_e] - e_k)^2}
        + \beta\, \overline{(z_e - \mathrm{sg}[e_k])^2} \Big)$$

    van den Oord et al. 2017, arXiv 1711.00937, eq. (3), bars for means over all numbers of the map, f the `fit` of the
    book: 1 where gradients move its codes.

    Arguments: `name`, the identity of the variable; `book`; `read`, (h, e) -> z_e; `prior`, (h, book) -> p; `absorb`,
    (h, z) -> h; `gradient` of the choice; `commitment` beta; `weight` w in nats, the numbers of a datum: then a mean
    square of the latent weighs beta times what a mean square of the data under a Gaussian of variance 1/2 does.
    """

    def __init__(
        self,
        name: str,
        *,
        book: Book,
        read: nn.Module,
        prior: nn.Module,
        absorb: nn.Module,
        gradient: Gradient,
        commitment: float,
        weight: float,
    ) -> None:
        super().__init__()
        self.name, self.gradient, self.commitment, self.weight = name, gradient, commitment, weight
        self.read, self.book, self.prior, self.absorb = read, book, prior, absorb

    def forward(self, h: Tensor, e: Tensor | None, visit: Visit) -> Tensor:
        q = None if e is None else self.choice(full(self.read(h, e)))
        return self.absorb(h, visit(Site(self.name, self.prior(h, self.book), q)))

    def choice(self, z: Tensor) -> ChosenCodes:
        """q: all mass on the code of each position of an encoder output (B, D, *P)."""
        point, index = self.book(z)
        code = codes_at(self.book.codes, index)
        return ChosenCodes(self.book.codes, index, self.gradient(point, code), self._penalty(point, code))

    def _penalty(self, point: Tensor, code: Tensor) -> Tensor:
        pull = self.commitment * _mean_square(point - code.detach())
        if self.book.fit:
            pull = pull + self.book.fit * _mean_square(point.detach() - code)
        return self.weight * pull

    def extra_repr(self) -> str:
        return self.name


def _mean_square(t: Tensor) -> Tensor:
    return t.square().flatten(1).mean(1)
