"""The loss of a trace: one scalar to minimise, and named terms to log.

Shapes: `B` data in the batch; `K` draws of the latents for each, so that a trace has B K rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from hvae.counts import whole
from hvae.draw import Draw, posterior
from hvae.evidence import Evidence
from hvae.objectives.regulariser import AS_IS, Regulariser
from hvae.walk import Model, Record, Trace, run

Schedule = Callable[[Draw, int], Draw]
"""What becomes of a draw at a training step."""
Loop = Callable[[Model, Draw, Evidence], Trace]
"""What walks a model: `run`, or a `ParticleFilter`."""


class Loss(NamedTuple):
    """`total`, a scalar in nats per datum with its gradient; `terms`, detached scalars by name.

    The terms are unweighted: "log_likelihood", "rate/z1", ... and "elbo" are in nats per datum before any reweighing;
    "loss" is the total; "penalty" what distributions add beside probability; "warmup/z1", ... the weight of a level
    that is warmed up, "commitment/z1", ... that of its pull to the codes where a schedule changes it.
    """

    total: Tensor
    terms: dict[str, Tensor]


def _as_it_is(draw: Draw, step: int) -> Draw:
    return draw


class Objective(ABC):
    """A loss of a trace at a training step.

    `samples` is K, the rows of the trace that belong to one datum: walk the model by `loop` (`run`, unless an objective
    looks at the weights on the way) on `evidence.repeat(samples)`, and let `draw` decide the values (the posterior,
    unless an objective needs its rows related).
    `schedule` changes that draw as training goes on, where an objective says so.
    `regulariser` weighs what training adds for the model's weights alone; 1 unless an objective says otherwise.
    """

    samples: int
    loop: Loop = staticmethod(run)
    draw: Draw = posterior
    schedule: Schedule = staticmethod(_as_it_is)
    regulariser: Regulariser = AS_IS

    @abstractmethod
    def __call__(self, trace: Trace, step: int) -> Loss:
        """The loss in nats per datum, averaged over the batch."""


def check_samples(samples: int) -> None:
    """Raises HvaeError for anything but a whole number of draws for each datum, at least one."""
    whole("samples", samples, 1)


def per_datum(nats: Tensor) -> Tensor:
    """Mean over the first axis, sum over the rest: (B, ...) -> ().

    >>> import torch
    >>> per_datum(torch.ones(8, 3, 2))
    tensor(6.)
    """
    return nats.sum() / len(nats)


def first_nonfinite(trace: Trace) -> str | None:
    """The first non-finite quantity of a walk, in words; None if all are finite.

    Data come first, then each level's value and rate in the order of the walk, then the likelihood: what broke
    earlier explains what broke later.  It synchronises with the device, so call it only after a non-finite loss.

    >>> first_nonfinite(Trace()) is None
    True
    """
    checks: list[tuple[str, Tensor | None]] = [(f"value of {_called(r)}", r.value) for r in trace.observed]
    for r in trace.latents:
        checks += [(f"value of {_called(r)}", r.value), (f"rate of {_called(r)}", r.divergence()[0])]
    checks += [(f"log-likelihood of {_called(r)}", r.log_prob()) for r in trace.observed]
    checks += [(f"penalty of {_called(r)}", (r.q or r.law).penalty()) for r in trace.latents]
    return next((name for name, t in checks if t is not None and not bool(t.isfinite().all())), None)


def _called(record: Record) -> str:
    return record.name if record.step is None else f"{record.name} at step {record.step}"
