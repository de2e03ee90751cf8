"""The bound of a particle filter as a loss.

Shapes: `B` data in the batch; `K` particles for each; row b K + k of the trace is particle k of datum b.
"""

from __future__ import annotations

import torch

from hvae.errors import HvaeError
from hvae.objectives.elbo import spent
from hvae.objectives.loss import Loss, Objective
from hvae.objectives.regulariser import AS_IS, Regulariser
from hvae.particles import Filtration, ParticleFilter
from hvae.walk import Trace


class FIVO(Objective):
    r"""The negative logarithm of a particle filter's estimate of p(x), a bound whose gap grows with T and not with e^T.

    $$-E\Big[\log \prod_r \frac1K \sum_{k=1}^K \prod_{t \in r} w_t^k\Big]$$

    Maddison et al. 2017, arXiv 1705.09279; the stretches r, `threshold` and what the gradient leaves out:
    `hvae.particles`.  A filter proposes each step by q and has no closed-form KL and no rate filters, as IWAE.  The
    trace must come from `loop` on `evidence.repeat(samples)`; the term "resampled" is how often a sequence had its
    particles drawn anew.  Raises HvaeError for a trace of another loop.

    >>> FIVO(8).loop
    ParticleFilter(particles=8, threshold=0.5)
    """

    def __init__(self, samples: int, *, threshold: float = 0.5, regulariser: Regulariser | None = None) -> None:
        self.samples, self.regulariser = samples, regulariser or AS_IS
        self.loop = ParticleFilter(samples, threshold)

    def __call__(self, trace: Trace, step: int) -> Loss:
        if not isinstance(trace, Filtration):
            raise HvaeError("expected the trace of a particle filter, got one of run; walk the model by objective.loop")
        bound, penalty, resampled = trace.log_evidence.mean(), trace.penalty().mean(), trace.resampled.mean()
        with torch.no_grad():
            watched = spent(trace.nats(), trace.log_likelihood().mean())
        terms = {"loss": penalty - bound, "fivo": bound, "penalty": penalty, "resampled": resampled, **watched}
        return Loss(penalty - bound, {name: term.detach() for name, term in terms.items()})
