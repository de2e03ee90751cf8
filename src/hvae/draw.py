"""Draws: where the values of a walk come from.

A draw answers a site with a value and the distribution that proposed it (None: it was given).  Draws compose, so that
"the top two levels from the posterior, z3 at temperature 0.7, z1 pinned" is an expression, not a flag.

Shapes: `B` batch; `...` a variable's own shape.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from hvae.distributions import Distribution, LocationScale
from hvae.distributions.keep import Keep
from hvae.distributions.kept import Kept
from hvae.distributions.masked import Masked
from hvae.distributions.steps import Steps
from hvae.errors import HvaeError, short, unknown
from hvae.site import Key, Pin, Site, as_key, spelled

V = TypeVar("V")


class Drawn(NamedTuple):
    """A value, and the distribution it was drawn from: what `log proposal(value)` is asked of."""

    value: Tensor
    proposal: Distribution | None


class Draw(ABC):
    """Decides the value of each site of a walk."""

    @abstractmethod
    def __call__(self, site: Site) -> Drawn: ...

    def keys(self) -> frozenset[Key]:
        """The variables this draw speaks of, (name, None) for every step of a name: a run that never meets one of them
        is an error."""
        return frozenset()

    def pins(self) -> frozenset[Key]:
        """The variables that this draw gives one value: (name, None) must not recur in time."""
        return frozenset()

    def thins(self) -> bool:
        """Whether this draw visits some of the steps of a walk instead of all: a walk without steps is an error."""
        return False


def as_draw(draw: object) -> Draw:
    """The draw itself.  Raises HvaeError for anything else, such as `prior` where `prior()` is meant."""
    if isinstance(draw, Draw):
        return draw
    name = getattr(draw, "__name__", type(draw).__name__)
    raise HvaeError(f"expected a draw such as posterior, mode or prior(), got {name}; draws of your own extend Draw")


def _keyed(values: Mapping[Any, V]) -> dict[Key, V]:
    """Values by the identity of their variables.  Raises HvaeError for what is no name, and no name with a step."""
    if not isinstance(values, Mapping):
        raise HvaeError(f"expected a mapping from the names of variables, got {type(values).__name__}")
    for pin in values:
        name, step = pin if isinstance(pin, tuple) and len(pin) == 2 else (pin, None)
        if not isinstance(name, str) or not isinstance(step, int | None):
            raise HvaeError(f"expected the name of a variable, or ('name', step) where it recurs, got {short(pin)}")
    return {as_key(pin): value for pin, value in values.items()}


def _tensors(values: Mapping[Any, Tensor]) -> dict[Key, Tensor]:
    """The same of tensors; their shapes are compared when they are met."""
    keyed = _keyed(values)
    for key, value in keyed.items():
        if not isinstance(value, Tensor):
            what = f"expected a tensor (B, ...), got {type(value).__name__}; use torch.as_tensor"
            raise HvaeError(f"{spelled(key)}: {what}")
    return keyed


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


@dataclass(frozen=True, eq=False)
class _Given(Draw):
    values: Mapping[Key, Tensor]
    otherwise: Draw

    def __call__(self, site: Site) -> Drawn:
        key = site.key if site.key in self.values else (site.name, None)
        if key not in self.values:
            return self.otherwise(site)
        # Scored against q where there is one, so that replaying a trace gives its own log-weight again.
        return Drawn(self.values[key], site.q or site.proposal)

    def keys(self) -> frozenset[Key]:
        return self.otherwise.keys().union(self.values)

    def pins(self) -> frozenset[Key]:
        return self.otherwise.pins().union(self.values)

    def thins(self) -> bool:
        return self.otherwise.thins()


def given(values: Mapping[Pin, Tensor] | Mapping[str, Tensor], otherwise: Draw = posterior) -> Draw:
    """The given values, (B, ...) by name; `otherwise` draws the rest.  Pinned levels, decoding, replays.

    A name that recurs in time is given step by step, by ("z", step): `given(trace.values())` does, and `by_step` takes
    a series apart.  Raises HvaeError for values that are no tensors, and, when they are met, for those of another shape
    or type than the variable's.
    """
    return _Given(_tensors(values), as_draw(otherwise))


def by_step(name: str, series: Tensor) -> dict[Pin, Tensor]:
    """A series (B, T, ...) as values of the steps 0 .. T-1 of a name: the inverse of `Trace.series`.

    >>> list(by_step("z", torch.zeros(4, 2, 8)))
    [('z', 0), ('z', 1)]
    """
    if not isinstance(series, Tensor) or series.ndim < 2:
        got = f"shape {tuple(series.shape)}" if isinstance(series, Tensor) else type(series).__name__
        raise HvaeError(f"{name}: expected a series as a tensor (B, T, ...), got {got}")
    return {(name, step): value for step, value in enumerate(series.unbind(1))}


@dataclass(frozen=True, eq=False)
class _Replay(Draw):
    values: Mapping[Key, Tensor]

    def __call__(self, site: Site) -> Drawn:
        if site.key not in self.values:
            raise unknown("value to replay", spelled(site.key), map(spelled, self.values))
        return Drawn(self.values[site.key], site.q or site.proposal)

    def pins(self) -> frozenset[Key]:
        return frozenset(self.values)


def replay(values: Mapping[Pin, Tensor] | Mapping[Key, Tensor]) -> Draw:
    """Every variable from an earlier trace's `values()`; a variable that they lack is an error."""
    return _Replay(_tensors(values))


