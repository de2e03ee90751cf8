"""Do free runs move as sequences do: how values are spread, and how they change from step to step.

Shapes: `B` sequences of one batch; `N` in all; `R` free runs; `T` steps; `D` values of a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.draw import posterior, prior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, double, seen, silent
from hvae.metrics.results import Estimate, Plain, estimate
from hvae.walk import Model, Trace, run, still


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Of values and of their changes from one step to the next: variances, means over the values of a step."""

    values: float
    changes: float


@dataclass(frozen=True, kw_only=True)
class FreeRunResult(Plain):
    """Recorded sequences, draws that follow recorded steps (teacher forcing), and free runs."""

    data: int
    runs: int
    steps: int
    """Steps of a free run."""
    seed: int
    recorded: Movement
    taught: Movement
    free: Movement
    values_ratio: Estimate
    """Variance of the values of free runs over that of the recorded ones; the interval is over runs."""
    changes_ratio: Estimate
    """The same of changes."""


def free_run(
    model: Model,
    batches: Iterable[Tensor | Datum],
    *,
    runs: int = 32,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> FreeRunResult:
    r"""How free runs move beside recorded sequences, and beside draws that are taught each step before.

    $$v = \frac1D \sum_d \mathrm{Var}_{nt}(x_{ntd}), \qquad
      c = \frac1D \sum_d \mathrm{Var}_{nt}(x_{ntd} - x_{n,t-1,d})$$

    A taught draw is one of p(x_t | z, x_{<t}) with z of q and the recorded x_{<t}; its change is that from the last
    recorded step.  Nothing is given to a free run but the condition of a datum, where a model has one.  Training hears
    the data, generation itself: where free runs move less or more than taught draws, errors feed on themselves (Bengio
    et al. 2015, arXiv 1506.03099).

    Arguments: `batches`, of sequences with their lengths; `runs` of so many `steps` (those of the model's shape by
    default); `seed` of all draws; `progress`, in batches.  Raises HvaeError for tokens, which have no variance, and
    where there are no data.

    >>> from hvae.config.sequences import VRNNConfig
    >>> from hvae.zoo import build
    >>> model = build(VRNNConfig(latent=2, state=4, width=4), shape=(5, 3), bits=1)
    >>> x = (torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    >>> free_run(model, [x], runs=8).steps
    5
    """
    if len(model.shape) < 2:
        raise HvaeError("expected sequences of numbers, got tokens, which have no variance; measure another model")
    recorded, taught, meter, data = _Sums(), _Sums(), Meter(progress, batches, 1), 0
    contexts: list[Mapping[str, Tensor]] = []
    count = steps or model.shape[0]
    with still(model, seed):
        for evidence in seen(model, batches):
            is_known, x = evidence.is_known.cpu().flatten(2), double(evidence.data).flatten(2)
            recorded.add(x, x[:, 1:] - x[:, :-1], is_known)
            draws = double(_drawn(run(model, posterior, evidence))).flatten(2)
            taught.add(draws, draws[:, 1:] - x[:, :-1], is_known)
            contexts.append(evidence.context)
            data += len(x)
            meter.add(1)
        played = run(model, prior(), model.nothing(runs, _repeated(contexts, runs), steps=count)).x
    assert played is not None
    free, truth = double(played).flatten(2), recorded.movement()
    changes = free[:, 1:] - free[:, :-1]
    values_of, changes_of = _about_the_mean(free), _about_the_mean(changes)  # (R,) each
    return FreeRunResult(
        data=data,
        runs=runs,
        steps=count,
        seed=seed,
        recorded=truth,
        taught=taught.movement(),
        free=Movement(values=float(values_of.mean()), changes=float(changes_of.mean())),
        values_ratio=estimate(values_of, truth.values),
        changes_ratio=estimate(changes_of, truth.changes),
    )


def _repeated(contexts: Sequence[Mapping[str, Tensor]], n: int) -> dict[str, Tensor]:
    """What is known of the data, over and over, for n rows."""
    whole = {name: torch.cat([context[name] for context in contexts]) for name in (contexts[0] if contexts else ())}
    return {name: rows[torch.arange(n, device=rows.device) % len(rows)] for name, rows in whole.items()}


class _Sums:
    """Counts, sums and squares of values and of changes, of each number of a step over all steps that know it."""

    def __init__(self) -> None:
        self.moments: Tensor = torch.zeros(())

    def add(self, x: Tensor, changes: Tensor, is_known: Tensor) -> None:
        """Values (B, T, D), changes (B, T - 1, D), and which values are known, (B, T, D)."""
        pairs = ((x, is_known), (changes, is_known[:, 1:] & is_known[:, :-1]))
        self.moments = self.moments + torch.stack([_moments(*pair) for pair in pairs], 1)  # (3, 2, D)

    def movement(self) -> Movement:
        """Variances over all steps, means over the values of a step that were ever known."""
        count, total, square = self.moments
        values, changes = (square / count - (total / count) ** 2).nanmean(1).tolist()
        return Movement(values=values, changes=changes)


def _moments(x: Tensor, is_known: Tensor) -> Tensor:
    """Count, sum and sum of squares of what is known, (3, D)."""
    own = torch.where(is_known, x, 0.0)
    return torch.stack([is_known.sum((0, 1)).double(), own.sum((0, 1)), own.square().sum((0, 1))])


def _about_the_mean(x: Tensor) -> Tensor:
    """Of each run, (R, T, D) -> (R,): the mean square about the mean of all runs, whose mean is the variance."""
    return (x - x.mean((0, 1))).square().mean((1, 2))


def _drawn(trace: Trace) -> Tensor:
    """A draw of each step given the recorded ones before it, (B, T, ...)."""
    laws = [record.p for record in trace.observed]
    draws = [law.sample() for law in laws if law is not None]
    return draws[0] if trace.observed[0].step is None else torch.stack(draws, 1)
