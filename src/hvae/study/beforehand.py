"""What is looked at before a run takes its first step: everything that its end will need."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.evaluate import EvaluateConfig
from hvae.config.run import RunConfig
from hvae.config.vqvae import CodedConfig
from hvae.errors import HvaeError
from hvae.files import expanded
from hvae.runs.source import expected_shape, is_stated
from hvae.runs.subject import Subject, Tell
from hvae.study.building import outline
from hvae.study.levels import check_first_batch
from hvae.study.matching import check_taught
from hvae.study.progress import bars

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import Data
    from hvae.walk import Model

COPIES = 6
"""Tensors of the size of a model that a run folder holds."""
FILES = (".pt2", ".pt", ".ts", ".pth", ".safetensors", ".npz")
REPORT_BYTES = 10_000_000


def check_parts(config: RunConfig) -> None:
    """Raises HvaeError for `train.only`, `train.init` and a first batch that do not fit the model, before any image is
    read.

    Where the images alone say what the model is, it is said when they have been.
    """
    from hvae.training.parts import matching, weights_for

    train = config.train
    _check_prior(config)
    _check_told(config)
    _check_solver(config.evaluate)
    check_taught(config)
    if (
        not (train.only or train.init or isinstance(config.model, CodedConfig))
        or not is_stated(config.data)
        or config.model.is_open
    ):
        return
    shape, bits = expected_shape(config)
    if config.data.is_sequential and len(shape) == 1:
        return  # the vocabulary of a text is known by the text alone
    model = outline(config.model, shape, bits)
    check_first_batch(train, model)
    matching([name for name, _ in model.named_parameters()], train.only)
    if train.init:
        weights_for(model, train.init)


def _check_prior(config: RunConfig) -> None:
    """Raises HvaeError for a second stage that trains a prior which the configuration does not have."""
    model, parts = config.model, config.train.only
    trains_prior = any(part.rpartition(".")[2] == "prior" for part in parts)
    if isinstance(model, CodedConfig) and model.prior == "uniform" and trains_prior:
        raise HvaeError(
            f"train.only: {','.join(parts)} trains a prior over codes, and model.prior is uniform, which has no "
            "weights; name one: --model.prior transformer (or pixelsnail, parallel)"
        )


def _check_solver(config: EvaluateConfig) -> None:
    """Raises HvaeError for a solver of samples that there is none of, by its name or its number of steps."""
    from hvae.draw.solvers import read_solver

    if config.solver:
        try:
            read_solver(config.solver)
        except HvaeError as fault:
            raise HvaeError(f"evaluate.solver: {fault}") from None


def _check_told(config: RunConfig) -> None:
    """Raises HvaeError for what lies beside images and no condition reads: it would be dropped without a word."""
    kind = config.model.condition.kind
    beside = (("captions", config.data.captions, "text"), ("attributes", config.data.attributes, "vector"))
    for key, place, reader in beside:
        if place and kind != reader:
            raise HvaeError(
                f"data.{key}={place} is read by a model of model.condition.kind {reader} alone, and it is {kind}; set "
                f"--model.condition.kind {reader}, or leave data.{key} out"
            )


def check_gaps(model: Model, data: Data) -> None:
    """Raises HvaeError for values that are missing in some channels of a place alone, where the likelihood of the data
    is one number for all of them."""
    from hvae.data.sequences.split import SequenceData
    from hvae.walk import glimpse

    splits = [] if isinstance(data, SequenceData) else [data.train, data.valid, data.test]
    partly = any(split.observed is not None and _differ(split.observed) for split in splits)
    if partly and not all(one.law.log_prob(one.value).shape == one.value.shape for one in glimpse(model).observed):
        raise HvaeError(
            "values are missing (NaN) in some channels of a pixel and not in others, and this likelihood is one number "
            "for all channels; make them NaN in all, or set another --model.likelihood"
        )


def unvarying(model: Model, data: Data) -> str:
    """The line that names what of a condition is the same wherever training knows it, so that no model learns what it
    does; empty where all of it differs.

    It is no fault: a model that goes on from one of many classes may be trained on one of them.
    """
    same = [
        line
        for name, what in (("label", "the class"), ("text", "the caption"))
        if name in model.conditions and (line := _alike(what, data.train.known[name]))
    ]
    return "; ".join(filter(None, (_columns_alike(data), *same)))


def _columns_alike(data: Data) -> str:
    numbers = data.train.attributes
    if numbers is None:
        return ""
    columns = [column[~column.isnan()] for column in numbers.unbind(1)]
    same = [place for place, some in enumerate(columns) if len(some) and bool((some == some[0]).all())]
    if not same:
        return ""
    names = ", ".join(f"column {place + 2}" for place in same)  # the first one names the files
    return (
        f"data.attributes: {names}: expected numbers that differ, got the same wherever training knows them, from "
        "which nothing is learnt; leave it out"
    )


def _alike(what: str, rows: Tensor) -> str:
    """That a class (N,) or a caption (N, T) is the same of all data of which it is known (not -1)."""
    each = rows.reshape(len(rows), -1)
    some = each[(each >= 0).all(1)]
    if not len(some) or not bool((some == some[0]).all()):
        return ""
    return (
        f"model.condition: {what} is the same wherever training knows it, and nothing is learnt of others; set "
        "model.condition.kind to none, unless train.init knows them"
    )


def _differ(observed: Tensor) -> bool:
    return observed.ndim > 2 and not observed.all(1).equal(observed.any(1))


def check_files(config: EvaluateConfig) -> None:
    """Raises HvaeError for files that a new run's measures would want one day and that are not there today."""
    for key, is_file in (("features", Path(config.features).suffix in FILES), ("factors", bool(config.factors))):
        place: str = getattr(config, key)
        if is_file and not expanded(place).is_file():
            raise HvaeError(f"evaluate.{key}: no file at {place}; give its place, or leave it out")


def check_measures(subject: Subject, tell: Tell) -> None:
    """Say what will not be measured, before training.  Raises HvaeError for what was asked for by its name."""
    from hvae.study.evaluate import possible
    from hvae.study.work import Work

    _, skipped = possible(Work(subject, bars(None)))
    for name, reason in skipped.items():
        tell(f"will not be measured: {name}: {reason}")


def check_space(folder: Path, model: Model) -> None:
    """Raises HvaeError unless the disk has room for the files of a run, each of which is replaced by a new one."""
    weights = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    # Weights, their average and two moments in last.ckpt, the best ones twice; the report.
    needed, free = 2 * (COPIES * weights + REPORT_BYTES), shutil.disk_usage(folder).free
    if free < needed:
        raise HvaeError(
            f"{folder}: {free / 1e6:,.0f} MB are free, and the files of this run take {needed / 1e6:,.0f} MB; "
            "free some space or choose another folder"
        )
