r"""Particles: a walk in time whose rows are exchanged on the way, in proportion to the weights that they have gathered.

$$\hat p(x) = \prod_{r} \frac1K \sum_k \prod_{t \in r} w_t^k, \qquad
  w_t^k = \frac{p(z_t^k \mid \cdot)\, p(x_t \mid \cdot)}{q(z_t^k \mid \cdot)}$$

The stretches r between two resamplings end as soon as the effective number of particles,
$(\sum_k w^k)^2 / \sum_k (w^k)^2$, falls below a share of K; then K particles are drawn anew in proportion to their
weights, and go on with weight 1.  p^ is unbiased, so that its logarithm is a lower bound on log p(x) in expectation
(FIVO); without resampling it is the importance-weighted bound of whole sequences.  Maddison et al. 2017,
arXiv 1705.09279, alg. 1 and sec. 4.

The gradient goes through weights and states, and not through the choice of ancestors: its score is left out, as the
authors do in training, for its variance outweighs the bias (sec. 4.2 there).

Shapes: `B` data; `K` particles for each; row b K + k of a walk is particle k of datum b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.draw import Draw
from hvae.errors import HvaeError
from hvae.evidence import Evidence
from hvae.trace import Trace
from hvae.walk import Model, Stepwise, run_step


class Filtration(Trace):
    """What a particle filter leaves behind: each step's records are of the rows as they stood then."""

    def __init__(self, log_evidence: Tensor, resampled: Tensor) -> None:
        super().__init__()
        self.log_evidence, self.resampled = log_evidence, resampled


@dataclass(frozen=True)
class ParticleFilter:
    """A loop over a model in time, as `run` is one: K rows a datum, exchanged where few of them carry the weight.

    Arguments: `particles`, K; `threshold`, the share of K below which the effective number ends a stretch (0: never).
    A call takes the evidence of B data, repeated K times, and gives a trace with `log_evidence`, the logarithm of p^ in
    nats, and `resampled`, how often, each (B,).  Raises HvaeError for a model that cannot be walked step by step, for
    evidence without data, and for rows that are no multiple of K.
    """

    particles: int
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.particles < 1 or not 0 <= self.threshold <= 1:
            raise HvaeError(
                f"expected at least 1 particle and a threshold in [0, 1], got {self.particles} and {self.threshold}"
            )

    def __call__(self, model: Model, draw: Draw, rows: Evidence) -> Filtration:
        if not isinstance(model, Stepwise):
            raise HvaeError(
                f"{type(model).__name__} draws latents of many steps at once: a particle filter needs a model that "
                "goes step by step (vrnn, srnn, dmm); use the importance-weighted bound"
            )
        if rows.x is None or rows.n % self.particles:
            what = "no data" if rows.x is None else f"{rows.n} rows"
            raise HvaeError(f"expected evidence of data, each repeated {self.particles} times, got {what}")
        state = model.before(rows)
        log_w = state.new_zeros(rows.n // self.particles, self.particles)
        walk = Filtration(log_w[:, 0], log_w[:, 0])
        for t in range(rows.data.shape[1]):
            trace, state = run_step(model, draw, rows, state, t)
            walk.records |= trace.records
            log_w = log_w + trace.log_weight().view_as(log_w)
            if self.threshold:
                state, log_w = self._thinned(walk, state, log_w)
        walk.log_evidence = walk.log_evidence + _log_mean(log_w)
        return walk

    def _thinned(self, walk: Filtration, state: Tensor, log_w: Tensor) -> tuple[Tensor, Tensor]:
        """State and weights after a step, where few particles carry the weight those of their ancestors."""
        few = _effective(log_w) < self.threshold * self.particles  # (B,)
        walk.log_evidence = walk.log_evidence + torch.where(few, _log_mean(log_w), 0.0)
        walk.resampled = walk.resampled + few
        return state[_ancestors(log_w, few)], torch.where(few[:, None], 0.0, log_w)


def _effective(log_w: Tensor) -> Tensor:
    """The effective number of particles, (B, K) -> (B,)."""
    return 1 / log_w.softmax(1).square().sum(1)


def _log_mean(log_w: Tensor) -> Tensor:
    return log_w.logsumexp(1) - math.log(log_w.shape[1])


def _ancestors(log_w: Tensor, few: Tensor) -> Tensor:
    """Of which row each particle goes on, (B K,): itself where there are enough, else one by its weight.

    By the inverse of the distribution function, which gives some row where weights are no numbers: the loss is none
    either then, and training drops the step.
    """
    n, k = log_w.shape
    below = log_w.detach().softmax(1).cumsum(1)
    ancestors = torch.searchsorted(below, below[:, -1:] * torch.rand_like(below), right=True).clamp(max=k - 1)
    own = torch.arange(k, device=log_w.device).expand(n, k)
    first = k * torch.arange(n, device=log_w.device)[:, None]
    return (first + torch.where(few[:, None], ancestors, own)).flatten()
