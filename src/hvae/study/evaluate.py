"""Measure a run: what is possible of what is asked for, going on where an earlier evaluation stopped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.config.evaluate import EvaluateConfig
from hvae.config.run import Overrides
from hvae.errors import HvaeError
from hvae.files import write_text
from hvae.runs import MEASURING, Claim, claiming
from hvae.runs.protocol import convention
from hvae.runs.provenance import write_json
from hvae.runs.subject import Subject, Tell, check_own, open_run
from hvae.study.backends import PLAIN, check_backend, engine_of
from hvae.study.evaluation import FILE, Evaluation
from hvae.study.judgement import against_counting, verdict_of
from hvae.study.levels import check_held
from hvae.study.measure import Measure, Result
from hvae.study.measures import MEASURES
from hvae.study.measures.activity import Activity
from hvae.study.measures.baselines import Baselines
from hvae.study.measures.condition import Condition
from hvae.study.measures.contribution import Contribution
from hvae.study.measures.likelihood import Likelihood
from hvae.study.partial import Partial, fingerprint
from hvae.study.places import check_run_places
from hvae.study.progress import Bars, Progress, bars, silent
from hvae.study.work import Work
from hvae.trust import Trust, trusting, vouched

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun

OWN = ("measures", *(key for measure in MEASURES.values() for key in measure.settings))
"""Settings that few measures read, and record: others of an earlier evaluation stay as they are."""


def evaluate(
    run: str | Path | LoadedRun,
    *,
    measures: str | Sequence[str] | None = None,
    backend: str = PLAIN,
    overrides: Overrides | None = None,
    trust: Iterable[str] = (),
    progress: Progress | Bars | None = None,
    tell: Tell | None = None,
) -> Evaluation:
    """Measure a trained model on data it was not trained on, and write evaluation.json into its folder.

    Arguments: `run`, its folder, or what `hvae.load` gave; `measures`, names or groups of them (none: those of its
    configuration); `backend`, what computes the bounds: torch, onnxruntime, openvino or compile; `overrides`, keys of
    `evaluate` and places of data by their dotted names, as {"evaluate.samples": 1000}; `trust`, packages and files
    whose code may run where the run names it; `progress`, called with (done, total, name); `tell`, called with a line
    where something is worth saying.  Earlier numbers of the same weights, data and settings stay.  Raises HvaeError,
    before anything takes time, for what cannot be measured.
    """
    check_own(run, "evaluate")
    check_backend(backend)
    hear = tell or silent
    choice = {} if measures is None else {"evaluate.measures": _joined(measures)}
    keys = {**(overrides or {}), **choice}
    words = vouched(trust, keys)
    with trusting(*words.words):
        subject = open_run(run, keys, hear, words)
        if line := subject.no_data():
            raise HvaeError(line)
        with claiming(subject.run.folder, MEASURING, tell=hear) as measuring:
            return measure_all(subject, bars(progress), hear, measuring, backend)


def _joined(measures: str | Sequence[str]) -> str:
    return measures if isinstance(measures, str) else ",".join(measures)


def measure_all(subject: Subject, watched: Bars, tell: Tell, measuring: Claim, backend: str = PLAIN) -> Evaluation:
    """Every number, also written to the run folder.  What can be refused is refused before anything takes time."""
    check_wanted(subject.config, subject.trust)
    check_held(subject.config, subject.run.model)
    check_run_places(subject.run.folder, (FILE,))
    engine = engine_of(subject.run, backend, tell)
    partial = Partial(measuring, fingerprint(subject, backend=backend))
    work = Work(subject, watched, tuple(partial.batches), partial.keep_batch, engine)
    measures, skipped = possible(work)
    if partial.has_begun:
        tell("going on with an interrupted evaluation")
    settings = fingerprint(subject, *OWN, backend=backend)
    earlier = _earlier(subject.run.folder / FILE, settings, tell)
    with partial.kept_on_any_end():
        for measure in measures:
            measuring.check()
            if measure.name not in partial.stages:
                partial.keep(measure.name, measure.take(work))
    evaluation = _evaluation(subject, {**earlier, **partial.stages}, skipped, settings, partial.seconds)
    evaluation = replace(evaluation, backend=engine.use.to_dict() if engine.use.is_other else None)
    measuring.check()
    write_json(subject.run.folder / FILE, evaluation.to_dict())
    partial.close()
    return evaluation


def check_wanted(config: EvaluateConfig, trust: Trust) -> None:
    """Raises HvaeError, before anything takes time, where a measure would run code that nobody vouches for."""
    for name in config.wanted:
        MEASURES[name].check(config, trust)


def possible(work: Work) -> tuple[list[Measure[Any]], dict[str, str]]:
    """The measures to take, and why others of a group are left out; nothing can be taken without data.

    Raises HvaeError for one that was asked for by its name and cannot be taken.
    """
    config, skipped = work.config, {}
    measures: list[Measure[Any]] = []
    without_data = work.subject.no_data()
    for name in config.wanted:
        measure = MEASURES[name]
        if name not in config.measures and not measure.concerns(work):
            continue
        line = without_data or _obstacle(measure, work)
        if line and name in config.measures:
            raise HvaeError(f"evaluate.measures: {name} cannot be measured: {line}")
        if not line:
            measures.append(measure)
        else:
            skipped[name] = line
    return measures, skipped


def _obstacle(measure: Measure[Any], work: Work) -> str:
    """Why a measure cannot be taken, whether or not it concerns models of this kind; empty when it can."""
    if measure.is_of_levels and not work.levels:
        return "this model has no latents"
    return measure.obstacle(work) or ("" if measure.concerns(work) else "it measures what this model does not have")


def able(subject: Subject, names: Iterable[str]) -> list[str]:
    """Those of some measures that are possible."""
    work = Work(subject, bars(None))
    measures = {name: MEASURES[name] for name in names}
    if subject.no_data():
        return []
    return [name for name, measure in measures.items() if measure.concerns(work) and not measure.obstacle(work)]


def with_measures(subject: Subject, names: Iterable[str]) -> Subject:
    """The subject with some more measures asked for, of which those that are not possible are left out."""
    config = subject.run.config
    measures = ",".join(dict.fromkeys([*config.evaluate.measures, *able(subject, names)]))
    return replace(subject, run=replace(subject.run, config=config.override({"evaluate.measures": measures})))


def judged(run: LoadedRun, evaluation: Evaluation) -> Evaluation:
    """The same numbers with the verdict on them by all that is known now; without one where activity is unknown."""
    activity = evaluation.of(Activity)
    verdict = verdict_of(run, activity, evaluation.of(Contribution)) if activity else None
    condition = evaluation.of(Condition)
    if verdict:
        verdict = against_counting(verdict, evaluation.of(Likelihood), evaluation.of(Baselines))
    if verdict and condition:
        verdict = replace(verdict, text=f"{verdict.text} {condition.verdict}")
    return replace(evaluation, verdict=verdict)


def _evaluation(
    subject: Subject, results: Mapping[str, Result], skipped: Mapping[str, str], settings: str, seconds: float
) -> Evaluation:
    run = subject.run
    numbers = Evaluation(
        step=run.step,
        weights=_weights(run),
        verified=run.verified,
        protocol=convention(run),
        split=subject.config.split,
        results={name: results[name] for name in MEASURES if name in results},
        skipped=skipped,
        data=subject.data.provenance,
        data_changes=tuple(run.description.get("data_changes", ())),
        unlike_training=subject.unlike,
        settings=settings,
        seconds=round(seconds, 2),
        device=next(run.model.parameters()).device.type,
    )
    return judged(subject.run, numbers)


def _earlier(path: Path, settings: str, tell: Tell) -> Mapping[str, Result]:
    """Results of an earlier evaluation of the same weights and data by the same settings, by measure.

    Those by other settings are set aside in a file of their own, from where they come back with their settings.
    """
    if path.exists():
        last = Evaluation.read(path)
        if last.settings == settings:
            return _whole(last, path)
        copy = path.with_stem(f"{path.stem}-{name_of(last.settings)}")
        write_text(copy, path.read_text(encoding="utf-8"))
        tell(f"the earlier numbers were measured by other settings or weights; they are kept in {copy.name}")
    aside = path.with_stem(f"{path.stem}-{name_of(settings)}")
    back = Evaluation.read(aside) if aside.exists() else None
    return _whole(back, aside) if back and back.settings == settings else {}


def _whole(evaluation: Evaluation, path: Path) -> Mapping[str, Result]:
    """All its results.  Raises HvaeError where some cannot be read: the file will be written anew, without them."""
    for reason in evaluation.unreadable.values():
        raise HvaeError(f"{path} is damaged ({reason[:300]}); delete it and run the command again")
    return evaluation.results


def name_of(settings: str) -> str:
    """A part of a file name for the settings of an evaluation: the beginning of their digest, and never a path."""
    return settings[:8] if re.fullmatch(r"[0-9a-f]{64}", settings) else "of-other-settings"


def _weights(run: LoadedRun) -> str:
    if source := run.description.get("imported"):
        return f"imported from {source['file']}"
    return "running average" if run.config.train.ema else "as trained"
