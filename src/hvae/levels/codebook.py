"""A level whose latent is a map of codes: the parts of one, and the level they make.

Shapes: `B` batch; `H` state; `E` evidence; `D` numbers of a code; `P` positions, (h, w).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from hvae.distributions import full
from hvae.distributions.codebook import Codes, UniformCodes
from hvae.distributions.independent import IndependentCodes
from hvae.distributions.ranked import AutoregressiveCodes
from hvae.levels.quantisers import Quantiser
from hvae.nn import Shape
from hvae.nn.codebook import Book
from hvae.nn.transformer import Choose, unheard
from hvae.site import Site


class CausalNetwork(Protocol):
    """A network over maps of codes, in raster order."""

    places: Shape

    def __call__(self, index: Tensor, context: Tensor | None = None) -> Tensor:
        """Logits of each code given those before it, all at once: (B, *P), (B, W, *P) -> (B, K, *P)."""

    def draw(self, rows: int, choose: Choose, context: Tensor | None = None) -> Tensor:
        """So many maps, (B, *P), one code after the other."""


class AlongNetwork(Protocol):
    """A network over codes of a sequence of any length, under a context at each position."""

    def __call__(self, index: Tensor, context: Tensor) -> Tensor:
        """Logits of each code given those before it, all at once: (B, P), (B, W, P) -> (B, K, P)."""

    def draw(self, choose: Choose, context: Tensor) -> Tensor:
        """Codes (B, P), one after the other, as many as the context has positions."""


Hear = Callable[[Tensor], Tensor]
"""A context of a prior, (B, W, *P), to the same under the condition of its rows."""


class Hearing(Protocol):
    """A visit under a condition, of which a prior may hear by itself."""

    def __call__(self, site: Site) -> Tensor:
        """The value, as the state below is to see it."""

    def prior(self, name: str, context: Tensor) -> Tensor:
        """What the prior of a level reads, (B, W, *P), under the condition."""


class UniformPrior(nn.Module):
    """p: each of the codes alike, at each of the `places` of a map, whatever the state."""

    def __init__(self, places: Shape) -> None:
        super().__init__()
        self.places = tuple(places)

    def forward(self, h: Tensor, book: Book, hear: Hear = unheard) -> Codes:
        return UniformCodes(book.codes, (len(h), *self.places))

    def extra_repr(self) -> str:
        return f"{self.places}"


class UniformAlong(nn.Module):
    """p: each of the codes alike, at each position that the state has, however many."""

    def forward(self, h: Tensor, book: Book, hear: Hear = unheard) -> Codes:
        return UniformCodes(book.codes, (len(h), *h.shape[2:]))


class CodePrior(nn.Module):
    """p: each code given those before it in raster order, and a context where the level has one.

    Arguments: `network` over maps of codes; `see`, the state h to a context (B, W, *P) of it, which a condition may
    enter; None at the top of a model whose priors hear of none.
    """

    def __init__(self, network: CausalNetwork, see: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.see = network, see

    def forward(self, h: Tensor, book: Book, hear: Hear = unheard) -> Codes:
        context = None if self.see is None else hear(self.see(h))
        return AutoregressiveCodes(book.codes, _Maps(self.network, book, len(h), context))


class CodePriorAlong(nn.Module):
    """p: each code of a sequence given those before it and, at each position, what the levels above say there.

    Arguments: `network` over codes; `see`, the state h (n, D, P) to a context (n, W, P), which a condition may enter.
    """

    def __init__(self, network: AlongNetwork, see: nn.Module) -> None:
        super().__init__()
        self.network, self.see = network, see

    def forward(self, h: Tensor, book: Book, hear: Hear = unheard) -> Codes:
        return AutoregressiveCodes(book.codes, _Along(self.network, book, hear(self.see(h))))


class BlankAlong(nn.Module):
    """The context of a top level of a sequence: h (n, D, P) -> zeros (n, W, P), for a condition to enter."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, h: Tensor) -> Tensor:
        return h.new_zeros(len(h), self.width, *h.shape[2:])

    def extra_repr(self) -> str:
        return f"{self.width}"


class Blank(nn.Module):
    """The context of a top level, which has nothing above: h -> zeros (B, W, *P), for a condition to enter."""

    def __init__(self, width: int, places: Shape) -> None:
        super().__init__()
        self.size = (width, *places)

    def forward(self, h: Tensor) -> Tensor:
        return h.new_zeros(len(h), *self.size)

    def extra_repr(self) -> str:
        return f"{self.size}"


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


class _Along:
    """A network of a sequence with the context of one walk."""

    def __init__(self, network: AlongNetwork, book: Book, context: Tensor) -> None:
        self.network, self.context = network, context
        self.size, self.search = (len(context), *context.shape[2:]), book.search

    def logits(self, index: Tensor) -> Tensor:
        """Logits of all positions, (B, K, P)."""
        return self.network(index, self.context)

    def draw(self, choose: Choose) -> Tensor:
        """Codes (B, P)."""
        return self.network.draw(choose, self.context)


class ParallelPrior(nn.Module):
    """p: all codes of a map at once, independent of each other given the state above.

    Arguments: `network`, the state h (n, ...) and what a condition makes of its context, to logits (n, K, *P).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, h: Tensor, book: Book, hear: Hear = unheard) -> Codes:
        return IndependentCodes(book.codes, self.network(h, hear), book.search)


class Remainder(nn.Module):
    """What the codes above have left of the evidence, at this level's scale: (h, e) -> shrink(e - see(h)).

    Arguments: `see`, h as this level compares it; `shrink`, to the places of the level.
    """

    def __init__(self, see: Callable[[Tensor], Tensor], shrink: nn.Module) -> None:
        super().__init__()
        self.see, self.shrink = see, shrink

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        return self.shrink(e - self.see(h))


class Plus(nn.Module):
    """The codes added to what those above have said: (h, z) -> h + grow(z)."""

    def __init__(self, grow: nn.Module) -> None:
        super().__init__()
        self.grow = grow

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        return h + self.grow(z)


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
    """One visit of a map of codes.

    Arguments: `name`, the identity of the variable; `book`; `read`, (h, e) -> z_e, the encoder's output; `quantiser`,
    (z_e, book) -> q; `prior`, (h, book, hear) -> p, with `hear` of its context; `absorb`, (h, z) -> h.
    """

    def __init__(
        self, name: str, *, book: Book, read: nn.Module, quantiser: Quantiser, prior: nn.Module, absorb: nn.Module
    ) -> None:
        super().__init__()
        self.name = name
        self.read, self.book, self.quantiser, self.prior, self.absorb = read, book, quantiser, prior, absorb

    def forward(self, h: Tensor, e: Tensor | None, visit: Hearing) -> Tensor:
        q = None if e is None else self.quantiser(full(self.read(h, e)), self.book)
        p = self.prior(h, self.book, partial(visit.prior, self.name))
        return self.absorb(h, visit(Site(self.name, p, q)))

    def extra_repr(self) -> str:
        return self.name
