"""The class that a model guesses where nobody tells it, against the true one.

Shapes: `B` data of one batch; `N` data in all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.draw import mode
from hvae.draw.choices import GUESSED
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, silent
from hvae.metrics.results import Estimate, Plain, estimate
from hvae.walk import Model, device_of, run, still

LABEL = "label"


@dataclass(frozen=True, kw_only=True)
class GuessResult(Plain):
    """Shares of data: `error`, whose most probable class under q(y given x) is not their own; `blind`, the error of
    always guessing the class that is most frequent among them."""

    data: int
    error: Estimate
    blind: float


def guesses(model: Model, batches: Iterable[Datum], *, progress: Progress = silent) -> GuessResult:
    """The error of the mode of q(y given x) on data that know their class; those that do not are left out.

    Raises HvaeError for a model that guesses none, and where no datum knows its class.
    """
    wrong, labels, meter = [], [], Meter(progress, batches, 1)
    with still(model, seed=0):
        for datum in batches:
            is_known = datum.context[LABEL] >= 0
            truth = datum.context[LABEL][is_known]
            if len(truth):
                wrong.append(_guessed(model, datum[is_known]) != truth)
                labels.append(truth)
            meter.add(1)
    if not wrong:
        raise HvaeError("expected data that know their class, got none; give labels")
    return _result(torch.cat(wrong), torch.cat(labels))


def _guessed(model: Model, datum: Datum) -> Tensor:
    """The most probable class of each datum, (B,), by a walk that is not told any."""
    others = {name: value for name, value in datum.context.items() if name != LABEL}
    trace = run(model, mode, model.evidence(replace(datum, context=others).to(device_of(model))))
    if (GUESSED, None) not in trace.records:
        raise HvaeError("expected a model that guesses its class; train one with model.condition.classifier")
    return trace[GUESSED].value.long().cpu()


def _result(wrong: Tensor, labels: Tensor) -> GuessResult:
    most = int(labels.bincount().max())
    return GuessResult(data=len(wrong), error=estimate(wrong), blind=1 - most / len(labels))
