r"""Maps of codes as symbols: the indices, with the masses that p gives them.

    bits of a map = - sum over positions of log2 p(k_t given those before it and the levels above)

up to two words of 32 bits.  Of a level that draws its codes the most probable ones are sent.  Positions are coded in
raster order, all rows of a position together (of sequences those that exist there; equally probable ones row by row);
with an autoregressive p both sides go step by step, since all positions in one pass would differ in their last bits.

Shapes: `B` rows; `K` codes; `D` numbers of a code; `P` positions, (h, w); `N` = B P symbols.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.curves import Ints
from hvae.coding.entropy.laws import weighed
from hvae.coding.entropy.numerics import noise
from hvae.coding.entropy.registry import Listed
from hvae.coding.entropy.steady import Uncodable
from hvae.coding.entropy.symbols import Cumulative, Even
from hvae.coding.lossy.level import Choose, Level, Seen
from hvae.distributions.codebook import ChosenCodes, UniformCodes, codes_at
from hvae.distributions.independent import IndependentCodes
from hvae.distributions.ranked import AutoregressiveCodes
from hvae.site import Site


class Indices(Level):
    """The codes of one level."""

    def __init__(self, site: Site, form: Listed) -> None:
        self.site, self.form = site, form
        self.part = _whole(form) if site.mask is None else _existing(site, form)

    def middle(self) -> Tensor:
        assert self.site.p is not None
        return self.site.p.mode()

    def symbols(self) -> Ints:
        assert isinstance(self.site.q, ChosenCodes | IndependentCodes), (
            f"a walk on data knows the codes of {self.site.name}"
        )
        return self.part.order(self.site.q.index)

    def decided(self, choose: Choose) -> tuple[Ints, Tensor]:
        index = self.part.fill(choose)
        # Looked up on both sides: the encoder's own value carries the rounding of its gradient.
        return self.part.order(index), codes_at(self.form.book, index)

    def packed(self, symbols: Ints) -> bytes:
        return symbols.astype("<i4").tobytes()

    def probed(self, view: Seen) -> Tensor:
        words = noise(math.prod(self.form.size)).astype(np.int64)
        at = 0

        def any_codes(code: Cumulative) -> Ints:
            nonlocal at
            symbols = words[at : at + len(code.total)] % code.size
            at += len(symbols)
            view(np.stack([code.cumulative(symbols[:, None] + 1)[:, 0], code.total]).astype("<i8").tobytes())
            return symbols

        return self.decided(any_codes)[1]


class _Part(NamedTuple):
    """Which positions are coded: `fill` asks for their codes, as a `Listed` form does, and `order` is that of asking,
    (B, *P) -> (N,)."""

    fill: Callable[[Choose], Tensor]
    order: Callable[[Tensor], Ints]


def _whole(form: Listed) -> _Part:
    """All of them: position by position, all rows of each."""
    return _Part(form.fill, lambda index: index.flatten(1).T.reshape(-1).numpy())


def _existing(site: Site, form: Listed) -> _Part:
    """Those of a site of sequences that exist; the others hold the first code."""
    assert site.mask is not None
    there = site.mask[:, 0]  # (B, P)
    if isinstance(site.p, UniformCodes):
        return _even(form, there)
    if isinstance(site.p, AutoregressiveCodes):
        return _in_turn(site.p, there)
    raise Uncodable(f"expected equally probable codes of sequences at level {site.name}, or each given those before it")


def _even(form: Listed, there: Tensor) -> _Part:
    """Row by row."""

    def fill(choose: Choose) -> Tensor:
        index = torch.zeros(form.size, dtype=torch.int64)
        index[there] = torch.from_numpy(choose(Even(int(there.sum()), len(form.book))))
        return index

    return _Part(fill, lambda index: index[there].numpy())


def _in_turn(law: AutoregressiveCodes, there: Tensor) -> _Part:
    """Position by position, the rows that exist at each."""

    def fill(choose: Choose) -> Tensor:
        rows = iter(there.T)

        def one(logits: Tensor) -> Tensor:
            some = next(rows)
            index = torch.zeros(len(logits), dtype=torch.int64)
            index[some] = torch.from_numpy(choose(weighed(logits[some])))
            return index

        return law.stepwise(one)

    return _Part(fill, lambda index: index.T[there.T].numpy())
