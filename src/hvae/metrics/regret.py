r"""Likelihood regret: how much better a datum would be explained by a posterior of its own.

Shapes: `B` data of one batch; `...` a latent's own shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.distributions import LocationScale
from hvae.draw import Draw, Drawn, posterior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, seen, silent
from hvae.seeds import noise_seed
from hvae.site import Key, Site
from hvae.walk import Evidence, Model, run, still


@dataclass(frozen=True, eq=False)
class Nudged(Draw):
    """The posterior with the mean and log-scale of each q moved by numbers of each datum's own, zero at first."""

    moves: dict[Key, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __call__(self, site: Site) -> Drawn:
        if site.value is not None or site.q is None:
            return posterior(site)
        if not isinstance(site.q, LocationScale):
            raise HvaeError(
                f"expected Gaussian posteriors to improve upon, got {type(site.q).__name__} at {site.name}; "
                "leave the likelihood regret out"
            )
        if site.key not in self.moves:
            self.moves[site.key] = (_zeros(site.q.loc), _zeros(site.q.loc))
        shift, spread = self.moves[site.key]
        q = site.q.at(site.q.loc + shift * site.q.scale, site.q.scale * spread.exp())
        return Drawn(q.sample(), q)


def _zeros(like: Tensor) -> Tensor:
    return torch.zeros_like(like, requires_grad=True)


def improvable(model: Model, x: Tensor | Datum) -> None:
    """Raises HvaeError unless every posterior is Gaussian, which a regret needs; one walk of `x` (B, ...)."""
    with still(model, seed=0):
        for evidence in seen(model, [x]):
            run(model, Nudged(), evidence)


def regret(
    model: Model,
    batches: Iterable[Tensor | Datum],
    *,
    steps: int = 100,
    rate: float = 0.05,
    samples: int = 8,
    seed: int = 0,
    progress: Progress = silent,
) -> Tensor:
    r"""Likelihood regret of each datum in nats, (N,); high is out-of-distribution.

    $$\max_{\psi} \mathrm{ELBO}(x; \theta, \psi) - \mathrm{ELBO}(x; \theta, \phi)$$

    Xiao, Yan and Amit 2020, arXiv 2003.02977.  psi are here the means and scales of every q of the datum
    itself rather than all weights of the encoder, which gives each datum its own in one batch; Adam takes `steps` of
    `rate` (in posterior standard deviations).  Both ELBOs are means over `samples` draws, the same random numbers for
    both.  It costs `steps` gradients a datum: a hundred times what any other score costs.

    Raises HvaeError for posteriors that are not Gaussian.
    """
    meter, found = Meter(progress, batches, steps), []
    with still(model, seed):
        for number, evidence in enumerate(seen(model, batches)):
            draw = _improved(model, evidence, steps, rate, meter)
            before, after = (_elbo(model, d, evidence, samples, seed, number) for d in (posterior, draw))
            found.append(after - before)
    return torch.cat(found)


def _improved(model: Model, evidence: Evidence, steps: int, rate: float, meter: Meter) -> Nudged:
    draw = Nudged()
    run(model, draw, evidence)
    moves = [move for pair in draw.moves.values() for move in pair]
    optimiser = torch.optim.Adam(moves, lr=rate)
    for _ in range(steps):
        with torch.enable_grad():
            gradients = torch.autograd.grad(-run(model, draw, evidence).elbo().sum(), moves)
        for move, gradient in zip(moves, gradients, strict=True):
            move.grad = gradient
        optimiser.step()
        meter.add(1)
    return draw


def _elbo(model: Model, draw: Draw, evidence: Evidence, samples: int, seed: int, number: int) -> Tensor:
    torch.manual_seed(noise_seed(seed, number))
    elbos = [run(model, draw, evidence).elbo().double().cpu() for _ in range(samples)]
    return torch.stack(elbos).mean(0)  # (B,)
