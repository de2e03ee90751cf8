r"""Ways to draw the latents of a picture of which something is seen, for every family: as draws of its walk.

    Gibbs     z ~ q(z | x),  x_missing ~ p(x | z, seen), again and again.  Rezende et al. 2014, arXiv 1401.4082, app. F
    Metropolis  the same, each z accepted with probability min(1, w(z) / w(z_before)),  w = p(x, z) / q(z | x)
              Mattei and Frellsen 2018, arXiv 1802.04826, sec. 4
    Partial   r(z | seen), inference that has learnt to read a part.  Strauss and Oliva 2022, arXiv 2201.12414
    Refine    q(z | first guess) moved by gradient steps on  E_q[log p(seen | z)] - KL(q || p),  then drawn from

Gibbs converges to p(x_missing | seen) of the model if q(z | x) is its exact posterior; else to the stationary law of
another chain, which is as near as q is (one sweep errs by at most the total variation between q and the posterior).
Metropolis converges to p(x_missing | seen) for any q that covers the posterior, however far q is.  Refine converges to
the member of its family nearest to p(z | seen) by KL(q || .): means are good, spread is too narrow.

Shapes: `B` pictures; `...` a datum.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.counts import whole
from hvae.distributions import Distribution
from hvae.distributions.pixels import AutoregressivePixels
from hvae.draw import Draw, given, mode, posterior
from hvae.errors import HvaeError
from hvae.refine import refined
from hvae.restoration.observation import Observation
from hvae.site import Pin, pin
from hvae.trace import Trace
from hvae.walk import Evidence, Model, run

Tick = Callable[[], object]


Change = Callable[[Draw, int], Draw]
"""Of a draw, and the number of the walk that it is for."""


def plain(draw: Draw, k: int) -> Draw:
    """The draw itself, whatever its number."""
    return draw


def law_of(trace: Trace) -> Distribution:
    """p(x | z) of a walk.  Raises HvaeError where data are not one site, whose values are independent given z."""
    if len(trace.observed) != 1:
        raise HvaeError(
            f"expected a model whose data are drawn at once, got one with {len(trace.observed)} sites of data; "
            "restoration is for images and tables, not for steps in time"
        )
    law = trace.observed[0].law
    if isinstance(law, AutoregressivePixels):
        raise HvaeError(
            "expected a model whose values are independent given its latents, got an autoregressive likelihood; "
            "restore with another family, such as ladder"
        )
    return law


class Way(ABC):
    """Walks whose latents are drawn given what is seen.

    `name` is what a user calls it.  `proposes` says whether they are drawn from the q of their walk, so that
    `log_weight` is an importance weight; else they are where a chain has come to, and no such weight is known.
    """

    name: ClassVar[str]
    proposes: ClassVar[bool]

    @abstractmethod
    def walks(
        self, model: Model, observation: Observation, context: Context, draws: int, tick: Tick = lambda: None
    ) -> Iterator[Trace]:
        """So many walks of B rows each; `tick` is called after each walk on the way to them and each of them.

        The data that a walk has read are some guess: `law_of` it is p(x | z), and its latents' weights p(z) / q(z).
        """

    @abstractmethod
    def passes(self, draws: int) -> int:
        """How often `tick` is called."""


@dataclass(frozen=True, kw_only=True)
class Swept(Way):
    """Each draw the end of so many `sweeps` of its own.  Raises HvaeError for none."""

    sweeps: int = 20

    def __post_init__(self) -> None:
        whole("sweeps", self.sweeps, 1)

    def passes(self, draws: int) -> int:
        return draws * self.sweeps


@dataclass(frozen=True, kw_only=True)
class Chain(Swept):
    """Each draw the end of a Markov chain of its own."""

    def walks(
        self, model: Model, observation: Observation, context: Context, draws: int, tick: Tick = lambda: None
    ) -> Iterator[Trace]:
        for _ in range(draws):
            yield self._chain(model, observation, context, tick)

    @abstractmethod
    def _chain(self, model: Model, observation: Observation, context: Context, tick: Tick) -> Trace: ...


@dataclass(frozen=True, kw_only=True)
class Gibbs(Chain):
    """Pseudo-Gibbs: z from q(z | x), what is hidden from p(x | z), again and again."""

    name: ClassVar[str] = "gibbs"
    proposes: ClassVar[bool] = True

    def _chain(self, model: Model, observation: Observation, context: Context, tick: Tick) -> Trace:
        x = observation.start()
        for sweep in range(self.sweeps):
            trace = run(model, posterior, evidence_of(model, x, context))
            tick()
            if sweep + 1 < self.sweeps:
                x = observation.sample(law_of(trace))
        return trace


@dataclass(frozen=True, kw_only=True)
class Metropolis(Chain):
    """Metropolis within Gibbs: as `Gibbs`, with the posterior of the model alone as a proposal."""

    name: ClassVar[str] = "metropolis"
    proposes: ClassVar[bool] = False

    def passes(self, draws: int) -> int:
        return draws * (2 * self.sweeps + 2)

    def _chain(self, model: Model, observation: Observation, context: Context, tick: Tick) -> Trace:
        trace = run(model, posterior, evidence_of(model, observation.start(), context))
        values, x = _latents(trace), observation.sample(law_of(trace))
        tick()
        for _ in range(self.sweeps):
            evidence = evidence_of(model, x, context)
            new, old = (run(model, draw, evidence) for draw in (posterior, given(values)))
            taken = torch.rand_like(x.flatten(1)[:, 0]).log() < new.log_weight() - old.log_weight()
            values = {key: _rows(taken, value, values[key]) for key, value in _latents(new).items()}
            x = _rows(taken, observation.sample(law_of(new)), observation.sample(law_of(old)))
            tick()
            tick()
        tick()
        return run(model, given(values), evidence)


def _latents(trace: Trace) -> dict[Pin, Tensor]:
    return {pin(record.key): record.value for record in trace.latents}


def _rows(mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """a (B, ...) in the rows of a mask (B,), b elsewhere."""
    return torch.where(mask.view(-1, *[1] * (a.ndim - 1)), a, b)


def evidence_of(model: Model, x: Tensor, context: Context) -> Evidence:
    """What a model sees of a guess, brought into the range of its data."""
    return model.evidence(x if model.limits is None else x.clamp(*model.limits), context)


@dataclass(frozen=True, kw_only=True)
class Partial(Way):
    """Inference that reads what is seen, as it is: one pass, and a draw for each walk.

    For models whose inference has learnt to read partly seen data (objective.kind matching); of others it is the
    amortised first guess.
    """

    name: ClassVar[str] = "partial"
    proposes: ClassVar[bool] = True

    def passes(self, draws: int) -> int:
        return draws

    def walks(
        self, model: Model, observation: Observation, context: Context, draws: int, tick: Tick = lambda: None
    ) -> Iterator[Trace]:
        evidence = evidence_of(model, observation.start(), context)
        for _ in range(draws):
            yield run(model, posterior, evidence)
            tick()


@dataclass(frozen=True, kw_only=True)
class Refine(Way):
    """Gradient steps from the amortised posterior, `rate` of a posterior's scale at first and 0 at the end.

    The first guess is read by inference after `settle` sweeps of most probable values.  `change` is what becomes of the
    draw of each walk at the end, by its number: for tiles, the noise that they share.  Raises HvaeError for numbers
    below 0, and for a rate that is no number.
    """

    name: ClassVar[str] = "refine"
    proposes: ClassVar[bool] = True
    steps: int = 50
    rate: float = 0.2
    settle: int = 3
    change: Change = plain

    def __post_init__(self) -> None:
        whole("steps", self.steps)
        whole("settle", self.settle)
        if not 0 <= self.rate < math.inf:
            raise HvaeError(f"rate: expected a number of at least 0, in scales of a posterior, got {self.rate}")

    def passes(self, draws: int) -> int:
        return self.settle + self.steps + draws

    def walks(
        self, model: Model, observation: Observation, context: Context, draws: int, tick: Tick = lambda: None
    ) -> Iterator[Trace]:
        evidence = self._settled(model, observation, context, tick)

        def bound(trace: Trace) -> Tensor:
            return observation.nats(law_of(trace)) - torch.stack(list(trace.rates().values())).sum(0)

        draw = refined(model, evidence, bound, self._rates(), tick)
        for k in range(draws):
            yield run(model, self.change(draw, k), evidence)
            tick()

    def _settled(self, model: Model, observation: Observation, context: Context, tick: Tick) -> Evidence:
        x = observation.start()
        for _ in range(self.settle):
            x = observation.mean(law_of(run(model, mode, evidence_of(model, x, context))))
            tick()
        return evidence_of(model, x, context)

    def _rates(self) -> list[float]:
        """A half wave of a cosine."""
        return [self.rate * (1 + math.cos(math.pi * i / self.steps)) / 2 for i in range(self.steps)]


def log_weight(trace: Trace, observation: Observation) -> Tensor:
    """log p(seen | z) + log p(z) - log q(z), (B,): the mean of its exp is p(seen) where the way `proposes`."""
    return observation.nats(law_of(trace)) + _sum([record.log_weight() for record in trace.latents])


def log_joint(trace: Trace, observation: Observation) -> Tensor:
    """log p(seen, z), (B,)."""
    return observation.nats(law_of(trace)) + _sum([record.log_likelihood() for record in trace.latents])


def _sum(parts: list[Tensor]) -> Tensor:
    return torch.stack(parts).sum(0)
