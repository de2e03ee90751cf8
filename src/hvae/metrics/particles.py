"""A bound for models in time that looks at the weights on the way: FIVO, the logarithm of a particle filter.

Shapes: `B` data of one batch; `N` data in all; `K` particles for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.datum import Datum, as_datum
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, double, seen, silent
from hvae.metrics.likelihood import Averages, averages
from hvae.metrics.results import Estimate, Plain, estimate
from hvae.particles import ParticleFilter
from hvae.seeds import noise_seed, reseed
from hvae.walk import Evidence, Model, still


def filtered(model: Model, evidence: Evidence, particles: int, *, threshold: float = 0.5) -> Tensor:
    """FIVO-K in nats per datum, (B,): a lower bound on log p(x) in expectation.  Maddison et al., arXiv 1705.09279.

    Arguments: `evidence` of B data, not yet repeated; `particles`, K; `threshold`, as in `hvae.particles`.  Raises
    HvaeError for a model that cannot be walked step by step, and for fewer than one particle.
    """
    loop = ParticleFilter(particles, threshold)
    return loop(model, posterior, evidence.repeat(particles)).log_evidence


@dataclass(frozen=True, kw_only=True)
class FilterResult(Plain):
    """The bound of a particle filter on N sequences, in nats."""

    data: int
    """Number of sequences N."""
    particles: int
    """Particles K for each."""
    threshold: float
    """The share of K below which the effective number of particles has them drawn anew."""
    seed: int
    negative_fivo_nats: Estimate
    """-FIVO-K per sequence: an upper bound on -log p(x) in expectation."""
    steps: Averages
    """The same for each step."""
    resampled: float
    """Share of the steps after which the particles of a sequence were drawn anew."""


def filter_bounds(
    model: Model,
    batches: Iterable[Tensor | Datum],
    particles: int,
    *,
    threshold: float = 0.5,
    chunk_rows: int = 1024,
    seed: int = 0,
    progress: Progress = silent,
) -> FilterResult:
    """-FIVO-K of a model over batches of sequences, by both averages over steps.

    Arguments: `batches`, tensors (B, T, ...) or data with lengths; `particles`, K; `threshold`, as in `hvae.particles`;
    `chunk_rows`, sequences times particles walked at once, at most (never fewer than one sequence); `seed` of the
    draws; `progress`, in batches.  Raises HvaeError as `filtered` does, and when there are no data.

    >>> from hvae import build
    >>> from hvae.config.sequences import VRNNConfig
    >>> model = build(VRNNConfig(latent=2, state=4, width=4), shape=(5, 3), bits=1)
    >>> filter_bounds(model, [Datum(torch.zeros(2, 5, 3), lengths=torch.tensor([5, 3]))], 4).data
    2
    """
    loop, meter = ParticleFilter(particles, threshold), Meter(progress, batches, 1)
    parts: list[Tensor] = []
    with still(model, seed):
        for number, batch in enumerate(batches):
            reseed(noise_seed(seed, number))
            for evidence in seen(model, as_datum(batch).split(max(1, chunk_rows // particles))):
                walk = loop(model, posterior, evidence.repeat(particles))
                columns = (-walk.log_evidence, walk.resampled, evidence.datum.counts)
                parts.append(torch.stack([double(column) for column in columns]))
            meter.add(1)
    if not parts:
        raise HvaeError("expected sequences to measure the model on, got no batch; check the data set and its limit")
    nats, resampled, steps = torch.cat(parts, 1)  # (N,) each
    return FilterResult(
        data=len(nats),
        particles=particles,
        threshold=threshold,
        seed=seed,
        negative_fivo_nats=estimate(nats),
        steps=averages(nats, steps),
        resampled=float(resampled.sum() / steps.sum()),
    )
