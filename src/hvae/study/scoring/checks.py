"""Everything that can be wrong with a request to score, before it takes time."""

from __future__ import annotations

from pathlib import Path

from hvae.counts import whole
from hvae.errors import HvaeError, unknown
from hvae.runs.subject import Subject
from hvae.study.images import is_split
from hvae.study.places import check_place
from hvae.study.scoring.images import some
from hvae.study.scoring.request import Request

REGRET = "regret"
OUTSIDE = "outside"
"""How far the worst of several scores lies outside of its normal range."""


_LEAST = {"samples": 1, "normal": 1, "number": 0, "regret": 0, "maps": 0, "seed": 0}


def options(request: Request) -> None:
    """Raises HvaeError for numbers that count nothing, and for options that contradict each other."""
    for name, least in _LEAST.items():
        whole(f"--{name}", getattr(request, name), least)
    if request.by == REGRET and not request.regret:
        raise HvaeError("--by regret needs the steps that each image may take, as in --regret 100")
    if request.foreign and is_split(request.data):
        raise HvaeError(f"--foreign: nothing is foreign about the run's own {request.data} data; name other data")
    if request.reverse and not request.foreign:
        raise HvaeError("--reverse is the other direction of a pair; add --foreign")
    if request.maps and request.out is not None and request.out.suffix == ".png":
        raise HvaeError(f"--out: expected a .csv file, beside which the maps are written as .png, got {request.out}")
    if request.out is not None:
        writable(request.out, request.data)


def writable(path: Path, source: object) -> None:
    """Raises HvaeError where no file can be written, or only in place of the `source` of what is scored."""
    folder = path.parent
    if not folder.is_dir():
        raise HvaeError(f"--out: there is no folder {folder}; make it, or choose another")
    if path.is_dir():
        raise HvaeError(f"--out: expected a file to write, got the folder {path}; add a name, as in {path}/scores.csv")
    check_place(path, source)


def pictured(maps: int, subject: Subject) -> None:
    """Raises HvaeError for heat maps of what has no places."""
    shape = subject.run.model.shape
    if maps and (len(shape) != 3 or subject.run.model.timed):
        raise HvaeError(
            f"--maps: expected a model of images, got one of {subject.run.noun} of shape {shape}; leave --maps out"
        )


def enough(subject: Subject, request: Request) -> None:
    """Raises HvaeError when the run has too few data to say what is usual, to set the threshold, or to compare with."""
    from hvae.metrics.detection import least_normal
    from hvae.metrics.outliers import enough
    from hvae.walk import names

    data = subject.data
    levels = names(subject.run.model)
    if not levels:
        raise HvaeError(
            f"{subject.run.folder} has no latents, and scores compare its levels; hvae evaluate has its likelihood"
        )
    enough(min(len(data.train), request.normal), len(levels))
    if not len(data.valid):
        raise HvaeError("expected validation data of the run to set the threshold, got none; set data.valid above 0")
    valid, least = min(len(data.valid), request.normal), least_normal(request.quantile)
    if valid < least:
        more = "give a larger --normal" if valid < len(data.valid) else "train with a larger data.valid"
        raise HvaeError(
            f"--quantile {request.quantile:g}: expected {least:,} validation data of the run or more, got {valid}; "
            f"{more}, or lower --quantile"
        )
    if request.foreign and len(data.test) < 2:
        raise HvaeError("--foreign: expected test data of the run to compare with, got none; set data.test above 0")


def deciding(by: str, subject: Subject, regret: int) -> str:
    """The score that decides.  Raises HvaeError for one that this model does not have."""
    from hvae.walk import glimpse, names

    trace = glimpse(subject.run.model)
    levels = names(subject.run.model)
    density = subject.run.model.timed or any(record.law.density for record in trace.observed)
    cuts = range(1, len(levels) + 1)
    choices = [OUTSIDE, "nll", *(f"{s}>{k}" for s in ("nll", "llr") for k in cuts), "kl", *(f"kl/{n}" for n in levels)]
    choices += ["typicality"] + ["complexity"] * (not density) + [REGRET] * (regret > 0)
    if by and by not in choices:
        raise unknown("score", by, choices)
    return by or OUTSIDE


def improvable(subject: Subject, steps: int) -> None:
    """Raises HvaeError for a regret of posteriors that cannot be improved upon, by one walk of one datum."""
    from hvae.metrics.regret import improvable

    if steps:
        improvable(subject.run.model, some(subject.images.valid, 1).fixed(0).batch([0]))


def other_data(data: object, subject: Subject) -> None:
    """Raises HvaeError for the model of a reverse pair that was trained on another known set than X."""
    from hvae.config.data import KNOWN
    from hvae.data.lookup import base

    theirs = subject.run.config.data.name
    if not isinstance(data, str) or data not in KNOWN or theirs not in KNOWN:
        return
    if base(data).removesuffix("-static") != base(theirs).removesuffix("-static"):
        raise HvaeError(f"--reverse: expected a run that was trained on {base(data)}, got one of {theirs}")
