"""One part of a training: data, model, checks, fit, and what the run folder records of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from hvae.checkpoints import LoadedRun, describe
from hvae.data import SequenceData, load_any
from hvae.descriptions import DataRecord, Description, RunRecord
from hvae.errors import HvaeError
from hvae.objectives import build as objective
from hvae.runs import Claim, refuse_changes, split_changes
from hvae.runs.provenance import NAME as PROVENANCE
from hvae.runs.provenance import begin, finish, read_provenance, write_json
from hvae.runs.source import CONFIG
from hvae.runs.subject import Subject, Tell
from hvae.study.beforehand import check_gaps, check_measures, check_parts, check_space, unvarying
from hvae.study.building import trainable
from hvae.study.conditions import classes_for, complete_data
from hvae.study.levels import check_first_batch, check_held, check_levels
from hvae.study.matching import matched, teacher
from hvae.study.planning import Job
from hvae.study.sizing import sized
from hvae.study.warm_up import warm_up_warning
from hvae.study.watch import watching

if TYPE_CHECKING:
    from hvae.config.run import RunConfig
    from hvae.data import Data
    from hvae.training import FitResult
    from hvae.walk import Model


def fitted(job: Job, tell: Tell, claim: Claim | None) -> FitResult:
    """Load, build and fit; the folder holds the weights afterwards.  Only the process with the claim writes."""
    from hvae.training.saving import LAST, check_whole

    if job.resume:
        check_whole(job.folder / LAST)
    else:  # a run that goes on has begun: with its codes, and with batches of any size
        check_parts(job.config)
    data = load_any(job.config.data)
    config, line = _settled(sized(job.config, data))
    job = replace(job, config=config)
    if line:
        tell(line)
    torch.manual_seed(config.train.seed)
    model = trainable(config, data.shape, data.bits)
    check_kind(model, data)
    config = matched(config, model)
    job = replace(job, config=config)
    check_levels(config.objective, model)
    check_gaps(model, data)
    check_held(config.evaluate, model)
    if not job.resume:
        check_first_batch(config.train, model)
    complete_data(model, data.train)
    size = sum(p.numel() for p in model.parameters())
    earlier = read_provenance(job.folder)
    description = describe(config, data.shape, data.bits, data.provenance.to_dict())
    if titles := classes_for(model, data):
        description["classes"] = titles
    description["data_changes"] = _changes_of_data(job, earlier, description["data"])
    record = begin(earlier, description, config.train.seed, size)
    if claim:
        check_measures(Subject(LoadedRun(model, config, Description(**description, step=0), job.folder), data), tell)
        check_space(job.folder, model)
    tell(f"{data.provenance}\n{config.model.family}, {size:,} parameters; run folder: {job.folder}")
    for line in filter(None, (warm_up_warning(config, model), unvarying(model, data))):
        tell(line)
    result = _fit(job, model, data, description, record, claim)
    if claim:
        claim.check()
        config.save(job.folder / CONFIG)  # again, should somebody have deleted it in the hours between
        finish(job.folder, record, result)
    return result


def _settled(config: RunConfig) -> tuple[RunConfig, str]:
    """The configuration in a precision that says which, so that the run goes on in it on any machine."""
    from hvae.training.precision import settled

    train, line = settled(config.train)
    return replace(config, train=train), line


def check_kind(model: Model, data: Data) -> None:
    """Raises HvaeError for a model of images on sequences, and the reverse."""
    if model.timed == isinstance(data, SequenceData):
        return
    takes, has = ("sequences", "images") if model.timed else ("images", "sequences")
    raise HvaeError(
        f"this family is one of {takes}, and {data.provenance.name} is a set of {has}; choose another model.family "
        "or data.name (hvae models lists them)"
    )


def _fit(
    job: Job,
    model: Model,
    data: Data,
    description: Description,
    record: RunRecord,
    claim: Claim | None,
) -> FitResult:
    # Here, so that a plan does not load the engine.
    from hvae.training import fit, over_processes

    config = job.config
    taught = teacher(config, data.shape, data.bits)

    def start() -> None:
        config.save(job.folder / CONFIG)
        write_json(job.folder / PROVENANCE, record)

    with plain_faults(job):
        return fit(
            model,
            objective(config.objective.over(config.train.steps), over_processes, taught),
            data.train,
            config.train,
            job.folder,
            valid=data.valid,
            description=description,
            resume=job.resume,
            on_evaluate=watching(data.valid, config.train.seed, max(1, config.train.batch // config.train.accumulate)),
            on_start=start,
            claim=claim,
        )


def _changes_of_data(job: Job, earlier: RunRecord, data: DataRecord) -> list[str]:
    """Every accepted change of the images of a run.  Raises HvaeError for one that is not accepted."""
    changes = split_changes(earlier.get("data") or {}, data)
    if not job.accepts_changes:
        refuse_changes(job.folder, changes)
    return [*earlier.get("data_changes", []), *changes]


@contextmanager
def plain_faults(job: Job) -> Iterator[None]:
    """Turn a lack of memory, a failing compiler and an interruption into a line that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError) as fault:
        if line := _plain(fault, job):
            raise HvaeError(line) from fault
        raise
    except KeyboardInterrupt:
        # Before the first file there is nothing to go on with.
        words = [f"go on with: hvae train {job.folder} --resume"] * (job.folder / CONFIG).is_file()
        raise KeyboardInterrupt(*words) from None


def _plain(fault: Exception, job: Job) -> str:
    """What to do about a fault; empty where it is not known."""
    text, origin = str(fault), type(fault).__module__
    if isinstance(fault, MemoryError) or "allocate memory" in text or "out of memory" in text:
        return (
            f"not enough memory for a step of {job.config.train.batch} data; hvae inspect tells what it takes; raise "
            "--train.accumulate (same result, less memory), or set --model.checkpoint true for a ladder"
        )
    if job.config.train.compile and origin.startswith(("torch._dynamo", "torch._inductor")):
        why = " ".join(text.split())[:200]
        return f"train.compile: this model cannot be compiled here ({why}); a C++ compiler is needed, or leave it out"
    return ""
