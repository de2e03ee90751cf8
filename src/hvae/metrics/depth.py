"""The bound of a diffusion by its number of levels, and in continuous time: what more levels are worth.

Shapes: `B` data of a batch; `K` levels of a walk that are visited.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.distributions import Depth, Moments
from hvae.draw import Draw, coarse, posterior, thin
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, double, seen, silent
from hvae.metrics.results import Estimate, Plain, estimate, ratio
from hvae.seeds import noise_seed, reseed
from hvae.walk import Model, glimpse, run, still

COUNTS = (10, 100, 1000)
VISITS = 10


@dataclass(frozen=True, kw_only=True)
class LevelsBound:
    """The bound of a walk of so many levels; of the limit of ever more of them where `levels` is 0."""

    levels: int
    negative_elbo_nats: Estimate
    """Nats per datum: an unbiased estimate, by `visits` of the levels."""
    bits_per_dim: Estimate | None
    """None for a density."""
    visits: int
    """Levels that were visited for each datum, a random one of each of so many equal parts of the time."""


@dataclass(frozen=True, kw_only=True)
class DepthResult(Plain):
    """-ELBO as a function of the number of levels."""

    data: int
    seed: int
    by_levels: tuple[LevelsBound, ...]


def has_depth(model: Model) -> bool:
    """Whether a model may have as many levels as it is asked for."""
    return any(isinstance(record.p, Depth) for record in glimpse(model).records.values())


def depth(
    model: Model,
    batches: Iterable[Tensor | Datum],
    *,
    counts: Sequence[int] = (),
    visits: int = VISITS,
    seed: int = 0,
    progress: Progress = silent,
) -> DepthResult:
    r"""-ELBO of a diffusion of T levels for several T, each a bound on -log p(x) of its own.

    $$-\mathrm{ELBO}_T = E[-\log p(x \mid z_0)] + KL(q(z_1 \mid x) \,\|\, p(z_1)) + L_T, \qquad
      \hat L_T = \frac{T}{K} \sum_{k=1}^K KL_{t_k}$$

    Kingma et al. 2021, arXiv 2107.00630, sec. 4: a network that denoises better at t than at t + 1/T makes L_T fall in
    T.  Of each datum K levels are visited, one of each K-th of the time, so that the mean over data is unbiased with a
    cost that does not grow with T.

    Arguments: `batches`, tensors (B, *model.shape), read once; `counts`, the T (those of 10, 100, 1000 that the model
    can have, its own number, and its limit where it is one of continuous time: 0); `visits` K, at most T are.  Raises
    HvaeError for a model whose levels are what they are, for more levels than there are, and without data.

    >>> import hvae
    >>> from hvae.config import VDMConfig
    >>> config = VDMConfig(steps=20, widths=(4,), blocks=1)
    >>> result = depth(hvae.build(config, shape=(1, 4, 4), bits=1), torch.ones(6, 1, 4, 4).split(3))
    >>> [row.levels for row in result.by_levels]
    [10, 20]
    """
    draws = {count: _draw(count, visits) for count in counts or _counts(model)}
    _check(model, draws)
    scores: dict[int, list[Tensor]] = {count: [] for count in draws}
    values: list[Tensor] = []
    with still(model, seed):
        meter = Meter(progress, batches, len(draws))
        for number, evidence in enumerate(seen(model, batches)):
            values.append(evidence.values.cpu())
            for count, draw in draws.items():
                reseed(noise_seed(seed, number))
                trace = run(model, draw, evidence)
                scores[count].append(double(-trace.elbo()))
                meter.add(1)
    density = any(record.law.density for record in trace.observed)
    dims = None if density else torch.cat(values)
    rows = tuple(_row(count, torch.cat(nats), dims, visits) for count, nats in scores.items())
    return DepthResult(data=sum(map(len, values)), seed=seed, by_levels=rows)


def _laws(model: Model) -> tuple[Depth, bool]:
    """How deep a model can be, and whether it is one of continuous time.  Raises HvaeError for any other."""
    laws = [record.p for record in glimpse(model).records.values()]
    depths = [law for law in laws if isinstance(law, Depth)]
    if not depths:
        raise HvaeError(
            "the levels of this model are what they are: depth is measured of diffusions (model.family vdm)"
        )
    return depths[0], any(isinstance(law, Moments) for law in laws)


def _counts(model: Model) -> list[int]:
    law, is_continuous = _laws(model)
    return [*sorted({*(t for t in COUNTS if t <= law.most), law.total}), *([0] if is_continuous else [])]


def _check(model: Model, counts: Mapping[int, Draw]) -> None:
    law, is_continuous = _laws(model)
    for count in counts:
        if count:
            law.levels(count)
        elif not is_continuous:
            raise HvaeError("0 levels stand for continuous time, and this model has levels (model.steps); name numbers")


def _draw(count: int, visits: int) -> Draw:
    return coarse(count, thin(min(visits, count))) if count else thin(visits, posterior)


def _row(count: int, nats: Tensor, dims: Tensor | None, visits: int) -> LevelsBound:
    return LevelsBound(
        levels=count,
        negative_elbo_nats=estimate(nats),
        bits_per_dim=None if dims is None else ratio(nats, dims, math.log(2)),
        visits=min(visits, count) if count else visits,
    )
