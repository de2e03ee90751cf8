"""Guidance: a draw that follows the condition more closely than the model does, level by level.

Shapes: `n` rows; `...` a variable's own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from hvae.distributions import Distribution, LocationScale
from hvae.distributions.both import Both
from hvae.distributions.codebook import Codes
from hvae.distributions.denoising import Denoising
from hvae.draw.base import Draw, Drawn, Wrapper, as_draw, keyed, prior
from hvae.errors import HvaeError
from hvae.site import Key, Pin, Site


@dataclass(frozen=True, eq=False)
class _Guided(Wrapper):
    weights: Mapping[Key, float]
    rest: float = 1.0

    def __call__(self, site: Site) -> Drawn:
        if site.auxiliary or (site.data and site.step is None):
            return self.otherwise(site)
        if site.data:
            return _shared(self.otherwise(site))
        weight = self.weights.get(site.key, self.weights.get((site.name, None), self.rest))
        inner = self.otherwise(replace(site, p=_steered(site, weight)))
        return Drawn(torch.cat([inner.value, inner.value]), _twice(inner.proposal))

    def keys(self) -> frozenset[Key]:
        return super().keys().union(self.weights)


def guided(weights: float | Mapping[Pin, float] | Mapping[str, float], otherwise: Draw = prior()) -> Draw:
    r"""Follow the condition more closely than the model does: two walks at once, with their condition and without it.

    $$\mu = \mu_u + w\,(\mu_c - \mu_u), \qquad \sigma = \sigma_c^t\, \sigma_u^{1-t}, \quad t = \min(w, 1)$$

    for each named level, or for all where `weights` is a number; c and u are its Gaussian p with and without the
    condition, given the same levels above: w = 1 is the conditional p, 0 the unconditional one, and beyond 1 the mean
    goes on while the scale stays.  The means are those of classifier-free guidance, Ho and Salimans 2022, arXiv
    2207.12598, eq. (6), whose w is one less.

    The evidence has 2 n rows: n under the condition, then the same n with it unknown; both halves get one value, and
    where data recur in time the data that the first half draws, for later steps hear of them.  Only
    the first half of what the walk returns is guided data.  `otherwise` draws from the guided p, given n rows
    (`prior()` by default).  Of codes it is their log probabilities that go on, by the same w (`Codes.guided`), and of a
    diffusion the guess at the datum (`Denoising.guided`), so that its solvers follow the condition too.  Raises
    HvaeError at a named level whose p has neither codes nor a location and scale.
    """
    if isinstance(weights, int | float):
        return _Guided(as_draw(otherwise), {}, float(weights))
    return _Guided(as_draw(otherwise), keyed(weights))


def _shared(data: Drawn) -> Drawn:
    """Data of 2 n rows: those of the first n for both halves."""
    first = data.value[: len(data.value) // 2]
    return Drawn(torch.cat([first, first]), data.proposal)


def _steered(site: Site, weight: float) -> LocationScale | Codes | Denoising:
    """The guided law of a level, n rows, from its p of 2 n."""
    if isinstance(site.p, Codes | Denoising):
        return site.p.guided(weight)
    if not isinstance(site.p, LocationScale):
        raise HvaeError(
            f"guidance moves Gaussian levels and codes, got {type(site.p).__name__} at {site.name}; sample without it"
        )
    (loc, free_loc), (scale, free_scale) = site.p.loc.chunk(2), site.p.scale.chunk(2)
    if weight < 1:
        scale = free_scale * (scale / free_scale) ** max(weight, 0.0)
    return site.p.at(torch.lerp(free_loc, loc, weight), scale)


def _twice(law: Distribution | None) -> Distribution | None:
    """The law of n rows for both halves of 2 n."""
    if not isinstance(law, LocationScale):
        return None if law is None else Both(law)
    return law.at(torch.cat([law.loc, law.loc]), torch.cat([law.scale, law.scale]))
