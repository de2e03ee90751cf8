r"""The bound that leaves its lowest levels to the prior: L>k, whose upper levels alone describe the datum.

Shapes: `L` levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.draw import Draw, Drawn, each, posterior
from hvae.engine import Answers, Question
from hvae.metrics.draws import terms
from hvae.site import Site
from hvae.walk import Evidence, Model, run


class _PriorMode(Draw):
    def __call__(self, site: Site) -> Drawn:
        law = site.p or site.q
        assert law is not None
        # On the way up only q is known: its mode serves until p is, and is then forgotten.
        return Drawn(law.mode(), law)

    def __repr__(self) -> str:
        return "prior_mode"


prior_mode: Draw = _PriorMode()
"""The mode of p at zero rate, also where an earlier visit (a bottom-up q) had chosen a value."""


@dataclass(frozen=True, eq=False)
class _Cut(Draw):
    """The posterior of every level, but for those whose `low` is true, one of (L,) in the order of `names`: the mode
    of p, as `prior_mode` has it, whatever had been drawn.
    """

    names: Sequence[str]
    low: Tensor

    def __call__(self, site: Site) -> Drawn:
        value, proposal = posterior(site)
        law = site.p or site.q
        assert law is not None
        return Drawn(torch.where(self.low[self.names.index(site.name)], law.mode(), value), proposal)


def terms_above(model: Model, levels: Sequence[str], k: int, lower: Draw) -> Question:
    """The terms of the bound L>k: the lowest k of the levels (top first) are left to `lower`, the others to q."""
    draw = each(dict.fromkeys(levels[-k:], lower), posterior)

    def by_torch(evidence: Evidence) -> Answers:
        return terms(run(model, draw, evidence))

    def of(evidence: Evidence, low: Tensor) -> Answers:
        return terms(run(model, _Cut(levels, low), evidence), dict(zip(levels, low, strict=True)))

    if lower is not prior_mode:
        return Question(name=f"terms above {k} levels", model=model, of=lambda evidence, _: by_torch(evidence))
    # As a setting, so that one graph serves every k.
    low = torch.arange(len(levels)) >= len(levels) - k
    return Question(name="terms above a cut", model=model, of=of, settings=low, by_torch=by_torch)
