"""The job of a run, its history over resumes, and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from hvae.config.train import TrainConfig
from hvae.data.sources import Batches
from hvae.objectives import Objective
from hvae.runs import Claim
from hvae.training.rows import Row
from hvae.walk import Model

if TYPE_CHECKING:
    from lightning.fabric.loggers import Logger

OnEvaluate = Callable[[Model, int], Mapping[str, float] | None]
OnStep = Callable[[int, Mapping[str, Tensor]], object]
"""Callback (step, terms): steps finished, and the terms of the last one by name, detached scalars on the device."""


@dataclass(frozen=True)
class Job:
    """Model, objective, data, settings and folder of a run."""

    model: Model
    objective: Objective
    split: Batches
    config: TrainConfig
    folder: Path
    valid: Batches | None
    description: Mapping[str, object]
    resume: bool
    on_evaluate: OnEvaluate | None
    on_start: Callable[[], None] | None = None
    on_step: OnStep | None = None
    loggers: Sequence[Logger] = ()
    claim: Claim | None = None
    """The right to write into the folder; none in all processes but the first."""


@dataclass
class History:
    """The history of a run over resumes and returns."""

    step: int = 0
    """Steps finished."""
    seconds: float = 0.0
    """Wall time of earlier parts of the run."""
    scale: float = 1.0
    """Factor of the learning rate: halved at each return to a checkpoint."""
    skipped: int = 0
    dropped: int = 0
    returns: int = 0


@dataclass(frozen=True)
class FitResult:
    """The result of training."""

    step: int
    """Steps finished, over all parts of the run."""
    seconds: float
    """Wall time, over all parts of the run."""
    samples_per_second: float
    """Training data per second of this part, validations and checkpoints left out."""
    peak_memory: int
    """Bytes at the peak, above what was held before: on the GPU, or of the process (0 where that is unknown)."""
    skipped: int
    """Steps not taken because their gradient norm was far above the recent ones."""
    dropped: int
    """Steps not taken because their loss or gradient was not finite."""
    rollbacks: int
    """Returns to a checkpoint after repeated non-finite losses."""
    stopped: str
    """Why it ended: "steps", "minutes" or "interrupt"."""
    last: Row
    """The newest value of every column of metrics.csv."""
    notes: tuple[str, ...]
    """Notes during training."""
