"""What an interrupted evaluation keeps, so that the next one goes on where it stopped.

One file in the run folder holds the results of finished measures and, inside the likelihood, the sums over the draws
taken so far of each batch.  It belongs to one set of weights, settings and data; for any other it counts as not there.
Inside any other measure nothing is kept: an interruption costs all of that one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hvae import __version__
from hvae.errors import HvaeError
from hvae.records import JSON, Each, check
from hvae.runs import Claim
from hvae.runs.subject import Subject
from hvae.study.backends import PLAIN
from hvae.study.measure import Result
from hvae.study.measures import MEASURES

if TYPE_CHECKING:
    from torch import Tensor

NAME = "evaluation.partial.safetensors"
PAUSE = 5.0
"""Seconds between two writings, at least: with one chunk of draws what an interruption of the likelihood can cost."""


def fingerprint(subject: Subject, *apart: str, backend: str = PLAIN) -> str:
    """The sha256 of everything that the numbers depend on, but for some keys of `evaluate`."""
    from hvae.config.parse import plain
    from hvae.weights import digest

    model, settings = subject.run.model, plain(subject.config)
    values = {
        "hvae": __version__,
        "weights": digest(model.state_dict()),
        "model": plain(subject.run.config.model),
        "data": subject.data.provenance.to_dict(),
        "evaluate": {key: value for key, value in settings.items() if key not in apart},
        "device": next((w.device.type for w in model.parameters()), "cpu"),
        **({} if backend == PLAIN else {"backend": backend}),
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


class Partial:
    """The results so far: `stages`, finished measures by name, and `batches`, sums of batches of the likelihood."""

    def __init__(self, measuring: Claim, key: str) -> None:
        self.measuring, self.path, self.key = measuring, measuring.folder / NAME, key
        self.stages: dict[str, Result] = {}
        self.batches: list[dict[str, Tensor]] = []
        self.earlier, self.began, self.written = 0.0, time.monotonic(), -PAUSE
        self._read()

    @property
    def has_begun(self) -> bool:
        """Whether there was something to go on with."""
        return self.earlier > 0

    @property
    def seconds(self) -> float:
        """Time spent so far, that of interrupted evaluations included."""
        return self.earlier + time.monotonic() - self.began

    def keep(self, name: str, result: Result) -> None:
        """One more measure is finished."""
        self.stages[name] = result
        self.write()

    def write(self) -> None:
        """Write everything, whole or not at all."""
        from hvae.weights import save_weights

        tensors = {f"{n:06d}/{key}": t for n, part in enumerate(self.batches) for key, t in part.items()}
        stages = {name: result.to_dict() for name, result in self.stages.items()}
        description = {"key": self.key, "stages": stages, "seconds": self.seconds, "batches": len(self.batches)}
        self.measuring.check()
        save_weights(self.path, tensors, description)
        self.written = time.monotonic()

    def keep_batch(self, number: int, sums: dict[str, Tensor]) -> None:
        """More draws of a batch of the likelihood are taken; they are written, unless that was done a moment ago."""
        self.batches[number:] = [sums]
        if time.monotonic() - self.written >= PAUSE:
            self.write()

    @contextmanager
    def kept_on_any_end(self) -> Iterator[None]:
        """What was measured in here is written even when the measuring is interrupted."""
        try:
            yield
        except BaseException:
            if self.stages or self.batches:
                self.write()
            raise

    def close(self) -> None:
        """The evaluation is complete."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        """Take up what an earlier evaluation left; what is damaged or of another one costs time alone."""
        if not self.path.is_file():
            return
        try:
            tensors, description = _checked(self.path)
            if description["key"] != self.key:
                return
            self.stages = {name: _stage(name, values) for name, values in description["stages"].items()}
        except HvaeError:
            return
        self.earlier, self.batches = description["seconds"], [{} for _ in range(description["batches"])]
        for name, tensor in tensors.items():
            number, _, key = name.partition("/")
            self.batches[int(number)][key] = tensor


FORM = {"key": str, "stages": Each(object), "seconds": float, "batches": int}


def _checked(path: Path) -> tuple[dict[str, Tensor], JSON]:
    """The tensors and the description of such a file.  Raises HvaeError when they are not what `write` writes."""
    from hvae.weights import read_weights

    stored = read_weights(path)
    check(stored.description, FORM)
    numbers = {name.partition("/")[0] for name in stored.tensors}
    if not stored.verified or numbers != {f"{n:06d}" for n in range(min(stored.description["batches"], 10**6))}:
        raise HvaeError(f"{path} is damaged")
    return stored.tensors, stored.description


def _stage(name: str, values: object) -> Result:
    if name not in MEASURES:
        raise HvaeError(f"no measure is named {name}")
    result: Result = MEASURES[name].read(values)
    return result
