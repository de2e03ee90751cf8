r"""Heat maps of each level: where a datum's rate deviates from that of training data.

Shapes: `B` data of one batch; `N` data in all; `C` channels; `h w` space of a level; `H W` space of the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.datum import Datum, as_datum
from hvae.draw import mode
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, levels_of, seen, silent
from hvae.walk import Model, Trace, run, still

DATA = "data"
"""The map of the data themselves: -log p(x given z)."""
EVEN, TINY = 0.1, 1e-9
"""Standard deviations are floored at a tenth of the level's mean: a corner that is always black would otherwise have an
infinite z-score."""


@dataclass(frozen=True, eq=False)
class UsualMaps:
    """Mean and standard deviation of each map at each place over training data, {name: (h, w)}."""

    mean: dict[str, Tensor]
    deviation: dict[str, Tensor]


def usual_maps(
    model: Model, batches: Iterable[Tensor | Datum], *, seed: int = 0, progress: Progress = silent
) -> UsualMaps:
    """Mean and deviation of each level's rate at each place.  Raises HvaeError for fewer than 2 images."""
    meter, count = Meter(progress, batches, 1), 0
    sums: dict[str, Tensor] = {}
    with still(model, seed):
        for evidence in seen(model, batches):
            for name, nats in _maps(run(model, mode, evidence)).items():
                moments = torch.stack([nats.sum(0), nats.square().sum(0)])  # (2, h, w)
                sums[name] = sums.get(name, 0.0) + moments
            count += len(evidence)
            meter.add(1)
    if not sums or count < 2:
        raise HvaeError("expected 2 images or more to know what is usual where; maps are of images, not of vectors")
    mean = {name: s / count for name, (s, _) in sums.items()}
    variance = {name: (squares / count - mean[name] ** 2).clamp_min(0) for name, (_, squares) in sums.items()}
    deviation = {name: v.sqrt().clamp_min(EVEN * float(v.sqrt().mean()) + TINY) for name, v in variance.items()}
    return UsualMaps(mean, deviation)


def rate_maps(model: Model, data: Tensor | Datum, *, seed: int = 0) -> dict[str, Tensor]:
    r"""Nats at each place of each level, {name: (B, h, w)} float64, top first; the last, "data", is -log p(x given z).

    $$r_l(x)_{hw} = \sum_c KL(q_l \,\|\, p_l)_{chw}$$

    The latents are the modes of q, so that maps are deterministic; levels without places have none.  `data`
    (B, C, H, W) in [0, 1].

    >>> from hvae.config.model import LadderConfig
    >>> from hvae.zoo import build
    >>> model = build(LadderConfig(groups=(1, 1), width=8, latent=2), shape=(1, 8, 8), bits=1)
    >>> {name: tuple(nats.shape) for name, nats in rate_maps(model, torch.ones(3, 1, 8, 8)).items()}
    {'z2': (3, 4, 4), 'z1': (3, 8, 8), 'data': (3, 8, 8)}
    """
    with still(model, seed):
        (evidence,) = seen(model, [data])
        return _maps(run(model, mode, evidence))


def heat(model: Model, data: Tensor | Datum, usual: UsualMaps, *, seed: int = 0) -> dict[str, Tensor]:
    r"""The z-score of each place of each level, {name: (B, H, W)}, top level first.

    $$\frac{r_l(x)_{hw} - \mathrm{mean}_{hw}}{\mathrm{deviation}_{hw}}$$

    with the nats r of `rate_maps`.  Maps of a level are enlarged to the data by repeating places.  `data`
    (B, C, H, W).
    """
    maps = rate_maps(model, data, seed=seed)
    off = {name: (f - usual.mean[name]) / usual.deviation[name] for name, f in maps.items()}
    size = tuple(as_datum(data).x.shape[-2:])
    return {name: F.interpolate(f[:, None], size=size, mode="nearest")[:, 0] for name, f in off.items()}


def _maps(trace: Trace) -> dict[str, Tensor]:
    """Nats at each place, summed over channels, {name: (B, h, w)}: levels that have places, top first, and the data."""
    maps: dict[str, Tensor] = {}
    for name in levels_of(trace):
        nats = [record.divergence()[0] for record in trace.latents if record.name == name]
        if nats[0].ndim == 4:
            maps[name] = torch.stack(nats).sum((0, 2))  # (B, h, w)
    for record in trace.observed:
        if record.value.ndim == 4:
            maps[DATA] = maps.get(DATA, 0.0) - _by_place(record.log_probs(), record.value)
    return {name: nats.double().cpu() for name, nats in maps.items()}


def _by_place(log_p: Tensor, value: Tensor) -> Tensor:
    """log p summed over channels; a mixture over colours has one number per place already."""
    whole = log_p.sum(1) if log_p.shape == value.shape else log_p
    return whole.reshape(len(value), *value.shape[2:])  # (B, H, W)
