"""Two models that are trained on the same data with the same random numbers."""

from __future__ import annotations

import torch

from hvae.datum import Datum
from hvae.objectives import ELBO
from hvae.training.loss import Batch, LossStep
from hvae.walk import Model


def check_trained_alike(model: Model, other: Model, datum: Datum) -> None:
    """A few steps of each leave the same weights, of those that both have."""
    for one in (model, other):
        step, moments = LossStep(one, ELBO()), torch.optim.Adam(one.parameters(), 1e-2)
        torch.manual_seed(5)
        for number in range(4):
            moments.zero_grad()
            step(Batch(datum), number)[0].backward()
            moments.step()
    shared = model.state_dict()
    for at, weight in other.state_dict().items():
        assert torch.equal(weight, shared[at]), at
