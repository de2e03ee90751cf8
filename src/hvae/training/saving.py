"""last.ckpt: everything a run needs to go on as if it had never stopped.

Written whole or not at all, so that the last good one survives a full disk or a kill; read as tensors and plain values
only, so that no file can execute code.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.files import replacing
from hvae.records import JSON, Each, check
from hvae.runs import ClaimLost, FolderState

LAST, WEIGHTS, METRICS = "last.ckpt", "model.safetensors", "metrics.csv"
CONFIG, PROVENANCE = "config.yaml", "provenance.json"
_FORMAT = 2

Weights = dict[str, Tensor]


class MeterState(TypedDict):
    """Sums of the terms of the loss since the last row of metrics.csv."""

    names: list[str]
    total: Tensor | None
    count: int


class GuardState(TypedDict):
    """Recent gradient norms, and how many steps in a row were skipped."""

    norms: list[float]
    streak: int


class ScaleState(TypedDict):
    """The factor of the loss, and how many steps in a row it held."""

    factor: float
    row: int


class BestState(TypedDict):
    """The best validation so far; no weights where the last ones are used."""

    elbo: float
    step: int
    weights: Weights | None


class LearnerState(TypedDict):
    """Raw and averaged weights, the number of averaging updates, and the optimiser's moments."""

    model: Weights
    average: Weights
    updates: int
    optimiser: dict[str, Any]
    guard: GuardState
    scale: NotRequired[ScaleState]
    """Missing in checkpoints of before there was float16."""


class Checkpoint(TypedDict):
    """The content of last.ckpt."""

    course: JSON
    """The settings that shape the course; those that differ on resuming are noted."""
    history: JSON
    meter: MeterState
    notes: list[str]
    learner: LearnerState
    best: BestState


def write_checkpoint(path: Path, content: Checkpoint) -> None:
    """Write tensors and plain values.  Raises HvaeError when the disk is full; an earlier file stays as it was."""
    # Through an open file, since torch turns the disk's own error into one without a cause when given a path.
    with replacing(path) as temporary, open(temporary, "wb") as f, _refusals_as_they_are():
        torch.save({"hvae": _FORMAT, **content}, f)


@contextmanager
def _refusals_as_they_are() -> Iterator[None]:
    # After a refused write torch still ends its archive, and what that raises hides why the system refused.
    try:
        yield
    except RuntimeError as fault:
        if isinstance(fault.__context__, OSError):
            raise fault.__context__ from None
        raise


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what `write_checkpoint` wrote, onto the CPU.  Raises HvaeError if it is damaged or not ours."""
    with _damage_in_a_line(path):
        return _checked(path)


def check_whole(path: Path) -> None:
    """Raises HvaeError for a checkpoint that was cut or is something else, in no time; none at all is no fault.

    What its parts hold is seen when they are read.
    """
    with _damage_in_a_line(path):
        if path.exists():
            _archive(path).close()


@contextmanager
def _damage_in_a_line(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as fault:  # A damaged file can make the reader fail in any way.
        why = " ".join(str(fault).split())[:200] if isinstance(fault, ValueError) else type(fault).__name__
        raise HvaeError(
            f"{path} is damaged or not a checkpoint of this version ({why}); "
            "restore it from a copy, or delete it to train from the start"
        ) from fault


_FORM: dict[str, Any] = {
    "course": Each(object),
    "history": {"step": int, "seconds": float, "scale": float, "skipped": int, "dropped": int, "returns": int},
    "meter": {"names": [str], "total": (None, Tensor), "count": int},
    "notes": [str],
    "learner": {
        **{"model": Each(Tensor), "average": Each(Tensor), "updates": int},
        **{"optimiser": {"state": Each(Each(object))}, "guard": {"norms": [float], "streak": int}},
        "scale?": {"factor": float, "row": int},
    },
    "best": {"elbo": object, "step": int, "weights": (None, Each(Tensor))},
}
"""What a run goes on with; whether the tensors fit the model is seen when they are taken up."""


def _archive(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise ValueError("expected a regular file")
    archive = zipfile.ZipFile(path)
    entries = archive.infolist()
    # PyTorch never compresses: what does, or claims more than is there, would grow when it is read.
    if any(e.compress_type for e in entries) or sum(e.file_size for e in entries) > path.stat().st_size:
        archive.close()
        raise ValueError("an archive that grows when it is read")
    return archive


def _checked(path: Path) -> Checkpoint:
    # torch.load hands out tensors without looking at the checksums that its own format keeps of them.
    with _archive(path) as archive:
        broken = archive.testzip()
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if broken or content["hvae"] != _FORMAT:
        raise ValueError(broken or f"format {str(content['hvae'])[:20]}, expected {_FORMAT}")
    check(content, _FORM)
    _check_values(content)
    return cast(Checkpoint, content)


def _check_values(content: Mapping[str, Any]) -> None:
    history, meter, best = (content[key] for key in ("history", "meter", "best"))
    odd = [name for name, value in content["course"].items() if not _is_setting(value)]
    odd += [name for name in history if name not in _FORM["history"] or history[name] < 0]
    if (
        odd
        or not isinstance(best["elbo"], float)
        or min(meter["count"], best["step"], content["learner"]["updates"]) < 0
    ):
        raise ValueError(f"expected settings and counts, got something else in {str([*odd, 'best', 'meter'][0])[:40]}")
    if meter["total"] is not None and meter["total"].shape != (len(meter["names"]),):
        raise ValueError("the means of the newest steps do not fit their names")


def _is_setting(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return len(value) < 100 and not any(isinstance(item, (tuple, list, dict)) for item in value)
    return value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) < 1000)


def state(folder: Path) -> FolderState:
    """What a run folder holds now of all that training writes."""
    return FolderState(folder, small=(CONFIG, PROVENANCE, METRICS), large=(LAST, WEIGHTS))


@contextmanager
def restored_on_failure(folder: Path, has_saved: Callable[[], bool]) -> Iterator[None]:
    """Put a run folder back as it was when what is done within fails before it `has_saved` a step.

    A folder whose claim was lost belongs to another process, and stays as that one has it.
    """
    before = state(folder)
    try:
        yield
    except ClaimLost:
        raise
    except Exception:
        if not has_saved():
            before.restore()
        raise


def give_way(path: Path) -> None:
    """Remove the checkpoint of a start: it has the room of two sets of weights, and anybody can make it again."""
    with suppress(OSError):  # a folder in its place, or none
        path.unlink()


def clear_remains(folder: Path) -> None:
    """Remove the unfinished files that killed runs left; the claim of the folder must be ours."""
    for name in (LAST, WEIGHTS, METRICS):
        for remains in folder.glob(f".{name}.*.part"):
            remains.unlink(missing_ok=True)
