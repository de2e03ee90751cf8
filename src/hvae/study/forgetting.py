"""What a run says of several sets of data, beside what the run it came from said of the same: what it has forgotten.

Shapes: `N` data of a set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.counts import whole
from hvae.errors import HvaeError
from hvae.pretrained import is_packaged
from hvae.records import JSON
from hvae.runs.subject import Subject, Tell, open_run, safe_rows
from hvae.study.images import Images, without_chance
from hvae.study.progress import Bars, Progress, bars, silent
from hvae.study.scoring.images import images, plain

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.metrics.results import Estimate

RUN_FILES = ("model.safetensors",)


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """The ELBO of one set in nats a datum: `after`, of the run; `before`, of the run it came from, and the `change`."""

    data: str
    number: int
    after: Estimate
    before: Estimate | None = None
    change: Estimate | None = None
    """Paired by datum: its error is that of the difference."""

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        from hvae.metrics.results import plain as values

        result: JSON = values(self)
        return result


@dataclass(frozen=True)
class Forgetting:
    """The ELBO of each set; `earlier`, the run that it is compared with, none where there is none."""

    run: str
    earlier: str
    sets: tuple[Remembered, ...]

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae evaluate RUN --on A B --json` gives."""
        return {"run": self.run, "before": self.earlier or None, "on": [one.to_dict() for one in self.sets]}

    def __str__(self) -> str:
        return "\n".join(_line(one) for one in self.sets)


def _line(one: Remembered) -> str:
    """One set in words."""
    if one.before is None or one.change is None:
        return f"{one.data}: ELBO {one.after} nats (95 %), {one.number:,} test data"
    return (
        f"{one.data}: ELBO {one.before} nats before, {one.after} after, change {one.change} (95 %, paired), "
        f"{one.number:,} test data"
    )


def forgetting(
    run: str | Path,
    on: str | Path | Sequence[str | Path],
    *,
    before: str | Path | None = None,
    count: int = 2000,
    seed: int = 0,
    overrides: Overrides | None = None,
    progress: Progress | Bars | None = None,
    tell: Tell | None = None,
) -> Forgetting:
    """The ELBO of several sets of data under a run and under the run it grew from, with the paired difference.

    Arguments: `on`, one or several, each a known set, a folder, or an array file, whose test data are taken where there
    are some, or "test" for those of the run; `before`, the earlier run (none: the one whose weights this run began
    with, where that is still there); `count`, so many data of each set, evenly over it; `seed` of the draws.  Raises
    HvaeError for data of another form and for models of sequences.
    """
    count, seed = whole("count", count, 1), whole("seed", seed)
    watched, hear = bars(progress), tell or silent
    subject = open_run(run, overrides or {}, hear)
    if subject.run.model.timed:
        raise HvaeError(f"--on compares bounds of pictures, and {run} is a model of sequences; name a run of pictures")
    parent = str(before or _parent(subject))
    earlier = open_run(parent, overrides or {}, hear) if parent else None
    if earlier is not None:
        _check_same(subject, earlier)
    sources = [on] if isinstance(on, str | Path) else on
    inputs = [_images(subject, source, count, hear) for source in sources]
    sets = []
    for source, some in zip(sources, inputs, strict=True):
        after = _bounds(subject, some, f"{source}", seed, watched)
        if earlier is None:
            sets.append(_remembered(source, after))
        else:
            sets.append(_remembered(source, after, _bounds(earlier, some, f"{source}, before", seed, watched)))
    return Forgetting(str(run), parent, tuple(sets))


def _check_same(subject: Subject, earlier: Subject) -> None:
    """Raises HvaeError where the earlier run is of data of another form: there is no change to tell."""
    (shape, bits), (before, depth) = ((tuple(one.run.model.shape), one.run.bits) for one in (subject, earlier))
    if (shape, bits, False) != (before, depth, earlier.run.model.timed):
        raise HvaeError(
            f"--before: expected a run of the same form of data, {shape} of {bits} bits, got {earlier.run.folder} of "
            f"{before} of {depth}; name the run that this one grew from"
        )


def _parent(subject: Subject) -> str:
    """The run folder whose weights this one began with; empty where there is none any more."""
    init = subject.run.config.train.init
    is_there = is_packaged(init) or any((Path(init) / name).is_file() for name in RUN_FILES)
    return init if init and is_there else ""


def _images(subject: Subject, source: str | Path, count: int, hear: Tell) -> Images:
    """So many data of a set, evenly over it, in the form of the model; what was done to them for that is told."""
    name = str(source)
    inputs = images(subject, plain(subject.run.config.data, subject.images), name)  # type: ignore[arg-type]
    for note in inputs.notes():
        hear(f"{name}: {note}")
    every = max(1, len(inputs.split) // count)
    return without_chance(inputs.some(range(0, len(inputs.split), every)[:count]))


def _bounds(subject: Subject, some: Images, what: str, seed: int, watched: Bars) -> Tensor:
    """The ELBO of each datum in nats, (N,)."""
    from hvae.metrics.outliers import measure

    model = subject.run.model
    rows = min(subject.config.batch, safe_rows(model, some.batch([0])))
    with watched.bar(f"ELBO of {what}") as tick:
        measured = measure(model, some.batches(rows), bits=subject.run.bits, cuts=(), seed=seed, progress=tick)
    return measured.log_p


def _remembered(source: str | Path, after: Tensor, before: Tensor | None = None) -> Remembered:
    from hvae.metrics.results import estimate

    earlier = {} if before is None else {"before": estimate(before), "change": estimate(after - before)}
    return Remembered(data=str(source), number=len(after), after=estimate(after), **earlier)