@dataclass(frozen=True, eq=False)
class _Each(Draw):
    draws: Mapping[Key, Draw]
    otherwise: Draw

    def __call__(self, site: Site) -> Drawn:
        own = self.draws.get(site.key) or self.draws.get((site.name, None), self.otherwise)
        return own(site)

    def keys(self) -> frozenset[Key]:
        inner = [draw.keys() for draw in (*self.draws.values(), self.otherwise)]
        return frozenset(self.draws).union(*inner)

    def pins(self) -> frozenset[Key]:
        return frozenset[Key]().union(*(draw.pins() for draw in (*self.draws.values(), self.otherwise)))

    def thins(self) -> bool:
        return any(draw.thins() for draw in (*self.draws.values(), self.otherwise))


def each(draws: Mapping[Pin, Draw] | Mapping[str, Draw], otherwise: Draw = posterior) -> Draw:
    """A draw of its own for each named variable, or for one step of it, ("z", 3); `otherwise` draws the rest.

    >>> sorted(each({"z3": prior(0.7), "z2": mode}, prior()).keys())
    [('z2', None), ('z3', None)]
    """
    return _Each({key: as_draw(draw) for key, draw in _keyed(draws).items()}, as_draw(otherwise))


@dataclass(frozen=True, eq=False)
class _Mask(Draw):
    mask: Tensor
    a: Draw
    b: Draw

    def __call__(self, site: Site) -> Drawn:
        a, b = self.a(site), self.b(site)
        _check_mask(self.mask, a.value.shape, site)
        both_given = a.proposal is None and b.proposal is None
        proposal = None if both_given else Masked(self.mask, a.proposal, b.proposal)
        return Drawn(torch.where(self.mask, a.value, b.value), proposal)

    def keys(self) -> frozenset[Key]:
        return self.a.keys() | self.b.keys()

    def pins(self) -> frozenset[Key]:
        return self.a.pins() | self.b.pins()

    def thins(self) -> bool:
        return self.a.thins() or self.b.thins()


def _check_mask(mask: Tensor, shape: torch.Size, site: Site) -> None:
    """Raises HvaeError for a mask that does not broadcast to values of this shape."""
    pairs = zip(reversed(mask.shape), reversed(shape), strict=False)
    if mask.ndim > len(shape) or any(one not in (1, size) for one, size in pairs):
        where = spelled(site.key)
        raise HvaeError(f"{where}: expected a mask that broadcasts to {tuple(shape)}, got shape {tuple(mask.shape)}")


