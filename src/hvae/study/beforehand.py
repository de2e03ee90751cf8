"""What is looked at before a run takes its first step: everything that its end will need."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.errors import HvaeError
from hvae.runs.subject import Subject, Tell
from hvae.study.progress import bars

if TYPE_CHECKING:
    from hvae.walk import Model

COPIES = 6
"""Tensors of the size of a model that a run folder holds."""
REPORT_BYTES = 10_000_000


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
