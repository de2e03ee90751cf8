r"""A posterior of each datum's own: the q of a walk moved by gradient steps on any bound.

    q_i(z_l | .) = N(mu_l + shift_il sigma_l, (sigma_l e^{spread_il})^2),    shift, spread <- Adam on a bound of datum i

mu_l and sigma_l are what the model infers (given the values above, which move too), so that all starts at the amortised
posterior.  The semi-amortised inference of Kim et al. 2018, arXiv 1802.02550; Marino et al. 2018, arXiv 1807.09356.

Shapes: `B` data of one batch; `...` a latent's own shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import singledispatch

import torch
from torch import Tensor

from hvae.distributions import Distribution, Fixed, Flowed, LocationScale
from hvae.distributions.quantised import Uniform
from hvae.draw import Draw, Drawn, posterior
from hvae.errors import HvaeError
from hvae.site import Key, Site
from hvae.trace import Trace
from hvae.walk import Evidence, Model, run

Bound = Callable[[Trace], Tensor]
"""What is to grow, (B,) in nats."""
Tick = Callable[[], object]
"""Called after each step."""


@singledispatch
def moved(q: Distribution, shift: Tensor, spread: Tensor) -> Distribution:
    """q with its location moved by `shift` of its scales and its log-scale by `spread`, each as `place` (B, ...).

    A kind of law of one's own is added by `moved.register` and `place.register`.  Raises HvaeError for a law that has
    neither location nor scale.
    """
    raise _fixed(q)


@moved.register
def _(q: LocationScale, shift: Tensor, spread: Tensor) -> LocationScale:
    return q.at(q.loc + shift * q.scale, q.scale * spread.exp())


@moved.register
def _(q: Flowed, shift: Tensor, spread: Tensor) -> Flowed:
    """The same map of a moved base."""
    return Flowed(moved(q.base, shift, spread), q.forward, q.inverse, q.passes)


@moved.register
def _(q: Uniform, shift: Tensor, spread: Tensor) -> Uniform:
    """Its width is that of a grid and stays."""
    return Uniform(q.loc + shift * q.width, q.width)


@singledispatch
def place(q: Distribution) -> Tensor:
    """Where q lies, (B, ...): a tensor of the shape of what moves it.  Raises HvaeError as `moved` does."""
    raise _fixed(q)


@place.register
def _(q: LocationScale) -> Tensor:
    return q.loc


@place.register
def _(q: Uniform) -> Tensor:
    return q.loc


@place.register
def _(q: Flowed) -> Tensor:
    return place(q.base)


def _fixed(q: Distribution) -> HvaeError:
    return HvaeError(
        f"expected posteriors with a location and a scale to improve upon, got {type(q).__name__}; "
        "a regret and a refinement take gradient steps of latents: leave the regret out, restore with --way gibbs "
        "(inpaint, impute)"
    )


@dataclass(frozen=True, eq=False)
class Nudged(Draw):
    """The posterior, each q moved by numbers of each datum's own, zero at first: {variable: (shift, spread)}."""

    moves: dict[Key, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __call__(self, site: Site) -> Drawn:
        # What the data determine, all mass on one value, is not moved.
        if site.value is not None or site.q is None or site.auxiliary or isinstance(site.q, Fixed):
            return posterior(site)
        if site.key not in self.moves:
            here = place(site.q)
            self.moves[site.key] = (_zeros(here), _zeros(here))
        q = moved(site.q, *self.moves[site.key])
        return Drawn(q.sample(), q)


def _zeros(like: Tensor) -> Tensor:
    return torch.zeros_like(like, requires_grad=True)


def improvable(model: Model, evidence: Evidence) -> None:
    """Raises HvaeError unless every posterior can be moved; one walk."""
    run(model, Nudged(), evidence)


def refined(model: Model, evidence: Evidence, bound: Bound, rates: Sequence[float], tick: Tick) -> Nudged:
    """The posterior of each datum after one step of Adam for each of the `rates` (in posterior scales) up a bound.

    Each step is one walk from the features that the evidence holds, and its gradient by the moves alone: neither the
    networks of the evidence nor gradients of weights are computed.  Raises HvaeError where no posterior can be moved.
    """
    draw = Nudged()
    moves = _started(model, draw, evidence)
    optimiser = torch.optim.Adam(moves)
    for rate in rates:
        with torch.enable_grad():
            loss = -bound(run(model, draw, evidence)).sum()
            gradients = torch.autograd.grad(loss, moves, allow_unused=True)
        for move, gradient in zip(moves, gradients, strict=True):
            move.grad = gradient
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
        tick()
    return draw


def _started(model: Model, draw: Nudged, evidence: Evidence) -> list[Tensor]:
    run(model, draw, evidence)
    return [move for pair in draw.moves.values() for move in pair]
