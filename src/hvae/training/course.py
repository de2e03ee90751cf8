"""The course of a run: step after step, with rows, validations, checkpoints and returns to them.

All processes of a run make the same decisions, since they decide on numbers averaged over all; the first one writes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from hvae.errors import HvaeError
from hvae.files import TakenError
from hvae.training.clock import Clock
from hvae.training.display import Progress
from hvae.training.engine import StopSign, loggers, stop_sign
from hvae.training.faults import Patience, culprit
from hvae.training.feed import feed, resident
from hvae.training.job import FitResult, History, Job
from hvae.training.journal import Journal
from hvae.training.keeper import Best
from hvae.training.learner import Fate, Learner, Outcome
from hvae.training.memory import MemoryMeter
from hvae.training.parts import Parts
from hvae.training.rows import Meter, Row
from hvae.training.saving import (
    LAST,
    WEIGHTS,
    Checkpoint,
    clear_remains,
    give_way,
    read_checkpoint,
    restored_on_failure,
    write_checkpoint,
)
from hvae.training.settings import changes, check_only, course_settings, falls_due
from hvae.training.start import prepare, rate, step_sampler
from hvae.training.validation import validate
from hvae.weights import save_weights

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class Course:
    """One part of a run, from its start or a checkpoint to its end or an interruption."""

    def __init__(self, fabric: Fabric, job: Job) -> None:
        self.fabric, self.job, self.config = fabric, job, job.config
        self.memory = MemoryMeter(fabric.device)
        self.sampler = step_sampler(fabric, job)
        self.rate = rate(job, self.sampler)
        # Asked once, since the first process soon writes what the others would find.
        self.has_checkpoint: bool = fabric.broadcast((job.folder / LAST).is_file())
        start = "" if self.has_checkpoint else prepare(fabric, job, self.sampler)
        self.parts = Parts(job.model, job.config.only)
        self.learner = Learner(fabric, job.model, job.objective, job.config)
        self.split = resident(job.split, fabric.device)
        self.history, self.patience = History(), Patience(job.config)
        self.best = Best(used=job.config.keep == "best")
        self.meter, self.clock = Meter(), Clock()
        self.journal = Journal(fabric, job.folder, [*loggers(job.config, job.folder), *job.loggers])
        self.culprit, self.stopped, self.has_saved = "", "", False
        if start:
            self.journal.note(start)

    def run(self) -> FitResult:
        """The whole course."""
        self.parts.train()
        with self._restored_on_failure(), self.journal.display.open(), stop_sign() as sign:
            self._begin()
            while not self.stopped:
                self._advance(sign)
        self.job.model.load_state_dict(self.best.weights(self.learner.average.model))
        self.job.model.eval()
        return self._result()

    def _restored_on_failure(self) -> AbstractContextManager[None]:
        """Leave the folder as it was if this part of the run fails before it has saved a step."""
        if not self.fabric.is_global_zero:
            return nullcontext()
        return restored_on_failure(self.job.folder, lambda: self.has_saved)

    def _advance(self, sign: StopSign) -> None:
        lr = self.history.scale * self.rate(self.history.step)
        with self.clock.step():
            outcome = self.learner.step(self.batches, lr, late=self._late(), is_interrupted=sign.is_interrupted)
        self.history.step += 1
        if outcome.fate is not Fate.DROPPED:
            self._took(outcome)
        elif self._dropped():
            return
        if self.job.on_step and self.fabric.is_global_zero:
            self.job.on_step(self.history.step, dict(zip(outcome.names, outcome.values.unbind(), strict=True)))
        self._milestones(outcome, lr)

    def _took(self, outcome: Outcome) -> None:
        self.history.skipped += outcome.fate in (Fate.SKIPPED, Fate.OVERFLOWN)
        if outcome.fate is not Fate.OVERFLOWN:
            self.patience.went_well()
            self.meter.add(outcome.names, outcome.values)

    def _dropped(self) -> bool:
        """Deal with a step that was not finite; True when training went back to a checkpoint."""
        step = self.history.step - 1
        self.history.dropped += 1
        if self.patience.row == 0:
            sampler = replace(self.sampler, start_step=step, steps=step + 1)
            self.culprit = culprit(self.learner, self.split, sampler)
            self.journal.note(f"step {step} dropped, not finite: {self.culprit}")
        # Batch norm takes in what it sees, whatever becomes of the step.
        self.learner.average.mend()
        back = self.patience.failed()
        if back:
            self._go_back()
        return back

    def _go_back(self) -> None:
        failed, content = self.history, read_checkpoint(self.job.folder / LAST)
        self.patience.went_back(content["history"]["step"], self.culprit)
        self._restore(content)
        self.history = replace(failed, step=self.history.step, scale=failed.scale / 2, returns=failed.returns + 1)
        self.journal.note(
            f"{self.config.retries} steps in a row were not finite: back to step {self.history.step}, "
            f"learning rate times {self.history.scale:g}"
        )

    def _milestones(self, outcome: Outcome, lr: float) -> None:
        step, config = self.history.step, self.config
        self.stopped = self._why_stop(outcome)
        is_due = bool(self.stopped) or any(falls_due(step, n) for n in (config.log_every, config.save_every))
        if is_due and self.job.claim:
            self.job.claim.check()
        # An interrupted run leaves its means to the checkpoint, so that a resumed one writes the same rows.
        ending = self.stopped in ("steps", "minutes")
        row = self._train_row(lr) if ending or falls_due(step, config.log_every) else {}
        if ending or falls_due(step, config.valid_every):
            row |= self._valid_row()
        if row:
            self.journal.write({"step": step, "seconds": self._seconds(), **row})
        if self.stopped or (falls_due(step, config.save_every) and not self.patience.row):
            self._save(must=bool(self.stopped))
        if self.stopped or self.journal.display.due():
            self.journal.display.show(self._progress())

    def _why_stop(self, outcome: Outcome) -> str:
        if self.history.step >= self.config.steps:
            return "steps"
        return "minutes" if outcome.late else "interrupt" if outcome.is_interrupted else ""

    def _train_row(self, lr: float) -> Row:
        return {"lr": lr, **self.meter.means(), "skipped": self.history.skipped, "dropped": self.history.dropped}

    def _valid_row(self) -> Row:
        row = validate(self.learner, self.job.valid, self.config)
        if "valid/elbo" in row:
            self.best.offer(row["valid/elbo"], self.history.step, self.learner.average.model)
        if self.job.on_evaluate and self.fabric.is_global_zero:
            row |= self.job.on_evaluate(self.learner.average.model, self.history.step) or {}
        self.fabric.barrier()
        return row

    def _begin(self) -> None:
        if self.has_checkpoint and not self.job.resume:
            raise HvaeError(f"{self.job.folder} already holds a run; resume it, or choose another folder")
        if self.fabric.is_global_zero:
            clear_remains(self.job.folder)
            if self.job.on_start:
                self.job.on_start()
        if self.has_checkpoint:
            self._take_up(read_checkpoint(self.job.folder / LAST))
        else:
            self._from(0)
            self._save(must=True)

    def _take_up(self, content: Checkpoint) -> None:
        check_only(self.job.model, self.job.folder, tuple(self.config.only), content["course"])
        self._restore(content)
        self.journal.notes = list(content["notes"])
        others = changes(course_settings(self.config, self.sampler), content["course"])
        self.journal.note(f"resumed at step {self.history.step}" + (f" with {others}" if others else ""))
        if self.history.step >= self.config.steps:
            self.stopped = "steps"  # all that is left are its weights: a kill can come between two files
            if self.fabric.is_global_zero:
                self._write_weights()

    def _restore(self, content: Checkpoint) -> None:
        self.learner.restore(content["learner"])
        self.best.restore(content["best"], self.learner.average.model)
        self.meter.restore(content["meter"], self.fabric.device)
        self.history = History(**content["history"])
        self._from(self.history.step)

    def _from(self, step: int) -> None:
        self.batches = feed(self.split, replace(self.sampler, start_step=step), self.fabric.device)
        self.journal.go_to(step)

    def _save(self, must: bool) -> None:
        if self.fabric.broadcast(self._saved(must)):
            self.patience.saved()

    def _saved(self, must: bool) -> bool:
        if not self.fabric.is_global_zero:
            return False
        try:
            if not self.learner.sound():
                raise HvaeError(f"the weights are not finite; {self._way_on()} with a lower train.lr")
            self._write_files()
        except HvaeError as fault:
            if must or isinstance(fault, TakenError):
                raise
            self.journal.note(f"step {self.history.step} was not saved, the checkpoint before it stays: {fault}")
            return False
        return True

    def _write_files(self) -> None:
        content: Checkpoint = {
            "course": course_settings(self.config, self.sampler),
            "history": {**asdict(self.history), "seconds": self._seconds()},
            "meter": self.meter.state(),
            "notes": self.journal.notes,
            "learner": self.learner.state(),
            "best": self.best.state(),
        }
        try:
            write_checkpoint(self.job.folder / LAST, content)
        except HvaeError as fault:  # what has no room for the one may have room for the other: either saves the work
            if self.stopped and not (self.has_saved or self.has_checkpoint):
                give_way(self.job.folder / LAST)
            self._write_weights()
            raise type(fault)(f"{fault}; the weights of step {self.history.step} are saved") from fault
        self.has_saved = self.history.step > 0
        self._write_weights()

    def _way_on(self) -> str:
        return "resume from it" if self.has_saved or self.has_checkpoint else "train into a new folder"

    def _write_weights(self) -> None:
        step, weights = self.best.step or self.history.step, self.best.weights(self.learner.average.model)
        save_weights(self.job.folder / WEIGHTS, weights, {**self.job.description, "step": step})
        self.has_saved = self.history.step > 0

    def _seconds(self) -> float:
        return self.history.seconds + self.clock.elapsed()

    def _late(self) -> bool:
        return 0 < 60 * self.config.minutes <= self._seconds()

    def _progress(self) -> Progress:
        left = self.clock.left(self.config.steps - self.history.step)
        if self.config.minutes:
            left = min(left, max(0.0, 60 * self.config.minutes - self._seconds()))
        return Progress(
            self.history.step, self.config.steps, left, self.clock.per_second(self.config.batch), self.journal.newest
        )

    def _result(self) -> FitResult:
        history = self.history
        return FitResult(
            step=history.step,
            seconds=self._seconds(),
            samples_per_second=self.clock.per_second(self.config.batch),
            peak_memory=self.memory.peak(),
            skipped=history.skipped,
            dropped=history.dropped,
            rollbacks=history.returns,
            stopped=self.stopped,
            last=self.journal.newest,
            notes=tuple(self.journal.notes),
        )
