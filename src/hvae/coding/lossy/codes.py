r"""Maps of codes as symbols: the indices, with the masses that p gives them.

    bits of a map = - sum over positions of log2 p(k_t given those before it and the levels above)

up to two words of 32 bits.  Of a level that draws its codes the most probable ones are sent.  Positions are coded in
raster order, all rows of a position together; with an autoregressive p both sides go step by step, since all positions
in one pass would differ in their last bits.

Shapes: `B` rows; `K` codes; `D` numbers of a code; `P` positions, (h, w); `N` = B P symbols.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from hvae.coding.entropy.curves import Ints
from hvae.coding.entropy.numerics import noise
from hvae.coding.entropy.registry import Listed
from hvae.coding.entropy.symbols import Cumulative
from hvae.coding.lossy.level import Choose, Level, Seen
from hvae.distributions.codebook import ChosenCodes, codes_at
from hvae.distributions.independent import IndependentCodes
from hvae.site import Site


class Indices(Level):
    """The codes of one level."""

    def __init__(self, site: Site, form: Listed) -> None:
        self.site, self.form = site, form

    def middle(self) -> Tensor:
        assert self.site.p is not None
        return self.site.p.mode()

    def symbols(self) -> Ints:
        assert isinstance(self.site.q, ChosenCodes | IndependentCodes), (
            f"a walk on data knows the codes of {self.site.name}"
        )
        return _in_order(self.site.q.index)

    def decided(self, choose: Choose) -> tuple[Ints, Tensor]:
        index = self.form.fill(choose)
        # Looked up on both sides: the encoder's own value carries the rounding of its gradient.
        return _in_order(index), codes_at(self.form.book, index)

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


def _in_order(index: Tensor) -> Ints:
    """Position by position, all rows of each: (B, *P) -> (N,)."""
    order: Ints = index.flatten(1).T.reshape(-1).numpy()
    return order
