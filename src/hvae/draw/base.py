"""What a draw is, and the three that name no variable: posterior, prior and mode.

Shapes: `B` batch; `...` a variable's own shape.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from hvae.distributions import Distribution
from hvae.errors import HvaeError, short
from hvae.site import Key, Site, as_key

V = TypeVar("V")
_NONE: frozenset[Key] = frozenset()


class Drawn(NamedTuple):
    """A value, and the distribution it was drawn from: what `log proposal(value)` is asked of."""

    value: Tensor
    proposal: Distribution | None


class Draw(ABC):
    """Decides the value of each site of a walk."""

    @abstractmethod
    def __call__(self, site: Site) -> Drawn: ...

    def inner(self) -> tuple[Draw, ...]:
        """The draws that decide some of its sites: what one of them speaks of, this one speaks of too."""
        return ()

    def keys(self) -> frozenset[Key]:
        """The variables this draw speaks of, (name, None) for every step of a name: a run that never meets one of them
        is an error."""
        return _NONE.union(*(draw.keys() for draw in self.inner()))

    def pins(self) -> frozenset[Key]:
        """The variables that this draw gives one value: (name, None) must not recur in time."""
        return _NONE.union(*(draw.pins() for draw in self.inner()))

    def thins(self) -> bool:
        """Whether this draw visits some of the steps of a walk instead of all: a walk without steps is an error."""
        return any(draw.thins() for draw in self.inner())

    def coarsens(self) -> bool:
        """Whether this draw says how many levels a walk has: one whose levels are what they are is an error."""
        return any(draw.coarsens() for draw in self.inner())


@dataclass(frozen=True, eq=False)
class Wrapper(Draw):
    """A draw that decides some sites and leaves the others to another one."""

    otherwise: Draw

    def inner(self) -> tuple[Draw, ...]:
        return (self.otherwise,)


def as_draw(draw: object) -> Draw:
    """The draw itself.  Raises HvaeError for anything else, such as `prior` where `prior()` is meant."""
    if isinstance(draw, Draw):
        return draw
    name = getattr(draw, "__name__", type(draw).__name__)
    raise HvaeError(f"expected a draw such as posterior, mode or prior(), got {name}; draws of your own extend Draw")


def keyed(values: Mapping[Any, V]) -> dict[Key, V]:
    """Values by the identity of their variables.  Raises HvaeError for a key of another kind."""
    if not isinstance(values, Mapping):
        raise HvaeError(f"expected a mapping from the names of variables, got {type(values).__name__}")
    for pin in values:
        name, step = pin if isinstance(pin, tuple) and len(pin) == 2 else (pin, None)
        if not isinstance(name, str) or not isinstance(step, int | None):
            raise HvaeError(f"expected the name of a variable, or ('name', step) where it recurs, got {short(pin)}")
    return {as_key(pin): value for pin, value in values.items()}


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

    Raises HvaeError for a temperature below 0, or none.

    >>> prior(0.7)
    _Prior(t=0.7)
    """
    if not isinstance(t, int | float | Tensor) or not 0 <= t < math.inf:
        raise HvaeError(f"expected a temperature of 0 or more, got {short(t)}")
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
