"""Noise as a pure function of (seed, step, shard): what makes resuming and data parallelism exact.

No generator state is ever saved.  Before each micro-batch torch's generators are set anew from numbers that a resumed
run, or a run with other processes, knows as well.
"""

from __future__ import annotations

import torch

from hvae.seeds import mixed_seed, reseed

# Streams of one seed that must never coincide; the data order has 1, 2 and 5.
_POSTERIOR, _VALID = 3, 4


def seed_posterior(seed: int, step: int, shard: int) -> None:
    """Set torch's global generators for the draws of one micro-batch."""
    reseed(mixed_seed(_POSTERIOR, seed, step, shard))


def seed_valid(seed: int, batch: int) -> torch.Generator:
    """Set the global generators for one batch of a validation, and return one for draws inside the data.

    The step does not enter: with common random numbers two validations differ by their weights alone.
    """
    reseed(mixed_seed(_VALID, seed, batch))
    return torch.Generator().manual_seed(mixed_seed(_VALID, seed, batch, 1))
