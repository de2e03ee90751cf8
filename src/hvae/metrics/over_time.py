"""What each level spends at each step of a sequence.

Shapes: `B` sequences of one batch; `N` in all; `T` steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, double, levels_of, seen, silent
from hvae.walk import Model, Record, run, still


@dataclass(frozen=True, kw_only=True)
class RatesOverTime:
    """Nats of each level at each step, mean over the sequences that have it, top level first; NaN where none has."""

    data: int
    seed: int
    rates: dict[str, tuple[float, ...]]


def rates_over_time(
    model: Model, batches: Iterable[Tensor | Datum], *, seed: int = 0, progress: Progress = silent
) -> RatesOverTime:
    r"""The rate of each level that recurs, step by step, with one draw of the latents.

    $$R_l(t) = \frac{1}{|\{n : T_n > t\}|} \sum_{n : T_n > t} KL(q(z_{l,t}) \,\|\, p(z_{l,t}))$$

    Arguments: `batches`, of sequences with their lengths.  Raises HvaeError when there are none, and for a model
    without levels that recur.

    >>> from hvae.config.sequences import VRNNConfig
    >>> from hvae.zoo import build
    >>> model = build(VRNNConfig(latent=2, state=4, width=4), shape=(5, 3), bits=1)
    >>> found = rates_over_time(model, [Datum(torch.zeros(2, 5, 3), lengths=torch.tensor([5, 3]))])
    >>> list(found.rates), len(found.rates["z"])
    (['z'], 5)
    """
    sums: dict[str, dict[int, Tensor]] = {}
    meter, data, order = Meter(progress, batches, 1), 0, list[str]()
    with still(model, seed):
        for evidence in seen(model, batches):
            trace = run(model, posterior, evidence)
            for record in trace.latents:
                if record.step is not None:
                    steps = sums.setdefault(record.name, {})
                    steps[record.step] = steps.get(record.step, torch.zeros(2)) + _counted(record)
            order, data = levels_of(trace), data + len(evidence)
            meter.add(1)
    if not sums:
        raise HvaeError("expected a model with levels that recur in time, got none of them; measure another one")
    return RatesOverTime(data=data, seed=seed, rates={name: _means(sums[name]) for name in order if name in sums})


def _counted(record: Record) -> Tensor:
    """Nats of all rows at this step, and how many rows have it, (2,)."""
    rate = double(record.rate())
    count = len(rate) if record.mask is None else int(record.mask.sum())
    return torch.stack([rate.sum(), torch.tensor(float(count), dtype=rate.dtype)])


def _means(steps: dict[int, Tensor]) -> tuple[float, ...]:
    nowhere = torch.tensor([torch.nan, 1.0])
    pairs = [steps.get(t, nowhere) for t in range(max(steps) + 1)]
    return tuple(float(nats / count) if count else float("nan") for nats, count in pairs)
