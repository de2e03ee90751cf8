"""Fitting any model with any objective: the one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from hvae.config.train import TrainConfig
from hvae.data.sources import Source, as_batches
from hvae.errors import HvaeError, short
from hvae.objectives import Objective
from hvae.runs import TRAINING, Claim, claiming
from hvae.training.course import Course
from hvae.training.engine import engine, is_first
from hvae.training.grey import warn_of_grey
from hvae.training.job import FitResult, Job, OnEvaluate, OnStep
from hvae.training.parts import matching
from hvae.walk import Model

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from lightning.fabric.loggers import Logger


def fit(
    model: Model,
    objective: Objective,
    split: Source,
    config: TrainConfig,
    folder: str | Path,
    *,
    valid: Source | None = None,
    description: Mapping[str, object] | None = None,
    resume: bool = False,
    on_evaluate: OnEvaluate | None = None,
    on_step: OnStep | None = None,
    loggers: Sequence[Logger] = (),
    on_start: Callable[[], None] | None = None,
    claim: Claim | None = None,
) -> FitResult:
    """Train `model` in place; it ends with the averaged weights, in evaluation mode.

    The course is a pure function of the model's initial weights, the data and `config`: a run that was killed at any
    moment and resumed ends, on a CPU, with the same weights to the last bit.  The folder receives `last.ckpt` (the raw
    weights and all that resuming needs), `model.safetensors` (the averaged weights, for use) and `metrics.csv`.

    Arguments: `split`, the data: a `Split`, an array (N, ...), a pair (x, y) of arrays, a torch `Dataset` or
    `DataLoader`, a Hugging Face data set, or anything with `len()` and `batch(indices, generator)` (as
    `hvae.data.sources.as_batches` takes them); `valid`, data for validations;
    `description`, anything JSON can hold, stored in model.safetensors with the step; `resume` goes on from last.ckpt,
    or starts when there is none yet; `on_evaluate(averaged model, step)` is called at each validation, in the first
    process, and the numbers it returns become columns of metrics.csv; `on_step(step, terms)` is called after each step
    that was finite, in the first process; `loggers`, any of Lightning Fabric's, beside those of the configuration;
    `on_start()` is called once, in the first process, when everything is built and before the first file is written;
    `claim`, the folder's claim for training where the caller has it already (`hvae.runs`): otherwise it is taken here,
    by the first process.

    Warns (HvaeWarning) of grey values before a likelihood of bits.

    A part of a run that fails before it has saved a step leaves the folder as it was, and no new one behind.

    With several devices this starts the other processes by running the program again, up to this call: do nothing
    before it that only one process may do without asking `first_process(config)`.  All return, and all have the result.
    Torch's global random generators are set again and again on the way.

    Raises HvaeError when the folder holds another run and `resume` is False, when another process trains in it, when
    it is deleted or moved meanwhile, when its checkpoint is damaged or of
    another model, when the devices are not there, when the disk is full at the end, and when the loss keeps turning
    non-finite after several returns to the last checkpoint.
    """
    if not isinstance(config, TrainConfig):
        raise HvaeError(f"expected an hvae.config.TrainConfig, as TrainConfig(steps=1000), got {short(config)}")
    folder = Path(folder)
    data, validation = as_batches(split), None if valid is None else as_batches(valid)
    if len(data) == 0:
        raise HvaeError("expected training data, got an empty split; check data.name and data.root")
    matching([name for name, _ in model.named_parameters()], config.only)  # a slip is said before anything begins
    job = Job(
        model=model,
        objective=objective,
        split=data,
        config=config,
        folder=folder,
        valid=validation,
        description=dict(description or {}),
        resume=resume,
        on_evaluate=on_evaluate,
        on_start=on_start,
        on_step=on_step,
        loggers=loggers,
    )
    fabric = engine(config)
    if is_first(fabric):
        warn_of_grey(model, data)
    if claim is None and is_first(fabric):
        with claiming(folder, TRAINING) as own:
            return _launched(fabric, replace(job, claim=own))
    return _launched(fabric, replace(job, claim=claim))


def _launched(fabric: Fabric, job: Job) -> FitResult:
    result: FitResult = fabric.launch(partial(_run, job=job))
    return result


def _run(fabric: Fabric, job: Job) -> FitResult:
    result = Course(fabric, job).run()
    if fabric.world_size > 1:
        torch.distributed.destroy_process_group()
    return result
