"""Train a model, measure it and write its report: what `hvae train` does, from Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.records import JSON
from hvae.runs import MEASURING, TRAINING, claiming
from hvae.runs.claim import check_claim, claim_file
from hvae.runs.provenance import course
from hvae.runs.subject import Tell, open_run
from hvae.study.beforehand import check_files
from hvae.study.evaluate import check_wanted, measure_all
from hvae.study.fitting import fitted
from hvae.study.places import RUN_FILES, check_run_places
from hvae.study.planning import Job, Source, plan, refuse_used
from hvae.study.progress import Bars, Progress, bars, silent
from hvae.study.report import measured_for, write
from hvae.training import first_process
from hvae.trust import Trust, trusting, vouched

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.training import FitResult


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run folder after its training: how that went, what it gave, and its page.

    Of several processes that train together only the first has an evaluation and a report.
    """

    folder: Path
    training: FitResult
    evaluation: Evaluation | None = None
    report: Path | None = None

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        evaluation = self.evaluation.to_dict() if self.evaluation else None
        return {
            "run": str(self.folder),
            "report": str(self.report) if self.report else None,
            "training": course(self.training),
            "evaluation": evaluation,
        }


def train(
    source: Source = "digits",
    *,
    out: str | Path = "",
    resume: bool = False,
    overrides: Overrides | None = None,
    accept_changed_data: bool = False,
    trust: Iterable[str] = (),
    progress: Progress | Bars | None = None,
    tell: Tell | None = None,
) -> TrainedRun:
    """Train a configuration into a run folder, evaluate the result and write its report.

    Arguments: `source`, a preset's name, a YAML file, a run folder, or a `RunConfig`; `out`, the run folder to write
    (none: runs/NAME); `resume` goes on with the run in that folder; `overrides`, keys of the configuration by their
    dotted names, as {"train.steps": 1000}; `accept_changed_data`, to go on though the images are not those of before;
    `trust`, packages and files whose code may run where the source names it; `progress`, called with (done, total,
    name) while the result is measured; `tell`, called with a line where something is worth saying.

    With several devices this starts the other processes by running the program again: do nothing before it that only
    one process may do.  Raises HvaeError for everything that can be wrong, before the first step where that is
    possible, and KeyboardInterrupt when it was asked to stop; the run can then go on by `resume`.
    """
    hear, keys = tell or silent, dict(overrides or {})
    words = vouched(trust, keys)
    with trusting(*words.words):
        job = plan(source, out, resume, keys, accepts_changes=accept_changed_data)
        if not first_process(job.config.train):
            return TrainedRun(job.folder, fitted(job, silent, None))
        with claiming(job.folder, TRAINING, tell=hear) as claim:
            # Once more: until now another process might have written here.
            job = plan(source, out, resume, keys, accepts_changes=accept_changed_data)
            check_wanted(job.config.evaluate, words)
            refuse_used(job)
            check_run_places(job.folder, RUN_FILES)
            check_claim(claim_file(job.folder, MEASURING))
            if not job.resume:
                check_files(job.config.evaluate)
            result = fitted(job, hear, claim)
            if result.stopped == "interrupt":
                raise KeyboardInterrupt(f"at step {result.step}; go on with: hvae train {job.folder} --resume")
            try:
                return _measured(job, result, bars(progress), hear, words)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"it is trained; measure it with: hvae train {job.folder} --resume") from None


def _measured(job: Job, result: FitResult, watched: Bars, tell: Tell, words: Trust) -> TrainedRun:
    with claiming(job.folder, MEASURING, patience=inf, tell=tell) as measuring:
        subject = open_run(job.folder, {}, tell, words)
        evaluation = measure_all(measured_for(subject), watched, tell, measuring)
        return TrainedRun(job.folder, result, evaluation, write(subject, evaluation, watched, measuring))
