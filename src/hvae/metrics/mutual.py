r"""What each level says about the data, corrected by the aggregate posterior: mutual information and marginal KL.

Let q(x, z) = q(x) q(z_1 given x, ...) with x from the data set, and u_l the latents that q draws before z_l (in a
top-down model the levels above, in a bottom-up model those below).  The rate of a level decomposes into

    E KL(q(z_l | x, u_l) || p(z_l | ...))  =  I_q(x; z_l | u_l)  +  E log q(z_l | u_l) / p(z_l | ...)
    rate                                      information           marginal KL

The information terms sum to I_q(x; z) over the levels, the marginal KLs to KL(q(z) || p(z)).  Where p(z_l | ...) is
p(z_l | u_l), which is every top-down model, the last term is itself a KL, E KL(q(z_l | u_l) || p(z_l | u_l)), and never
negative; in a bottom-up model p and q condition on different levels, and only the sum over levels is a KL.

Shapes: `B` data of one batch; `N` data in all; `J` variables (a level, or a step of one) in the order of q.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, levels_of, seen, silent
from hvae.metrics.replay import PairScores, inference_order, pair_scores
from hvae.metrics.results import Estimate, Plain, estimate
from hvae.walk import Model, Trace, run, still

CLOSE = 0.5
"""An information within this many nats of log N counts as saturated."""


@dataclass(frozen=True, kw_only=True)
class Information:
    """One mutual information, nats per datum, by four estimates of the aggregate posterior.

    Standard errors are over the data; they are slightly too small, since the data of a batch share their negatives.
    """

    stratified: Estimate
    """Minibatch-stratified: unbiased for q(z) over the N data, so the information is biased upwards (Jensen), by less
    the larger the batch: with 64 of 10,000 Gaussian data and 6.0 nats it shows 7.3.  One batch of all data is exact for
    these data.  It exceeds log N only by sampling noise."""
    weighted: Estimate
    """Minibatch-weighted: q(z) too small by a factor from B to N, so the information of all levels, and of the first
    one drawn, is too large by log B to log N nats: a collapsed level shows log N.  For comparison with other work."""
    at_least: Estimate
    """In-batch: in expectation below the information under the distribution that the data come from, and below log B.
    A bound for all levels together and the first one drawn; for the others a difference of bounds."""
    at_most: Estimate
    """Leave-one-out: in expectation above it (same scope), with a large variance when the information is large."""


@dataclass(frozen=True, kw_only=True)
class LevelInformation:
    """The rate of one level and its decomposition, nats per datum."""

    rate_nats: Estimate
    """KL(q || p): closed form where there is one."""
    information_nats: Information
    """I(x; z_l given the levels drawn before it)."""
    marginal_kl_nats: Estimate
    """rate - stratified information."""
    saturated: bool
    """The information of this level and those before it is saturated at log N; only the bounds `at_least` and `at_most`
    remain valid."""
    held_nats: Information
    """E log q(z_l given x, u) - log E_x' q(z_l given x', u), x' independent of u: the levels drawn before are replayed
    for other data.  An upper bound on the information (it adds a KL), which does not saturate because of the earlier
    levels."""


@dataclass(frozen=True, kw_only=True)
class MutualResult(Plain):
    """Mutual information of every level, top first."""

    data: int
    population: int
    """N, the size of the data set that the batches are sampled from."""
    batch: int
    """B, the smallest batch."""
    seed: int
    ceiling_nats: float
    """log N, an upper bound on the information about which of N data was encoded."""
    saturated: bool
    """The information of all levels together is saturated at log N."""
    levels: dict[str, LevelInformation]
    total: LevelInformation
    """All levels together, the sum of the levels: I(x; z) and KL(q(z) || p(z)); nothing is held."""


def mutual(
    model: Model,
    batches: Iterable[Tensor | Datum],
    *,
    population: int | None = None,
    chunk_rows: int = 4096,
    seed: int = 0,
    progress: Progress = silent,
) -> MutualResult:
    r"""Mutual information of each level with the data, and the KL of its aggregate posterior from the prior.

    $$I(x; z_l \mid u_l) = E\Big[\log\frac{q(z_l \mid x, u_l)}{q(z_l \mid u_l)}\Big], \qquad
      q(z_l \mid u_l) = \frac{\sum_{x'} q(z_l, u_l \mid x')}{\sum_{x'} q(u_l \mid x')}$$

    u_l being what q draws before z_l.  q(z_l, u_l given x') is the product of the conditionals of q along the walk of
    another datum x' on which the values of x are replayed.  The sums over the N data are estimated from the batch:

    $$\hat q(z) = \tfrac1N q(z \mid x) + \tfrac{N-1}{N (B-1)} \sum_{x' \ne x} q(z \mid x') \;\text{(stratified)}, \qquad
      \hat q(z) = \tfrac1{NB} \sum_{x'} q(z \mid x') \;\text{(weighted)}$$

    Chen, Li, Grosse and Duvenaud 2018, arXiv 1802.04942 (there for one level; the stratified weights are
    averaged over which datum takes the odd stratum).  The two bounds are those of Poole et al. 2019, arXiv
    1905.06922 (InfoNCE with the true conditional, and leave-one-out).  The decomposition is that of Hoffman
    and Johnson 2016, "ELBO surgery", applied along the chain rule.  Each batch costs B^2 walks, `chunk_rows` of them
    at once.

    Arguments: `batches`, tensors (B, *model.shape), in random order; `population`, N, where the data are a part of a
    larger set (none: they are all).  Raises HvaeError for a batch of fewer than 2 data (a single last datum is left
    out), and for a posterior that cannot score values of others (a flow without an inverse).

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VAEConfig(latent=2, widths=(8,)), shape=(1, 4, 4), bits=1)
    >>> result = mutual(model, torch.ones(6, 1, 4, 4).split(3))
    >>> abs(round(result.levels["z1"].information_nats.stratified.mean, 4)), round(result.ceiling_nats, 4)
    (0.0, 1.7918)
    """
    tables, trace, meter = [], Trace(), None
    with still(model, seed):
        for evidence in seen(model, batches):
            meter = meter or Meter(progress, batches, len(evidence))
            if len(evidence) > 1:
                trace = run(model, posterior, evidence)
                tables.append(pair_scores(model, trace, evidence, chunk_rows, meter))
    if not tables:
        raise HvaeError("expected batches of 2 data or more to tell what a level says of each, got 1; raise the batch")
    return _result(PairScores.joined(tables), trace, population or 0, seed)


def _result(scores: PairScores, trace: Trace, population: int, seed: int) -> MutualResult:
    n, order = max(population, len(scores.own)), [name for name, _ in inference_order(trace)]
    joint = _against(scores.own.cumsum(1), scores.joint, scores.others, n)
    # The chain rule: what z_1 .. z_j say, less what z_1 .. z_{j-1} say.
    chain = {how: torch.diff(i, dim=1, prepend=torch.zeros_like(i[:, :1])) for how, i in joint.items()}
    estimates = _against(scores.own, scores.held, scores.others, n)
    places = {name: [j for j, other in enumerate(order) if other == name] for name in levels_of(trace)}
    rates = {name: scores.rate[:, at].sum(1) for name, at in places.items()}  # (B,) each
    # What the draw of z adds to the closed form: zero on average, and known, so it can be taken off again.
    noises = {name: (scores.own - scores.prior)[:, at].sum(1) - rates[name] for name, at in places.items()}
    informations = {name: _summed(chain, at, noises[name]) for name, at in places.items()}
    alone = {name: _summed(estimates, at, noises[name]) for name, at in places.items()}
    is_saturated = (joint["stratified"].mean(0) > math.log(n) - CLOSE).tolist()  # (J,)
    levels = {
        name: _level(rates[name], informations[name], alone[name], is_saturated[at[-1]]) for name, at in places.items()
    }
    together = {how: sum((i[how] for i in informations.values()), torch.zeros(1)) for how in chain}
    total = _level(sum(rates.values(), torch.zeros(1)), together, together, is_saturated[-1])
    return MutualResult(
        data=len(scores.own),
        population=n,
        batch=int(scores.others.min()) + 1,
        seed=seed,
        ceiling_nats=math.log(n),
        saturated=total.saturated,
        levels=levels,
        total=total,
    )


def _against(own: Tensor, others: Tensor, count: Tensor, n: int) -> dict[str, Tensor]:
    """log q(z given x) - log q(z), (B, J), by each estimate of q(z): a weight of x itself and one of the others."""
    size = count + 1
    weights = {
        "stratified": (torch.full_like(size, 1 / n), (n - 1) / (n * count)),
        "weighted": (1 / (n * size), 1 / (n * size)),
        "at_least": (1 / size, 1 / size),
        "at_most": (torch.zeros_like(size), 1 / count),
    }
    return {how: own - torch.logaddexp(own + w.log(), others + v.log()) for how, (w, v) in weights.items()}


def _summed(parts: dict[str, Tensor], at: list[int], noise: Tensor) -> dict[str, Tensor]:
    return {how: _quieter(part[:, at].sum(1), noise) for how, part in parts.items()}


def _level(rate: Tensor, terms: dict[str, Tensor], alone: dict[str, Tensor], is_saturated: bool) -> LevelInformation:
    return LevelInformation(
        saturated=is_saturated,
        rate_nats=estimate(rate),
        information_nats=Information(**{how: estimate(i) for how, i in terms.items()}),
        marginal_kl_nats=estimate(rate - terms["stratified"]),
        held_nats=Information(**{how: estimate(i) for how, i in alone.items()}),
    )


def _quieter(values: Tensor, noise: Tensor) -> Tensor:
    """The values with a zero-mean noise as control variate, its coefficient fitted by least squares."""
    centred = noise - noise.mean()
    power = float(centred.square().sum())
    return values - float((values * centred).sum()) / power * noise if power > 0 else values
