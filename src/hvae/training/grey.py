"""Grey values before a likelihood of bits: they train, and what they give is no likelihood."""

from __future__ import annotations

import warnings

import torch

from hvae.data.sources import Batches
from hvae.datum import as_datum
from hvae.distributions import Bernoulli
from hvae.draw import posterior
from hvae.errors import HvaeWarning
from hvae.walk import Model, device_of, run, still

FEW = 64
"""Data that are looked at."""


def warn_of_grey(model: Model, data: Batches) -> None:
    """Warn (HvaeWarning) where a model whose data are 0 or 1 is about to be trained on values between them.

    The Bernoulli's x log p + (1 - x) log(1 - p) is a log-probability for 0 and 1 alone.
    """
    some = as_datum(data.batch(torch.arange(min(FEW, len(data))), torch.Generator().manual_seed(0)))
    values = some.x if some.observed is None else some.x[some.observed]
    grey = values[(values > 0) & (values < 1)]
    # What lies outside of [0, 1] is another matter, which the limits of a model refuse.
    if not len(grey) or len(values[(values < 0) | (values > 1)]):
        return
    with still(model, seed=0):
        trace = run(model, posterior, model.evidence(some[:1].to(device_of(model))))
    if any(isinstance(record.law, Bernoulli) for record in trace.observed):
        warnings.warn(
            f"the model's data are 0 or 1 (Bernoulli), and these lie between, such as {float(grey[0]):.3g}: bounds on "
            "them are no likelihoods; give x > 0.5 or torch.bernoulli(x), or choose a likelihood of grey values",
            HvaeWarning,
            stacklevel=3,
        )
