"""Draws: where the values of a walk come from.

A draw answers a site with a value and the distribution that proposed it (None: it was given).  Draws compose, so that
"the top two levels from the posterior, z3 at temperature 0.7, z1 pinned" is an expression, not a flag.
"""

from __future__ import annotations

from hvae.draw.base import Draw, Drawn, as_draw, mode, posterior, prior
from hvae.draw.choices import brief, coarse, dropping, forget, retell, thin, trained
from hvae.draw.compose import each, latents, masked
from hvae.draw.given import by_step, given, replay
from hvae.draw.guidance import guided
from hvae.draw.narrowed import narrowed
from hvae.draw.solvers import ddim, second_order, solver
from hvae.draw.upper import upper

__all__ = [
    "Draw",
    "Drawn",
    "as_draw",
    "brief",
    "by_step",
    "coarse",
    "ddim",
    "dropping",
    "each",
    "forget",
    "given",
    "guided",
    "latents",
    "masked",
    "mode",
    "narrowed",
    "posterior",
    "prior",
    "replay",
    "retell",
    "second_order",
    "solver",
    "thin",
    "trained",
    "upper",
]
