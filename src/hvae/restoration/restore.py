r"""Samples from p(x | what is seen), their mean and spread, the best of them; and how probable the rest was.

Shapes: `B` pictures; `K` draws; `...` a datum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.counts import whole
from hvae.draw import posterior
from hvae.errors import entries
from hvae.restoration.observation import Observation, Seen
from hvae.restoration.ways import Tick, Way, law_of, log_joint, log_weight
from hvae.trace import Trace
from hvae.walk import Model, run, still


@dataclass(frozen=True, eq=False, kw_only=True)
class Restored:
    """Draws (B, K, ...), and `joint` (B, K): log p(seen, z) of the latents that each came from, in nats."""

    draws: Tensor
    joint: Tensor

    @property
    def mean(self) -> Tensor:
        """Of the draws, (B, ...): the estimate of least squared error."""
        return self.draws.mean(1)

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of the draws, (B, ...); zeros for one draw."""
        return self.draws.std(1, unbiased=False)

    @property
    def best(self) -> Tensor:
        """The draw of the highest log p(seen, z), (B, ...)."""
        return self.draws[torch.arange(len(self.draws)), self.joint.argmax(1)]


def restore(
    model: Model,
    observation: Observation,
    way: Way,
    *,
    draws: int = 8,
    context: Context | None = None,
    pixels: bool = False,
    seed: int | None = None,
    tick: Tick = lambda: None,
) -> Restored:
    """So many draws from p(x | seen) for each picture, all at once.

    The latents are drawn; what is not seen is the mean of its likelihood given them, or with `pixels` drawn as well.
    What the observation knows exactly agrees exactly.  Raises HvaeError for a model that the way does not serve.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.restoration import Gibbs, Seen
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> x = torch.ones(3, 1, 4, 4)
    >>> restored = restore(model, Seen(x, torch.arange(4).expand(3, 1, 4, 4) < 2), Gibbs(sweeps=2), draws=5)
    >>> restored.draws.shape, bool((restored.draws[..., :2] == 1).all())
    (torch.Size([3, 5, 1, 4, 4]), True)
    """
    draws = whole("draws", draws, 1)
    with still(model, seed):
        pairs = [
            _one(trace, observation, pixels) for trace in way.walks(model, observation, entries(context), draws, tick)
        ]
    pictures, joint = (torch.stack(parts, 1) for parts in zip(*pairs, strict=True))
    limited = pictures if model.limits is None else pictures.clamp(*model.limits)
    return Restored(draws=limited, joint=joint)


def _one(trace: Trace, observation: Observation, pixels: bool) -> tuple[Tensor, Tensor]:
    law = law_of(trace)
    return observation.sample(law) if pixels else observation.mean(law), log_joint(trace, observation)


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldOut:
    r"""How probable the hidden values of complete pictures were, (B,) each, in nats.

    `values`        sum over hidden values of log 1/K sum_k p(x_i | z_k): each value on its own, a proper score of what
                    the draws say of it
    `predicted`     log 1/K sum_k p(hidden | z_k), the z_k as the way draws them: what its draws are worth together,
                    if K is large enough for one of them to come near
    `weighted`      log sum_k w_k p(hidden | z_k) - log sum_k w_k, w = p(seen | z) p(z) / q(z): the model's own answer
                    log p(seen, hidden) - log p(seen) as K grows, both by IW-K with the way's q for a proposal
    `difference`    the same, with log p(seen, hidden) by IW-K with q(z | seen, hidden), the model's posterior
    `seen`          log p(seen) by IW-K, a lower bound in expectation: the nearer the way's q, the higher

    None but `seen` is a bound of anything: differences of two bounds are estimates, whose bias falls with K.  The last
    three are NaN for a way that does not propose from a known q (Metropolis).
    """

    values: Tensor
    predicted: Tensor
    weighted: Tensor
    difference: Tensor
    seen: Tensor


def held_out(
    model: Model,
    x: Tensor,
    seen: Tensor,
    way: Way,
    *,
    draws: int = 50,
    context: Context | None = None,
    seed: int = 0,
    tick: Tick = lambda: None,
) -> HeldOut:
    """The hidden values of `x` (B, ...) where `seen` (B, ...) bool is false, given the others, by `draws` walks."""
    draws = whole("draws", draws, 1)
    part, rest, values = Seen(x, seen), Seen(x, ~seen), entries(context)
    with still(model, seed):
        walks = [_weights(trace, part, rest) for trace in way.walks(model, part, values, draws, tick)]
        weights, each = (torch.stack(parts).double() for parts in zip(*walks, strict=True))  # (K, B), (K, B, ...)
        evidence = model.evidence(x, values)
        complete = _mean([run(model, posterior, evidence).log_weight() for _ in range(draws)])
    if not way.proposes:
        weights = torch.full_like(weights, math.nan)
    below, hidden = weights.logsumexp(0) - math.log(draws), each.flatten(2).sum(2)
    return HeldOut(
        values=(each.logsumexp(0) - math.log(draws)).flatten(1).sum(1),
        predicted=hidden.logsumexp(0) - math.log(draws),
        weighted=(weights + hidden).logsumexp(0) - weights.logsumexp(0),
        difference=complete - below,
        seen=below,
    )


def _weights(trace: Trace, part: Seen, rest: Seen) -> tuple[Tensor, Tensor]:
    return log_weight(trace, part), rest.each(law_of(trace))


def _mean(logs: list[Tensor]) -> Tensor:
    """log of the mean of exp, (B,)."""
    return torch.stack(logs).double().logsumexp(0) - math.log(len(logs))
