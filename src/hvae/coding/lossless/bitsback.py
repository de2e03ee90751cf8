r"""Bits-back coding in the BB-ANS order, for every walk.

    encode:  walk on the data, popping each latent with its q;      then push every site with its p, last known first
    decode:  walk on nothing, popping each site with its p;         walk again on the result, everything given;
             push every latent with its q, last known first

Net bits a datum are $-\log_2 p(x, z) + \log_2 q(z \mid x)$, whose mean is minus the ELBO.  Townsend, Bird and Barber
2019, arXiv 1901.04866, sec. 2.4; for hierarchies Townsend et al. 2020, arXiv 1912.09953.

Shapes: `B` rows of a batch; `N` all elements of a value, (B, ...) flattened.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.coding.entropy import pixels
from hvae.coding.entropy.curves import Ints
from hvae.coding.entropy.registry import Discrete, continuous, form, latent, symbolic
from hvae.coding.entropy.stack import Stack
from hvae.coding.entropy.steady import Uncodable
from hvae.coding.entropy.symbols import Code
from hvae.coding.lossless.book import Book
from hvae.coding.lossless.recall import Memory
from hvae.condition import Context
from hvae.distributions import Distribution
from hvae.distributions.pixels import AutoregressivePixels
from hvae.draw import Draw, Drawn, replay
from hvae.site import Key, Site
from hvae.walk import Model, Record, Trace, run


class Sender(Draw):
    """Pops each latent with its q, or with its p where it has no q."""

    def __init__(self, stack: Stack, book: Book) -> None:
        self.stack, self.book = stack, book
        self.symbols: dict[Key, Ints] = {}

    def __call__(self, site: Site) -> Drawn:
        if site.value is not None:
            return Drawn(site.value, site.proposal)
        law = proposal(site)
        self.symbols[site.key], value = pop_latent(self.stack, site, law, self.book)
        return Drawn(value, law)


class Receiver(Draw):
    """Pops latents and data with their p."""

    def __init__(self, stack: Stack, book: Book) -> None:
        self.stack, self.book = stack, book
        self.symbols: dict[Key, Ints] = {}

    def __call__(self, site: Site) -> Drawn:
        assert site.p is not None, f"a walk on nothing knows the p of {site.name}"
        if site.data:
            return Drawn(pop_data(self.stack, site.p), site.p)
        self.symbols[site.key], value = pop_latent(self.stack, site, site.p, self.book)
        return Drawn(value, site.p)


def proposal(site: Site) -> Distribution:
    """The proposal of a latent, as in `posterior`: q, or p where there is no q."""
    law = site.q or site.p
    assert law is not None, f"a walk on data knows the p or the q of {site.name}"
    return law


def pop_latent(stack: Stack, site: Site, law: Distribution, book: Book) -> tuple[Ints, Tensor]:
    """Pop a latent by `law`, its p or q: symbols (N,) and their value."""
    if site.is_weighed:
        raise Uncodable(f"{site.name} stands for several variables of which one is drawn; visit all to compress")
    if site.mask is not None:
        raise Uncodable(f"{site.name} exists in some rows only; compress sequences of one length")
    own = form(law)
    if isinstance(own, Discrete):
        symbols = own.latent().pop(stack)
        return symbols, own.values(symbols)
    bins, like = book.bins(site), continuous(law).loc
    symbols = latent(law, bins).pop(stack)
    return symbols, torch.from_numpy(bins.centres(symbols)).reshape(like.shape).to(like.dtype)


def code_of(site: Site, law: Distribution, book: Book) -> Code:
    """The code of a latent by `law`, its p or its q: over the bins of its level, or by levels of its own."""
    own = form(law)
    return own.latent() if isinstance(own, Discrete) else latent(law, book.bins(site))


def pop_data(stack: Stack, law: Distribution) -> Tensor:
    """Data in [0, 1] by their p."""
    if isinstance(law, AutoregressivePixels):
        return pixels.pop(stack, law)
    own = symbolic(law)
    return own.values(own.data().pop(stack))


def push_data(stack: Stack, law: Distribution, value: Tensor) -> None:
    """Data in [0, 1] by their p."""
    if isinstance(law, AutoregressivePixels):
        pixels.push(stack, law, value)
        return
    own = symbolic(law)
    own.data().push(stack, own.symbols(value))


def encode(model: Model, stack: Stack, x: Tensor, book: Book, context: Context | None = None) -> Trace:
    """Encode x, (B, *shape) in [0, 1], onto the stack.  Raises Exhausted when the stack has too few initial bits."""
    sender = Sender(stack, book)
    trace = run(model, sender, model.evidence(x, context))
    for record in reversed(in_order(trace, "p")):
        if record.data:
            push_data(stack, record.law, record.value)
        else:
            code_of(record, record.law, book).push(stack, sender.symbols[record.key])
    return trace


def decode(model: Model, stack: Stack, n: int, book: Book, context: Context | None = None) -> Tensor:
    """Decode n rows from the stack, (n, *shape) in [0, 1], and return the borrowed bits."""
    receiver, memory = Receiver(stack, book), Memory(model)
    with memory.noting():
        first = run(model, receiver, n=n, context=context)
    assert first.x is not None
    with memory.recalling():
        again = run(model, replay(first.values()), model.evidence(first.x, context))
    for record in reversed(in_order(again, "q")):
        if not record.data:
            code_of(record, proposal(record), book).push(stack, receiver.symbols[record.key])
    return first.x


def in_order(trace: Trace, side: str) -> list[Record]:
    """The records of a trace in the order in which their p or q became known; those without a q by their p."""
    visits = [(trace.records[key], visited) for key, visited in trace.visits]
    return [record for record, visited in visits if visited == ("p" if record.q is None else side)]
