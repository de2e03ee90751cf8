"""Draws for the choices of a walk itself: which steps it visits, which conditions it hides, what a decoder hears.

The walk offers such a choice as an auxiliary site; each is free, and nobody but a draw makes one.

Shapes: `B` rows; `T` steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hvae.counts import whole
from hvae.distributions.keep import Hiding, Keep
from hvae.distributions.steps import Depth, Moments, Visits
from hvae.draw.base import Draw, Drawn, Wrapper, as_draw, posterior
from hvae.errors import HvaeError
from hvae.site import Key, Site

GUESSED = "y"
"""The site of a class that a model guesses where nobody tells it."""
HEARD = "heard"
"""The site of the steps of its own past that a decoder hears."""
TAUGHT = "taught"
"""The site of the steps of which a decoder hears the data, and not a draw of its own."""


@dataclass(frozen=True, eq=False)
class _Thin(Wrapper):
    count: int

    def __call__(self, site: Site) -> Drawn:
        if not isinstance(site.p, Visits):
            return self.otherwise(site)
        some = site.p.thinned(self.count)
        return Drawn(some.sample(), some)

    def thins(self) -> bool:
        return True


def thin(count: int, otherwise: Draw = posterior) -> Draw:
    """Of the steps that a walk may visit, `count` random ones for each row instead of all; `otherwise` draws the rest.

    A walk that asks which steps to visit (`hvae.distributions.Steps`) gives each of those visited the weight
    T / count, so that every sum over steps keeps its expectation.  Kingma et al. 2021, arXiv 2107.00630, eq. (13).
    Raises HvaeError for less than one step; and, when it runs, for more than there are, and for a walk that does not
    ask.
    """
    count = whole("count", count, None)
    if count < 1:
        raise HvaeError(f"expected at least 1 step to visit, got {count}")
    return _Thin(as_draw(otherwise), count)


@dataclass(frozen=True, eq=False)
class _Trained(Wrapper):
    def __call__(self, site: Site) -> Drawn:
        if not (isinstance(site.p, Visits) and site.p.few) or self.otherwise.thins():
            return self.otherwise(site)
        some = site.p.thinned(site.p.few)
        return Drawn(some.sample(), some)


def trained(otherwise: Draw = posterior) -> Draw:
    """Of the steps that a walk may visit, as many random ones as it names for training, as `thin` does; `otherwise`
    draws the rest, and its own `thin` comes first.  A walk that names none is as before.
    """
    return _Trained(as_draw(otherwise))


@dataclass(frozen=True, eq=False)
class _Coarse(Wrapper):
    count: int

    def __call__(self, site: Site) -> Drawn:
        if isinstance(site.p, Moments):
            # So many levels are visited as levels, not as moments of the time without any.
            return self.otherwise(replace(site, p=site.p.steps()))
        if not isinstance(site.p, Depth):
            return self.otherwise(site)
        fewer = site.p.levels(self.count)
        return Drawn(fewer.sample(), fewer)

    def coarsens(self) -> bool:
        return True


def coarse(count: int, otherwise: Draw = posterior) -> Draw:
    """A walk of `count` levels instead of all that a model has, evenly spaced; `otherwise` draws them.

    For models that can leave levels out, diffusions: each level jumps as far as those between it and the next one would
    go.  Its bound is one like any other, of a shallower model.  Raises HvaeError for less than one level and, when it
    runs, for more than there are, and for a model whose levels are what they are.
    """
    count = whole("count", count, None)
    if count < 1:
        raise HvaeError(f"expected at least 1 level, got {count}")
    return _Coarse(as_draw(otherwise), count)


@dataclass(frozen=True, eq=False)
class _Brief(Wrapper):
    def __call__(self, site: Site) -> Drawn:
        if not isinstance(site.p, Depth):
            return self.otherwise(site)
        fewer = site.p.levels(site.p.least)
        return Drawn(fewer.sample(), fewer)


def brief(otherwise: Draw = posterior) -> Draw:
    """The shortest walk that still visits every name, where a walk offers one: what a model is looked at by."""
    return _Brief(as_draw(otherwise))


@dataclass(frozen=True, eq=False)
class _Dropping(Wrapper):
    def __call__(self, site: Site) -> Drawn:
        if not isinstance(site.p, Hiding):
            return self.otherwise(site)
        some = site.p.hiding(site.p.rate)
        return Drawn(some.sample(), some)


def dropping(otherwise: Draw = posterior) -> Draw:
    """Hide conditions and levels at the rate that the walk names (`hvae.distributions.keep`), as training does;
    `otherwise` draws the rest.

    Ho and Salimans 2022, arXiv 2207.12598, algorithm 1.  A walk without a condition that may be hidden is as before.
    """
    return _Dropping(as_draw(otherwise))


@dataclass(frozen=True)
class _Part(Wrapper):
    name: str
    keep: float

    def __call__(self, site: Site) -> Drawn:
        if site.name != self.name or not isinstance(site.p, Keep):
            return self.otherwise(site)
        some = site.p.hiding(1 - self.keep)
        return Drawn(some.sample(), some)

    def keys(self) -> frozenset[Key]:
        # A walk without a decoder that hears its past never visits it, and says so.
        return super().keys() | {(self.name, None)}


def forget(keep: float, otherwise: Draw = posterior) -> Draw:
    """Of the steps of its own past that a decoder hears, its site "heard", a random share `keep`; `otherwise` draws the
    rest.

    A decoder that hears less of its own past asks its latents instead: word dropout, Bowman et al. 2016, arXiv
    1511.06349, sec. 3.1.  Raises HvaeError for a share out of [0, 1]; a run of a model without that site is an error.

    >>> forget(0.6)
    _Part(otherwise=posterior, name='heard', keep=0.6)
    """
    if not 0 <= keep <= 1:
        raise HvaeError(f"expected a share of steps to keep, from 0 to 1, got {keep}")
    return _Part(as_draw(otherwise), HEARD, float(keep))


def retell(share: float, otherwise: Draw = posterior) -> Draw:
    """In a random share of the steps a decoder hears what it would have told itself, and not the data: its site
    "taught"; `otherwise` draws the rest.

    Scheduled sampling, Bengio et al. 2015, arXiv 1506.03099, sec. 2.4.  What such a walk scores is no bound: the data
    are scored after a past that is not theirs.  Raises HvaeError for a share out of [0, 1]; a run of a model without
    that site is an error.

    >>> retell(0.25)
    _Part(otherwise=posterior, name='taught', keep=0.75)
    """
    if not 0 <= share <= 1:
        raise HvaeError(f"expected a share of steps to retell, from 0 to 1, got {share}")
    return _Part(as_draw(otherwise), TAUGHT, 1 - float(share))
