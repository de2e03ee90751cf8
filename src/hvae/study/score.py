"""Which images or sequences are out-of-distribution for a model, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.errors import entries
from hvae.runs.subject import Tell, open_run
from hvae.study.backends import PLAIN, check_backend, engine_of
from hvae.study.progress import Bars, Progress, bars, silent
from hvae.study.scoring import checks, sequences
from hvae.study.scoring.judge import Judge
from hvae.study.scoring.pair import Pair, pair_of, reverse_of
from hvae.study.scoring.request import Request
from hvae.study.scoring.rows import odd_cells
from hvae.study.scoring.scores import Scores, counted
from hvae.trust import trusting, vouched

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.data.sources import Source
    from hvae.study.conditions import Named

__all__ = ["Scores", "score"]


def score(
    run: str | Path | LoadedRun,
    data: str | Path | Source,
    *,
    by: str = "",
    quantile: float = 0.95,
    samples: int = 1,
    normal: int = 1000,
    number: int = 0,
    foreign: bool = False,
    reverse: str | Path | LoadedRun | None = None,
    regret: int = 0,
    maps: int = 0,
    out: str | Path | None = None,
    seed: int = 0,
    context: Named | None = None,
    backend: str = PLAIN,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
    tell: Tell | None = None,
) -> Scores:
    """Score images, or sequences, by how far out of the distribution of a run's data they are; higher is farther, for
    every score.  Those of sequences are in nats a step, so that a length is no score.

    What is usual comes from `normal` training data of the run, the threshold from as many validation data.

    Arguments: `run`, a folder or what `hvae.load` gives; `data`, "test", "valid" or "train" for the run's own, the name
    of a data set, "hub:OWNER/NAME" for one of the Hugging Face hub, a folder of images, an array file (these are
    brought to the form of the model), or a tensor, an array, a `Datum`, a data set of torch in that form, (N, *shape)
    in [0, 1]; `by`, one score that decides alone, when it is above the `quantile` of validation data (a few together by
    default, on either side); `samples`, 1 for the ELBO, K for the IW-K bound; `number`, only so many images, at random
    (0: all); `foreign`, the images are known to be out-of-distribution: also how well each score separates them from
    the run's test data, and with `reverse`, a run that was trained on them, the other direction of the pair; `regret`,
    steps of the likelihood regret (0: leave it out); `maps`, heat maps of so many images with the highest score; `out`,
    a .csv file to write, with a .png of the maps beside it; `seed` of every draw; `context` of the images before a
    conditional model, by name, one value for all or one for each: a number, or the name of a class of the run's data
    (their own labels by default); `backend`, what computes bounds and rates: torch, onnxruntime, openvino or
    compile; `overrides`, dotted keys of where the data are, as in {"data.root": "sets"}; `trust`,
    packages whose code the run may name; `progress`, which hears (done, total, what), and `tell`, which hears remarks.

    Raises HvaeError in one line, before the work, for what cannot be scored.
    """
    request = Request(
        data=data,
        by=by,
        quantile=quantile,
        samples=samples,
        normal=normal,
        number=number,
        foreign=foreign,
        reverse=reverse,
        regret=regret,
        maps=maps,
        out=None if out is None else Path(out),
        seed=seed,
        context=entries(context),
        backend=backend,
        overrides=overrides or {},
        trust=vouched(trust, overrides or {}),
    )
    with trusting(*trust):
        return _scored(run, request, bars(progress), tell or silent)


def _scored(run: str | Path | LoadedRun, request: Request, progress: Bars, tell: Tell) -> Scores:
    one, other = _ready(run, request, progress, tell)
    for line in [*one.warnings(), *(f"the reverse: {line}" for line in (other.warnings() if other else []))]:
        tell(line)
    scores = _decided(one)
    return replace(scores, reverse=other.comparison(_name(request.reverse))) if other else scores


def _ready(run: str | Path | LoadedRun, request: Request, progress: Bars, tell: Tell) -> tuple[Pair, Pair | None]:
    """The images before the model, and the other direction; what can be wrong is said before anything takes time."""
    checks.options(request)
    check_backend(request.backend)
    subject = open_run(run, request.overrides, tell, request.trust)
    if subject.run.model.timed:
        sequences.check(request)
    checks.pictured(request.maps, subject)
    judge = Judge(request, subject, progress, engine_of(subject.run, request.backend, tell))
    other = _other(judge, tell) if request.reverse else None
    return pair_of(judge), reverse_of(other, judge) if other else None


def _other(judge: Judge, tell: Tell) -> Judge:
    """The model of the reverse pair."""
    request = judge.request
    assert request.reverse is not None
    # The place of the one run's files is not that of the other's.
    shared = {key: value for key, value in request.overrides.items() if key != "data.path"}
    subject = open_run(request.reverse, shared, tell, request.trust)
    checks.other_data(request.data, subject)
    return replace(judge, subject=subject, engine=engine_of(subject.run, request.backend, tell))


def _name(run: str | Path | LoadedRun | None) -> str:
    return str(run) if isinstance(run, str | Path) or run is None else str(run.folder)


def _decided(pair: Pair) -> Scores:
    """The decisions on the images, written to their file where there is one."""
    judge, request = pair.judge, pair.judge.request
    scores = pair.scores
    result = Scores(
        scores=scores,
        reasons=tuple(judge.reasons(scores)),
        files=tuple(pair.files()),
        threshold=judge.limit,
        quantile=request.quantile,
        ranges=counted(judge.ranges, scores),
        bound="ELBO" if request.samples == 1 else f"IW-{request.samples}",
        regret_steps=request.regret,
        comparison=pair.comparison(str(judge.subject.run.folder)),
        csv=request.out,
        steps=pair.steps,
        odd=odd_cells(judge, pair.images),
    )
    if request.out is not None:
        result.write_csv(request.out)
    picture = request.out.with_suffix(".png") if request.out is not None else None
    maps = judge.maps(pair.images, scores[judge.by], picture) if request.maps else None
    return replace(result, maps=maps, use=judge.engine.use if judge.engine else None)
