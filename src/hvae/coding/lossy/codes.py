r"""Maps of codes as symbols: the indices, with the masses that p gives them.

    bits of a map = - sum over positions of log2 p(k_t given those before it and the levels above)

up to two words of 32 bits.  Of a level that draws its codes the most probable ones are sent.  Positions are coded in
raster order, all rows of a position together; with an autoregressive p both sides go step by step, since all positions
in one pass would differ in their last bits.

Shapes: `B` rows; `K` codes; `D` numbers of a code; `P` positions, (h, w); `N` = B P symbols.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.curves import Ints
from hvae.coding.entropy.numerics import noise
from hvae.coding.entropy.registry import Listed
from hvae.coding.entropy.steady import Uncodable
from hvae.coding.entropy.symbols import Cumulative, Even
from hvae.coding.lossy.level import Choose, Level, Seen
from hvae.distributions.codebook import ChosenCodes, UniformCodes, codes_at
from hvae.distributions.independent import IndependentCodes
from hvae.site import Site


class Indices(Level):
    """The codes of one level."""

    def __init__(self, site: Site, form: Listed) -> None:
        self.site, self.form = site, form if site.mask is None else _existing(site, form)

    def middle(self) -> Tensor:
        assert self.site.p is not None
        return self.site.p.mode()

    def symbols(self) -> Ints:
        assert isinstance(self.site.q, ChosenCodes | IndependentCodes), (
            f"a walk on data knows the codes of {self.site.name}"
        )
        return self._in_order(self.site.q.index)

    def decided(self, choose: Choose) -> tuple[Ints, Tensor]:
        index = self.form.fill(choose)
        # Looked up on both sides: the encoder's own value carries the rounding of its gradient.
        return self._in_order(index), codes_at(self.form.book, index)

    def _in_order(self, index: Tensor) -> Ints:
        """Position by position, all rows of each, or those that exist row by row: (B, *P) -> (N,)."""
        order: Ints = (
            index.flatten(1).T.reshape(-1) if self.site.mask is None else index[self.site.mask[:, 0]]
        ).numpy()
        return order

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


def _existing(site: Site, form: Listed) -> Listed:
    """The form of those positions of a site that exist, of equally probable codes; the others hold the first code."""
    assert site.mask is not None
    if not isinstance(site.p, UniformCodes):
        raise Uncodable(f"expected equally probable codes of sequences at level {site.name}, got {site.p!r}")
    there = site.mask[:, 0]

    def fill(choose: Callable[[Cumulative], Ints]) -> Tensor:
        index = torch.zeros(form.size, dtype=torch.int64)
        index[there] = torch.from_numpy(choose(Even(int(there.sum()), len(form.book))))
        return index

    return Listed(form.book, form.size, fill)
