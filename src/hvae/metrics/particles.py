"""A bound for models in time that looks at the weights on the way: FIVO, the logarithm of a particle filter.

Shapes: `B` data; `K` particles for each.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.walk import Evidence, Model, Stepwise, run_step


def filtered(model: Model, evidence: Evidence, particles: int, *, threshold: float = 0.5) -> Tensor:
    r"""FIVO-K in nats per datum, (B,): a lower bound on log p(x) in expectation.

    $$\hat p(x) = \prod_{r} \frac1K \sum_k \prod_{t \in r} w_t^k, \qquad
      w_t^k = \frac{p(z_t^k \mid \cdot)\, p(x_t \mid \cdot)}{q(z_t^k \mid \cdot)}$$

    where the stretches r between two resamplings end as soon as the effective number of particles,
    $(\sum_k w^k)^2 / \sum_k (w^k)^2$, falls below `threshold` times K; then K particles are drawn anew in proportion to
    their weights, and go on with weight 1.  p^ is unbiased, so its logarithm is a bound; without resampling
    (`threshold` 0) it is the importance-weighted bound of whole sequences.  Maddison et al. 2017, arXiv 1705.09279,
    alg. 1 and sec. 4.

    Arguments: `evidence` of B data, not yet repeated.  Raises HvaeError for a model that cannot be walked step by step,
    and for fewer than one particle.
    """
    if not isinstance(model, Stepwise):
        raise HvaeError(
            f"{type(model).__name__} draws latents of many steps at once: a particle filter needs a model that goes "
            "step by step (vrnn, srnn, dmm); use the importance-weighted bound"
        )
    if particles < 1 or evidence.x is None:
        raise HvaeError(f"expected data and at least 1 particle for each, got {particles} and {len(evidence)} rows")
    rows = evidence.repeat(particles)
    state = model.before(rows)
    log_w = state.new_zeros(len(evidence), particles)
    total = log_w[:, 0]
    for t in range(rows.data.shape[1]):
        trace, state = run_step(model, posterior, rows, state, t)
        log_w = log_w + trace.log_weight().view_as(log_w)
        few = _effective(log_w) < threshold * particles
        total = total + torch.where(few, _log_mean(log_w), 0.0)
        state = state[_ancestors(log_w, few)]
        log_w = torch.where(few[:, None], 0.0, log_w)
    return total + _log_mean(log_w)


def _effective(log_w: Tensor) -> Tensor:
    """The effective number of particles, (B, K) -> (B,)."""
    return 1 / log_w.softmax(1).square().sum(1)


def _log_mean(log_w: Tensor) -> Tensor:
    return log_w.logsumexp(1) - math.log(log_w.shape[1])


def _ancestors(log_w: Tensor, few: Tensor) -> Tensor:
    """Of which row each particle goes on, (B K,): itself where there are enough, else one by its weight."""
    n, k = log_w.shape
    if not few.any():
        return torch.arange(n * k, device=log_w.device)
    own = torch.arange(k, device=log_w.device).expand(n, k)
    drawn = torch.multinomial(log_w.softmax(1), k, replacement=True)
    first = k * torch.arange(n, device=log_w.device)[:, None]
    return (first + torch.where(few[:, None], drawn, own)).flatten()
