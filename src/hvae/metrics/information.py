"""Use of each level: active units, used units, and a verdict in plain language.

Shapes: `B` data of one batch; `N` data in all; `S` draws of the latents for each; `C` channels of a latent;
`...` the latent's own shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hvae.counts import whole
from hvae.datum import Datum
from hvae.distributions.codebook import Codes
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.metrics.diagnosis import verdict
from hvae.metrics.evaluating import Meter, Progress, double, levels_of, seen, silent
from hvae.metrics.results import Plain
from hvae.site import Key
from hvae.walk import Evidence, Model, Record, Trace, run, still

ACTIVE_VARIANCE = 0.01
"""Burda et al. 2015, inactive units: the variances they saw fall in two clusters, far above and far below this one."""
USED_NATS = 0.01
"""A unit is used when its rate is larger.  Under a unit Gaussian prior a mean that moves with variance 0.01 costs at
least 0.005 nats: this is the same threshold, up to a factor of two, in a unit that is invariant to rescaling of the
prior."""
COLLAPSED_NATS_PER_DIM = 0.01
"""A level is collapsed when its rate per dimension is smaller and no unit is used: 100 such units carry one nat."""
WEAK_SHARE = 0.1
"""A level with a smaller share of used units is weak: nine tenths of its width could be removed."""

State = Literal["alive", "weak", "collapsed"]


@dataclass(frozen=True, kw_only=True)
class LevelActivity:
    """Use of one level.  A dimension is one number of the latent; a channel is one index of its axis 1.

    Of a map of codes a dimension is a code, whose numbers are chosen together, and the map is its only channel.
    """

    dims: int
    channels: int
    """Number of channels; in a flat latent every dimension is a channel."""
    active_dims: int
    """Dimensions whose Var_x(E_q[z]) exceeds 0.01."""
    active_channels: int
    """Channels in which the mean over space of that variance exceeds 0.01."""
    used_dims: int
    """Dimensions whose rate exceeds 0.01 nats."""
    used_channels: int
    """Channels in which the mean over space of the rate exceeds 0.01 nats."""
    rate_nats: float
    """Nats per datum."""
    rate_nats_per_dim: float
    state: State
    noun: str = "dimensions"
    """What they are: dimensions, or codes."""


@dataclass(frozen=True, kw_only=True)
class ActivityResult(Plain):
    """The activity of every level, top first, and a verdict."""

    data: int
    samples: int
    seed: int
    levels: dict[str, LevelActivity]
    verdict: str
    """Plain language: which levels are collapsed or weak, and what to change."""


def activity(
    model: Model,
    batches: Iterable[Tensor | Datum],
    samples: int = 4,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> ActivityResult:
    r"""Active units of every level of a model over batches of data.

    $$A_u = \mathrm{Var}_x\big(E_{q(z \mid x)}[z_u]\big) > 0.01$$

    Burda, Grosse and Salakhutdinov 2015, arXiv 1509.00519.  The inner mean is that of q(z_l) given the levels
    it depends on, averaged over S = `samples` draws of those; the variance of the draws would inflate it, so the
    unbiased estimate V_x(mean over S) - V_S / S is used (one-way analysis of variance).

    In a ladder the prior of a level moves with the levels above, and q with it: such a level has active units in this
    sense even if its rate is zero.  Whether a unit is *used*, and the verdict, therefore depend on its rate in nats.
    A unit of a model of sequences is one at all steps: it varies with data and steps, and its rate is the sum over the
    steps of a datum.  Raises HvaeError for fewer than 2 data or 2 draws.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VAEConfig(latent=2, widths=(8,)), shape=(1, 4, 4), bits=1)
    >>> activity(model, torch.ones(6, 1, 4, 4).split(3)).levels["z1"].active_dims
    0
    """
    samples = whole("samples", samples, 2)
    meter, trace, sums = Meter(progress, batches, samples), Trace(), _Sums()
    with still(model, seed):
        for evidence in seen(model, batches):
            trace = _take(model, evidence, samples, sums, meter)
    if sums.data < 2:
        raise HvaeError(f"expected at least 2 data to see what varies with them, got {sums.data}")
    keys = list(dict.fromkeys(_unit(model, record) for record in trace.latents))
    levels = {
        name: _level([sums.units(key) for key in keys if key[0] == name], noun) for name, noun in _nouns(trace).items()
    }
    return ActivityResult(data=sums.data, samples=samples, seed=seed, levels=levels, verdict=verdict(levels))


def _take(model: Model, evidence: Evidence, samples: int, sums: _Sums, meter: Meter) -> Trace:
    draws: dict[Key, list[Tensor]] = {}
    for _ in range(samples):
        trace = run(model, posterior, evidence)
        for record in trace.latents:
            draws.setdefault(record.key, []).append(double((record.q or record.law).mean()))
            sums.spend(_unit(model, record), _per_unit(model, double(record.divergence()[0])) / samples)
        meter.add(1)
    for record in trace.latents:
        sums.move(_unit(model, record), *_as_rows(model, torch.stack(draws[record.key]), record.mask))
    sums.data += len(evidence)
    return trace


def _nouns(trace: Trace) -> dict[str, str]:
    """What the units of each level are called, top first."""
    coded = {record.name for record in trace.latents if isinstance(record.p, Codes)}
    return {name: "codes" if name in coded else "dimensions" for name in levels_of(trace)}


def _unit(model: Model, record: Record) -> Key:
    """What stands for a variable: of a model of sequences a unit is one at all its steps, however many there are."""
    return (record.name, None) if model.timed else record.key


def _per_unit(model: Model, nats: Tensor) -> Tensor:
    """The nats of a latent, (B, ...); of one that lies along a sequence, (B, C, P), the sum over its positions."""
    return nats.sum(2) if model.timed and nats.ndim == 3 else nats


def _as_rows(model: Model, means: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Means (S, B, ...) and which rows of them exist; positions along a sequence, (S, B, D, P), are rows."""
    if not model.timed or means.ndim != 4:
        return means, mask
    return means.movedim(3, 2).flatten(1, 2), None if mask is None else mask.flatten()


