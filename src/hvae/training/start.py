"""The start of a run: a model that starts from data is shown some, before anything is made of its weights.

Shapes: `B` data of one micro-batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hvae.data.order import StepSampler
from hvae.data.sequences.split import SequenceSplit
from hvae.datum import as_datum
from hvae.errors import HvaeError
from hvae.training.job import Job
from hvae.training.learning_rate import by_length, learning_rate
from hvae.training.parts import begin_from
from hvae.training.seeds import seed_posterior

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def step_sampler(fabric: Fabric, job: Job) -> StepSampler:
    """Which data each step of a run takes in this process."""
    config, order = job.config, job.split.order if isinstance(job.split, SequenceSplit) else None
    return StepSampler(
        n=len(job.split),
        batch=config.batch,
        seed=config.seed,
        steps=config.steps,
        rank=fabric.global_rank,
        world=fabric.world_size,
        accumulate=config.accumulate,
        order=order,
    )


def rate(job: Job, sampler: StepSampler) -> Callable[[int], float]:
    """The learning rate of each step.  Raises HvaeError where it should follow the lengths of what has none."""
    config, split = job.config, job.split
    if not config.lr_length:
        return partial(learning_rate, config)
    if not isinstance(split, SequenceSplit):
        raise HvaeError("train.lr_length speaks of the steps of sequences, and these data are none; leave it out")
    every = split.lengths

    def follows(step: int) -> float:
        return learning_rate(config, step) * by_length(config.lr_length, every[sampler.whole(step)], every)

    return follows


def prepare(fabric: Fabric, job: Job, sampler: StepSampler) -> str:
    """Show the model the first micro-batch of the first step, (B, ...), in training mode; what is said of its start.

    Weights of another run (`train.init`) take the place of what the model has made of these data.

    Every process shows the same one, the first process's, with the same noise, so that all start with one model; and
    since it is a micro-batch, it fits wherever a step does.
    """
    micro = replace(sampler, rank=0, start_step=0).micro(0)
    datum = as_datum(job.split.batch(micro.indices, micro.generator())).to(fabric.device)
    fabric.to_device(job.model).train()
    seed_posterior(job.config.seed, micro.step, micro.shard)
    job.model.prepare(datum)
    return begin_from(job.model, job.config.init) if job.config.init else ""
