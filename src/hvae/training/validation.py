"""The validation of a run, shared by its processes."""

from __future__ import annotations

import torch

from hvae.config.train import TrainConfig
from hvae.data.sources import Batches
from hvae.training.learner import Learner
from hvae.training.loss import score
from hvae.training.rows import Row


def validate(learner: Learner, valid: Batches | None, config: TrainConfig) -> Row:
    """Mean scores of the averaged weights on `train.valid_size` of the validation data, in nats a datum.

    {"valid/elbo": nats, "valid/log_likelihood": nats, "valid/rate/z1": nats, ...}; empty without validation data.
    """
    if valid is None or not len(valid):
        return {}
    fabric, count = learner.fabric, min(len(valid), config.valid_size or len(valid))
    parts = fabric.world_size
    with fabric.autocast():
        sums = score(
            learner.average.model,
            valid,
            seed=config.seed,
            size=config.batch,
            count=count,
            part=fabric.global_rank,
            parts=parts,
        )
    totals = learner.over_processes(torch.tensor(list(sums.values()), device=fabric.device)) * parts
    return {f"valid/{name}": total / count for name, total in zip(sums, totals.tolist(), strict=True)}