class _Sums:
    """Sums over data of the statistics of each unit, float64."""

    def __init__(self) -> None:
        self.data = 0
        self.moves: dict[Key, int] = {}
        """How many means of each variable were taken in: one a datum, of sequences one a step that exists."""
        self.totals: dict[tuple[Key, str], Tensor] = {}

    def _add(self, key: Key, name: str, per_datum: Tensor) -> None:
        self.totals[key, name] = self.totals.get((key, name), 0.0) + per_datum.sum(0)

    def spend(self, key: Key, nats: Tensor) -> None:
        """The rate of each unit, (B, ...)."""
        self._add(key, "nats", nats)

    def move(self, key: Key, means: Tensor, mask: Tensor | None = None) -> None:
        """The mean of q of each unit for each draw, (S, B, ...), in the rows that exist by the mask (B,)."""
        means = means if mask is None else means[:, mask.cpu()]
        self.moves[key] = self.moves.get(key, 0) + means.shape[1]
        if not means.shape[1]:
            return
        centre = means.mean(0)  # (B, ...)
        self._add(key, "mean", centre)
        self._add(key, "square", centre**2)
        self._add(key, "scatter", means.var(0) / len(means))

    def units(self, key: Key) -> tuple[Tensor, Tensor]:
        """Var_x(E_q[z]) and the mean rate of each unit, (C, positions) both."""
        n = self.moves[key]
        mean, square, scatter = (self.totals[key, name] / n for name in ("mean", "square", "scatter"))
        nats = self.totals[key, "nats"] / self.data
        variance = (square - mean**2) * (n / (n - 1)) - scatter
        if nats.ndim and nats.shape != variance.shape:
            # A code is scored as one number: it is one unit, which moves as far as its vector does.
            variance = variance.sum(0, keepdim=True)
        return _by_channel(variance), _by_channel(nats)


def _by_channel(unit: Tensor) -> Tensor:
    # A flow scores its event as one number, which is its only unit.
    return unit.reshape(1, 1) if unit.ndim == 0 else unit.reshape(len(unit), -1)  # (C, positions)


def _level(parts: list[tuple[Tensor, Tensor]], noun: str) -> LevelActivity:
    """One level from its steps (most levels have one)."""
    variances, rates = [v for v, _ in parts], [r for _, r in parts]
    dims, nats = sum(v.numel() for v in variances), float(sum(r.sum() for r in rates))
    used = _above(rates, USED_NATS)
    return LevelActivity(
        dims=dims,
        channels=sum(len(v) for v in variances),
        active_dims=_above(variances, ACTIVE_VARIANCE),
        active_channels=_above([v.mean(1) for v in variances], ACTIVE_VARIANCE),
        used_dims=used,
        used_channels=_above([r.mean(1) for r in rates], USED_NATS),
        rate_nats=nats,
        rate_nats_per_dim=nats / dims,
        state=_state(nats / dims, used, sum(r.numel() for r in rates)),
        noun=noun,
    )


def _above(parts: list[Tensor], threshold: float) -> int:
    return sum(int((part > threshold).sum()) for part in parts)


def _state(nats_per_dim: float, used: int, units: int) -> State:
    # Written so that a rate that is not a number is no sign of life.
    if not used and not nats_per_dim >= COLLAPSED_NATS_PER_DIM:
        return "collapsed"
    return "weak" if used < WEAK_SHARE * units else "alive"