def masked(mask: Tensor, a: Draw, b: Draw) -> Draw:
    """`a` where the boolean mask (broadcast to (B, ...)) is true, `b` elsewhere.  In-painting at chosen levels.

    Raises HvaeError for a mask of another type, and, when it is met, for one of another shape.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = str(mask.dtype) if isinstance(mask, Tensor) else type(mask).__name__
        raise HvaeError(f"expected a mask as a tensor of torch.bool, got {got}; compare it, as in mask > 0.5")
    return _Mask(mask, as_draw(a), as_draw(b))


@dataclass(frozen=True)
class _Thin(Draw):
    count: int
    otherwise: Draw

    def __call__(self, site: Site) -> Drawn:
        if not isinstance(site.p, Steps):
            return self.otherwise(site)
        some = site.p.thinned(self.count)
        return Drawn(some.sample(), some)

    def keys(self) -> frozenset[Key]:
        return self.otherwise.keys()

    def pins(self) -> frozenset[Key]:
        return self.otherwise.pins()

    def thins(self) -> bool:
        return True


def thin(count: int, otherwise: Draw = posterior) -> Draw:
    """Of the steps that a walk may visit, `count` random ones for each row instead of all; `otherwise` draws the rest.

    A walk that asks which steps to visit (`hvae.distributions.Steps`) gives each of those visited the weight
    T / count, so that every sum over steps keeps its expectation.  Kingma et al. 2021, arXiv 2107.00630, eq. (13).
    Raises HvaeError for less than one step; and, when it runs, for more than there are, and for a walk that does not
    ask.
    """
    if not isinstance(count, int) or count < 1:
        raise HvaeError(f"expected at least 1 step to visit, got {short(count)}")
    return _Thin(count, as_draw(otherwise))


@dataclass(frozen=True)
class _Dropping(Draw):
    otherwise: Draw

    def __call__(self, site: Site) -> Drawn:
        if not isinstance(site.p, Keep):
            return self.otherwise(site)
        some = site.p.dropped()
        return Drawn(some.sample(), some)

    def keys(self) -> frozenset[Key]:
        return self.otherwise.keys()

    def pins(self) -> frozenset[Key]:
        return self.otherwise.pins()


def dropping(otherwise: Draw = posterior) -> Draw:
    """Hide conditions at the rate that the walk names (`hvae.distributions.Keep`), as training does; `otherwise` draws
    the rest.

    Ho and Salimans 2022, arXiv 2207.12598, algorithm 1.  A walk without a condition that may be hidden is as before.
    """
    return _Dropping(otherwise)


@dataclass(frozen=True, eq=False)
class _Guided(Draw):
    weights: Mapping[Key, float]
    otherwise: Draw

    def __call__(self, site: Site) -> Drawn:
        if site.data or site.auxiliary:
            return self.otherwise(site)
        weight = self.weights.get(site.key, self.weights.get((site.name, None), 1.0))
        drawn = self.otherwise(replace(site, p=_steered(site, weight)))
        return Drawn(torch.cat([drawn.value, drawn.value]), _twice(drawn.proposal))

    def keys(self) -> frozenset[Key]:
        return self.otherwise.keys().union(self.weights)

    def pins(self) -> frozenset[Key]:
        return self.otherwise.pins()


def guided(weights: Mapping[Pin, float] | Mapping[str, float], otherwise: Draw = prior()) -> Draw:
    r"""Follow the condition more closely than the model does: two walks at once, with their condition and without it.

    $$\mu = \mu_u + w\,(\mu_c - \mu_u), \qquad \sigma = \sigma_c^t\, \sigma_u^{1-t}, \quad t = \min(w, 1)$$

    for each named level, where c and u are its Gaussian p with and without the condition, given the same levels above:
    w = 1 is the conditional p, 0 the unconditional one, and beyond 1 the mean goes on while the scale stays.  The means
    are those of classifier-free guidance, Ho and Salimans 2022, arXiv 2207.12598, eq. (6), whose w is one less.

    The evidence has 2 n rows: n under the condition, then the same n with it unknown; both halves get one value.  Only
    the first half of what the walk returns is guided data.  `otherwise` draws from the guided p, given n rows
    (`prior()` by default).  Raises HvaeError at a named level whose p has no location and scale.
    """
    return _Guided(
        {as_key(pin): weight for pin, weight in weights.items()}, prior() if otherwise is None else otherwise
    )


def _steered(site: Site, weight: float) -> LocationScale:
    """The guided law of a level, n rows, from its p of 2 n."""
    if not isinstance(site.p, LocationScale):
        raise HvaeError(
            f"guidance moves Gaussian levels, got {type(site.p).__name__} at {site.name}; sample without it"
        )
    (loc, free_loc), (scale, free_scale) = site.p.loc.chunk(2), site.p.scale.chunk(2)
    if weight < 1:
        scale = free_scale * (scale / free_scale) ** max(weight, 0.0)
    return site.p.at(torch.lerp(free_loc, loc, weight), scale)


def _twice(law: Distribution | None) -> Distribution | None:
    """The law of n rows for both halves of 2 n."""
    if law is None:
        return None
    assert isinstance(law, LocationScale), "what is drawn from a guided law is drawn from one of its kind"
    return law.at(torch.cat([law.loc, law.loc]), torch.cat([law.scale, law.scale]))


@dataclass(frozen=True)
class _Forget(Draw):
    keep: float
    otherwise: Draw

    def __call__(self, site: Site) -> Drawn:
        if not isinstance(site.p, Kept):
            return self.otherwise(site)
        some = site.p.sharing(self.keep)
        return Drawn(some.sample(), some)

    def keys(self) -> frozenset[Key]:
        # A walk without a decoder that hears its past never visits it, and says so.
        return self.otherwise.keys() | {("kept", None)}

    def pins(self) -> frozenset[Key]:
        return self.otherwise.pins()


def forget(keep: float, otherwise: Draw = posterior) -> Draw:
    """Of the steps that a decoder has told, its site "kept", a random share to `keep`; `otherwise` draws the rest.

    A decoder that hears less of its own past asks its latents instead: word dropout, Bowman et al. 2016, arXiv
    1511.06349, sec. 3.1.  Raises HvaeError for a share out of [0, 1]; a run of a model without that site is an error.

    >>> forget(0.6)
    _Forget(keep=0.6, otherwise=posterior)
    """
    if not 0 <= keep <= 1:
        raise HvaeError(f"expected a share of steps to keep, from 0 to 1, got {keep}")
    return _Forget(float(keep), otherwise)
