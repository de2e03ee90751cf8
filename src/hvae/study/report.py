"""The report of a run: one page that shows what its model has learnt."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.runs import MEASURING, Claim, claiming
from hvae.runs.subject import Subject, Tell, check_own, open_run
from hvae.study.evaluate import able, judged, measure_all, with_measures
from hvae.study.evaluation import FILE, Evaluation, read_evaluation
from hvae.study.measures import MEASURES
from hvae.study.page import page_of
from hvae.study.places import PAGE_FILES, check_run_places
from hvae.study.progress import Bars, Progress, bars, silent
from hvae.trust import trusting, vouched
from hvae.walk import names

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun

NEEDED = tuple(name for name, measure in MEASURES.items() if measure.is_for_page)


def report(
    run: str | Path | LoadedRun,
    *,
    fresh: bool = False,
    overrides: Overrides | None = None,
    trust: Iterable[str] = (),
    progress: Progress | Bars | None = None,
    tell: Tell | None = None,
) -> Path:
    """Write report.html into the folder of a run, with samples, reconstructions and what each level does; its path.

    Its numbers are those of evaluation.json where they are whole and of these weights; else they are measured first.

    Arguments: `run`, its folder, or what `hvae.load` gave; `fresh`, measure in any case; `overrides`, keys of
    `evaluate` and places of data by their dotted names, with which everything is measured anew; `trust`, packages and
    files whose code may run where the run names it; `progress`, called with (done, total, name); `tell`, called with a
    line where something is worth saying.  Raises HvaeError, before anything takes time, for what cannot be measured.
    """
    check_own(run, "report")
    hear, watched = tell or silent, bars(progress)
    words = vouched(trust, overrides or {})
    with trusting(*words.words):
        subject = open_run(run, overrides or {}, hear, words)
        with claiming(subject.run.folder, MEASURING, tell=hear) as measuring:
            check_run_places(subject.run.folder, PAGE_FILES)
            evaluation = None if fresh or overrides else last_of(subject)
            evaluation = evaluation or measure_all(measured_for(subject), watched, hear, measuring)
            return write(subject, evaluation, watched, measuring)


def last_of(subject: Subject) -> Evaluation | None:
    """The numbers of evaluation.json; None where no page can be written from them."""
    path = subject.run.folder / FILE
    last = read_evaluation(path) if path.exists() else None
    return last if last and _serves(last, subject) else None


def _serves(evaluation: Evaluation, subject: Subject) -> bool:
    """Whether they are whole, and of these weights: numbers of an earlier state would be a lie on the page."""
    needed = {*able(subject, NEEDED)}
    is_whole = {*evaluation.results, *evaluation.skipped} >= needed and not evaluation.unreadable
    levels = {*evaluation.uses()} or {*names(subject.run.model)}
    return is_whole and evaluation.step == subject.run.step and levels == {*names(subject.run.model)}


def measured_for(subject: Subject) -> Subject:
    """The subject with the measures added that a page is poor without."""
    return with_measures(subject, NEEDED)


def write(subject: Subject, evaluation: Evaluation, watched: Bars, measuring: Claim) -> Path:
    """Draw the pictures and write the page; the path of it."""
    from hvae.reporting import write_report

    # Judged anew: records of earlier versions lack what is said today.
    page = page_of(subject, judged(subject.run, evaluation), watched)
    measuring.check()
    return write_report(subject.run.folder, page)
