r"""Bits-back coding in the Bit-Swap order, for Markov chains: borrowed bits are returned level by level.

    encode:  pop z1 ~ q(z1 given x), push x by p(x given z1), pop z2 ~ q(z2 given z1), push z1 by p(z1 given z2), ...
    decode:  the same backwards

Net bits are those of BB-ANS; but only one level has to be borrowed at the start, not all of them.  Kingma, Abbeel and
Ho 2019, arXiv 1905.06845, sec. 3.1.

Shapes: `B` rows of a batch.
"""

from __future__ import annotations

from torch import Tensor

from hvae.coding.entropy.curves import Ints
from hvae.coding.entropy.stack import Stack
from hvae.coding.lossless.bitsback import code_of, pop_data, pop_latent, push_data
from hvae.coding.lossless.book import Book
from hvae.condition import Context
from hvae.distributions import Distribution
from hvae.site import Key, Site
from hvae.walk import Chain, Trace


class _Swap:
    """Visits of a walk that codes as it goes: pops at a variable's first visit, pushes at its second."""

    def __init__(self, stack: Stack, book: Book) -> None:
        self.stack, self.book, self.trace = stack, book, Trace()
        self.symbols: dict[Key, Ints] = {}

    def joined(self, site: Site) -> tuple[Site, bool]:
        """The site with p and q of earlier visits, and whether there were any."""
        earlier = self.trace.records.get(site.key)
        return (site, False) if earlier is None else (site.knowing(earlier), True)

    def take(self, site: Site, law: Distribution) -> Tensor:
        self.symbols[site.key], value = pop_latent(self.stack, site, law, self.book)
        return value

    def give(self, site: Site, law: Distribution) -> Tensor:
        code_of(site, law, self.book).push(self.stack, self.symbols[site.key])
        assert site.value is not None
        return site.value


class _Sending(_Swap):
    def __call__(self, site: Site) -> Tensor:
        site, again = self.joined(site)
        value = self._data(site) if site.data else self._latent(site, again)
        self.trace.note(site, value, None if site.data else site.q)
        return value

    def _data(self, site: Site) -> Tensor:
        assert site.p is not None and site.value is not None
        push_data(self.stack, site.p, site.value)
        return site.value

    def _latent(self, site: Site, again: bool) -> Tensor:
        law = site.p if again else site.q
        assert law is not None
        return self.give(site, law) if again else self.take(site, law)


class _Receiving(_Swap):
    def __call__(self, site: Site) -> Tensor:
        site, again = self.joined(site)
        law = site.q if again else site.p
        assert law is not None
        value = self.give(site, law) if again else pop_data(self.stack, law) if site.data else self.take(site, law)
        self.trace.note(site, value, law)
        return value


def encode(model: Chain, stack: Stack, x: Tensor, book: Book, context: Context | None = None) -> Trace:
    """Encode x, (B, *shape) in [0, 1], onto the stack.  Raises Exhausted when the stack has too few initial bits."""
    sending = _Sending(stack, book)
    sending.trace.x = model.swap(sending, model.evidence(x, context))
    return sending.trace


def decode(model: Chain, stack: Stack, n: int, book: Book, context: Context | None = None) -> Tensor:
    """Decode n rows from the stack, (n, *shape) in [0, 1], and return the borrowed bits."""
    return model.swap(_Receiving(stack, book), model.nothing(n, context))
