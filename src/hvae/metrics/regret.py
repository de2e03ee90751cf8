r"""Likelihood regret: how much better a datum would be explained by a posterior of its own.

Shapes: `B` data of one batch; `...` a latent's own shape.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from hvae import refine
from hvae.datum import Datum
from hvae.draw import Draw, posterior
from hvae.metrics.evaluating import Meter, Progress, seen, silent
from hvae.seeds import noise_seed, reseed
from hvae.trace import Trace
from hvae.walk import Evidence, Model, run, still


def improvable(model: Model, x: Tensor | Datum) -> None:
    """Raises HvaeError unless every posterior can be moved, which a regret needs; one walk of `x` (B, ...)."""
    with still(model, seed=0):
        for evidence in seen(model, [x]):
            refine.improvable(model, evidence)


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

    Raises HvaeError for posteriors without a location and a scale.
    """
    meter, regrets = Meter(progress, batches, steps), []
    with still(model, seed):
        for number, evidence in enumerate(seen(model, batches)):
            draw = refine.refined(model, evidence, Trace.elbo, [rate] * steps, lambda: meter.add(1))
            before, after = (_elbo(model, d, evidence, samples, seed, number) for d in (posterior, draw))
            regrets.append(after - before)
    return torch.cat(regrets)


def _elbo(model: Model, draw: Draw, evidence: Evidence, samples: int, seed: int, number: int) -> Tensor:
    reseed(noise_seed(seed, number))
    elbos = [run(model, draw, evidence).elbo().double().cpu() for _ in range(samples)]
    return torch.stack(elbos).mean(0)  # (B,)
