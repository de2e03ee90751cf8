"""Draws: where the values of a walk come from.

A draw answers a site with a value and the distribution that proposed it (None: it was given).  Draws compose, so that
"the top two levels from the posterior, z3 at temperature 0.7, z1 pinned" is an expression, not a flag.

Shapes: `B` batch; `...` a variable's own shape.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hvae.distributions import Distribution
from hvae.distributions.masked import Masked
from hvae.site import Site


class Drawn(NamedTuple):
    """A value, and the distribution it was drawn from: what `log proposal(value)` is asked of."""

    value: Tensor
    proposal: Distribution | None


class Draw(ABC):
    """Decides the value of each site of a walk."""

    @abstractmethod
    def __call__(self, site: Site) -> Drawn: ...

    def names(self) -> frozenset[str]:
        """The variables this draw speaks of by name: a run that never meets one of them is an error."""
        return frozenset()


def _kept(site: Site) -> Drawn:
    assert site.value is not None
    return Drawn(site.value, site.proposal)


def _drawn(distribution: Distribution | None, site: Site) -> Drawn:
    assert distribution is not None, f"site {site.name} has neither p nor q"
    return Drawn(distribution.sample(), distribution)


class _Posterior(Draw):
    def __call__(self, site: Site) -> Drawn:
        return _drawn(site.q or site.p, site) if site.value is None else _kept(site)

    def __repr__(self) -> str:
        return "posterior"


posterior: Draw = _Posterior()
"""q where inference knows one, else p; a value already decided is kept.  Training and reconstruction."""


@dataclass(frozen=True)
class _Prior(Draw):
    t: float

    def __call__(self, site: Site) -> Drawn:
        # A q-only visit gets a scratch value so that the walk can go on; it is redrawn once p is known.
        if site.p is None:
            return posterior(site)
        return _drawn(site.p if site.data or self.t == 1.0 else site.p.tempered(self.t), site)


def prior(t: float = 1.0) -> Draw:
    """p at temperature `t`; data are never tempered.  A level redrawn at t=1 costs zero: that is the L>k bound.

    >>> prior(0.7)
    _Prior(t=0.7)
    """
    return _Prior(float(t))


class _Mode(Draw):
    def __call__(self, site: Site) -> Drawn:
        distribution = site.q or site.p
        assert distribution is not None
        return Drawn(distribution.mode(), distribution) if site.value is None else _kept(site)

    def __repr__(self) -> str:
        return "mode"


mode: Draw = _Mode()
"""The mode of q where inference knows one, else of p; a value already decided is kept."""


@dataclass(frozen=True, eq=False)
class _Given(Draw):
    values: Mapping[str, Tensor]
    otherwise: Draw

    def __call__(self, site: Site) -> Drawn:
        if site.name not in self.values:
            return self.otherwise(site)
        # Scored against q where there is one, so that replaying a trace gives its own log-weight again.
        return Drawn(self.values[site.name], site.q or site.proposal)

    def names(self) -> frozenset[str]:
        return frozenset(self.values) | self.otherwise.names()


def given(values: Mapping[str, Tensor], otherwise: Draw = posterior) -> Draw:
    """The given values, (B, ...) by name; `otherwise` draws the rest.  Pinned levels, decoding, replays."""
    return _Given(values, otherwise)


@dataclass(frozen=True, eq=False)
class _Replay(Draw):
    values: Mapping[tuple[str, int | None], Tensor]

    def __call__(self, site: Site) -> Drawn:
        return Drawn(self.values[site.key], site.q or site.proposal)


def replay(values: Mapping[tuple[str, int | None], Tensor]) -> Draw:
    """Every variable from an earlier trace's `keyed_values()`, step by step in time where names recur."""
    return _Replay(values)


@dataclass(frozen=True, eq=False)
class _Each(Draw):
    by_name: Mapping[str, Draw]
    otherwise: Draw

    def __call__(self, site: Site) -> Drawn:
        return self.by_name.get(site.name, self.otherwise)(site)

    def names(self) -> frozenset[str]:
        inner = [draw.names() for draw in (*self.by_name.values(), self.otherwise)]
        return frozenset(self.by_name).union(*inner)


def each(by_name: Mapping[str, Draw], otherwise: Draw = posterior) -> Draw:
    """A draw of its own for each named variable; `otherwise` draws the rest.

    >>> sorted(each({"z3": prior(0.7), "z2": mode}, prior()).names())
    ['z2', 'z3']
    """
    return _Each(dict(by_name), otherwise)


@dataclass(frozen=True, eq=False)
class _Mask(Draw):
    mask: Tensor
    a: Draw
    b: Draw

    def __call__(self, site: Site) -> Drawn:
        a, b = self.a(site), self.b(site)
        both_given = a.proposal is None and b.proposal is None
        proposal = None if both_given else Masked(self.mask, a.proposal, b.proposal)
        return Drawn(torch.where(self.mask, a.value, b.value), proposal)

    def names(self) -> frozenset[str]:
        return self.a.names() | self.b.names()


def masked(mask: Tensor, a: Draw, b: Draw) -> Draw:
    """`a` where the boolean mask (broadcast to (B, ...)) is true, `b` elsewhere.  In-painting at chosen levels."""
    return _Mask(mask, a, b)
