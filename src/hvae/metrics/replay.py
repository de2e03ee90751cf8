"""log q of the latents of each datum under the inference of every other: the walks behind mutual information.

The values of a datum are replayed on the walk of another one, and each q along it scores them.

Shapes: `B` data of one batch; `J` variables (a level, or a step of one) in the order of q.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from hvae.distributions import sum_rest
from hvae.draw import Draw, Drawn, posterior
from hvae.metrics.evaluating import Meter, double
from hvae.site import Key, Site
from hvae.walk import Evidence, Model, Trace, run


@dataclass(frozen=True, eq=False)
class PairScores:
    """Log-densities of the latents of each datum, variable by variable in the order of q, (B, J), float64."""

    own: Tensor
    """log q(z_j given x, u_j)."""
    prior: Tensor
    """log p(z_j given ...)."""
    rate: Tensor
    held: Tensor
    """log sum over x' != x of q(z_j given x', u_j)."""
    joint: Tensor
    """log sum over x' != x of q(z_1 .. z_j given x')."""
    others: Tensor
    """Number of other data x' in the batch, (B, 1)."""

    @staticmethod
    def joined(parts: list[PairScores]) -> PairScores:
        return PairScores(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(PairScores)})


def pair_scores(model: Model, trace: Trace, evidence: Evidence, chunk_rows: int, meter: Meter) -> PairScores:
    """The scores of a batch, from B^2 walks, `chunk_rows` of them at once."""
    keys, size = inference_order(trace), len(evidence)
    records = [trace.records[key] for key in keys]
    pairs = _pairs(model, trace, evidence, keys, chunk_rows, meter)  # (B, B, J)
    itself = torch.eye(size, dtype=torch.bool)[:, :, None]
    return PairScores(
        own=pairs.diagonal().T,
        prior=torch.stack([double(record.log_prob()) for record in records], 1),
        rate=torch.stack([double(record.rate()) for record in records], 1),
        held=pairs.masked_fill(itself, -math.inf).logsumexp(0),
        joint=pairs.cumsum(2).masked_fill(itself, -math.inf).logsumexp(0),
        others=torch.full((size, 1), float(size - 1), dtype=torch.float64),
    )


def inference_order(trace: Trace) -> list[Key]:
    """The latents in the order of q; those without a q last."""
    latent = {record.key for record in trace.latents}
    inferred = [key for key, side in trace.visits if side == "q" and key in latent]
    return list(dict.fromkeys([*inferred, *(record.key for record in trace.latents)]))


def _pairs(model: Model, trace: Trace, evidence: Evidence, keys: list[Key], chunk_rows: int, meter: Meter) -> Tensor:
    """log q of each datum's values (second axis), replayed on the walk of each datum (first axis), (B, B, J)."""
    size, parts = len(evidence), []
    latents = {record.key: record.value for record in trace.latents}
    for some in torch.arange(size, device=evidence.data.device).split(max(1, chunk_rows // size)):
        values = {key: v[some].repeat(size, *[1] * (v.ndim - 1)) for key, v in latents.items()}
        replay = _Replay(values, {key for key, side in trace.visits if side == "q"})
        with suppress(_Enough):
            run(model, replay, evidence.repeat(len(some)))
        scores = torch.stack([replay.scores[key] for key in keys], 1)  # (B some, J)
        parts.append(scores.view(size, len(some), len(keys)))
        meter.add(len(some))
    return torch.cat(parts, 1)


class _Enough(Exception):
    """All latents are scored: ends the walk before the decoder of the data runs."""


class _Replay(Draw):
    """Replays the values of latents and notes log q of each (log p, where there is no q), (rows,); ends the walk."""

    def __init__(self, values: Mapping[Key, Tensor], inferred: Set[Key]) -> None:
        self.values, self.inferred = values, inferred
        self.scores: dict[Key, Tensor] = {}

    def __call__(self, site: Site) -> Drawn:
        if site.key not in self.values:
            return posterior(site)
        value, law = self.values[site.key], site.q if site.key in self.inferred else site.p
        if law is not None and site.key not in self.scores:
            self.scores[site.key] = double(sum_rest(law.log_prob(value)))
            if len(self.scores) == len(self.values):
                raise _Enough
        return Drawn(value, site.q or site.proposal)
