"""What measurements share: evidence of batches, progress, and double precision.

Shapes: `B` batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import length_hint

from torch import Tensor

from hvae.datum import Datum, as_datum
from hvae.engine import TORCH, Engine
from hvae.errors import HvaeError
from hvae.walk import Evidence, Model, Trace, device_of

Progress = Callable[[int, int], None]
"""Callback (done, total) after each piece of work; total is 0 when unknown."""


def silent(done: int, total: int) -> None:
    """No-op progress callback."""


class Meter:
    """Counts pieces of work for a `Progress`: `passes` for each batch."""

    def __init__(self, progress: Progress, batches: Iterable[Tensor | Datum], passes: int) -> None:
        # A hint, since batches may come from a generator, which knows no length.
        self.progress, self.done, self.total = progress, 0, length_hint(batches) * passes

    def add(self, pieces: int) -> None:
        """Count `pieces` more as done."""
        self.done += pieces
        self.progress(self.done, self.total)


def seen(model: Model, batches: Iterable[Tensor | Datum], engine: Engine = TORCH) -> Iterator[Evidence]:
    """The evidence of each batch (B, ...) and its context, computed once by the engine, on the model's device.

    Raises HvaeError if there is no batch at all.
    """
    device, empty = device_of(model), True
    for x in batches:
        empty = False
        datum = as_datum(x)
        if not len(datum):
            raise HvaeError("expected data in every batch, got an empty one; leave it out")
        yield engine.evidence(model, datum.to(device))
    if empty:
        raise HvaeError("expected data to measure the model on, got no batch; check the data set and its limit")


def double(t: Tensor) -> Tensor:
    """Nats as float64 on the CPU; half precision passes through float32."""
    return t.float().cpu().double() if t.dtype.itemsize < 4 else t.cpu().double()


def levels_of(trace: Trace) -> list[str]:
    """The latent variables in the order in which the model generates them, top first."""
    latent = {record.name for record in trace.latents}
    return list(dict.fromkeys(name for (name, _), side in trace.visits if side == "p" and name in latent))
