r"""Reconstruction from all levels, and from the top k alone with the others drawn from the prior.

Shapes: `B` data of one batch; `N` data in all; `L` levels; `C H W` a picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.draw import Draw, each, posterior, prior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, double, seen, silent
from hvae.metrics.fidelity import psnr
from hvae.metrics.results import Estimate, Plain, estimate, ratio
from hvae.metrics.similarity import WINDOW, ms_ssim, scales
from hvae.seeds import noise_seed, reseed
from hvae.walk import Evidence, Model, Trace, names, run, still

MOST_DB = 100.0
"""PSNR is capped here: a perfect reconstruction would have infinity (100 dB is an error of 1e-5)."""
CUTS = 9
"""The largest number of cuts k evaluated; a deep ladder is cut at even distances."""


@dataclass(frozen=True, kw_only=True)
class ReconstructionResult(Plain):
    """Similarity of E[x given z], z drawn from q, to the data."""

    data: int
    seed: int
    psnr_db: Estimate
    ms_ssim: Estimate | None
    """None for pictures of fewer than 11 pixels a side, and for vectors."""
    ms_ssim_scales: int
    """Number of scales the pictures are large enough for; values at different numbers are not comparable."""
    exact_mean: bool = True
    """Whether the mean of the likelihood is exact; that of a mixture of logistics is approximate."""


def reconstruction(
    model: Model, batches: Iterable[Tensor | Datum], *, seed: int = 0, progress: Progress = silent
) -> ReconstructionResult:
    """PSNR and MS-SSIM of the mean of p(x given z) with one draw of z from q.

    Arguments: `batches`, tensors (B, *model.shape).  Raises HvaeError when there are no data.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VAEConfig(latent=2, widths=(8,)), shape=(1, 12, 12), bits=1)
    >>> reconstruction(model, torch.ones(6, 1, 12, 12).split(3)).ms_ssim_scales
    1
    """
    noise, alike, meter = [], [], Meter(progress, batches, 1)
    with still(model, seed):
        for evidence in seen(model, batches):
            trace = run(model, posterior, evidence)
            picture = model.picture(trace).clamp(0, 1)
            noise.append(_decibels(picture, evidence))
            if _scales(evidence.data):
                alike.append(ms_ssim(picture, evidence.data).double().cpu())
            meter.add(1)
    return ReconstructionResult(
        data=sum(map(len, noise)),
        seed=seed,
        psnr_db=estimate(torch.cat(noise)),
        ms_ssim=estimate(torch.cat(alike)) if alike else None,
        ms_ssim_scales=_scales(evidence.data),
        exact_mean=all(record.law.has_exact_mean for record in trace.observed),
    )


def _scales(x: Tensor) -> int:
    return scales(*x.shape[2:]) if x.ndim == 4 and min(x.shape[2:]) >= WINDOW else 0


def _decibels(picture: Tensor, evidence: Evidence) -> Tensor:
    """PSNR of what is known, (B,)."""
    x = evidence.data
    # As if the mean error of what is known were that of all.
    share = evidence.values / x[0].numel()
    return (psnr(torch.where(evidence.is_known, picture, x), x) + 10 * share.log10()).clamp(max=MOST_DB).double().cpu()


@dataclass(frozen=True, kw_only=True)
class TopLevels:
    """Bound and reconstruction when only the top k levels are inferred."""

    levels: int
    """Number of inferred levels, k."""
    lowest: str
    """The lowest inferred level; empty for k = 0."""
    rate_nats: float
    """The sum of their rates, nats per datum."""
    negative_bound_nats: Estimate
    """-L>(L-k): an upper bound on -log p(x) in expectation."""
    bits_per_dim: Estimate | None
    """The same in bits per dimension; None for a density."""
    psnr_db: Estimate | None
    """None for rows of a table, whose names have no distance."""
    gain_nats: Estimate | None = None
    """Improvement of the bound over the previous row, paired by datum; None for the first row."""


@dataclass(frozen=True, kw_only=True)
class ContributionResult(Plain):
    """Bound and reconstruction as a function of the number of inferred levels k."""

    data: int
    seed: int
    top: tuple[TopLevels, ...]


def contribution(
    model: Model,
    batches: Iterable[Tensor | Datum],
    *,
    counts: Sequence[int] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> ContributionResult:
    r"""Bits per dimension and PSNR when only the top k levels are inferred and the others drawn from the prior.

    $$L^{>L-k} = E_{p(z_{\le L-k} \mid z_{>L-k})\, q(z_{>L-k} \mid x)}[\log p(x \mid z)]
      - \sum_{l > L-k} KL(q_l \,\|\, p_l)$$

    The bound of Havtorn et al. 2021, arXiv 2102.08248, with one draw of the lower levels (not their modes),
    so that it is a lower bound on log p(x) in expectation; k = L is the ELBO, k = 0 is independent of the datum. All k
    share their random numbers.

    Arguments: `batches`, tensors (B, *model.shape), read once; `counts`, the values of k (none: all, at most 9, evenly
    spaced).  Raises HvaeError for k outside 0 .. L and without data.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> [row.lowest for row in contribution(model, torch.ones(6, 1, 4, 4).split(3)).top]
    ['', 'z2', 'z1']
    """
    scores: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {}
    values: list[Tensor] = []
    with still(model, seed):
        levels = names(model)
        draws = _draws(levels, evenly(len(levels)) if counts is None else counts)
        meter = Meter(progress, batches, len(draws))
        for number, evidence in enumerate(seen(model, batches)):
            values.append(evidence.values.cpu())
            for k, draw in draws.items():
                reseed(noise_seed(seed, number))
                trace = run(model, draw, evidence)
                scores.setdefault(k, []).append(_scores(model, trace, evidence))
                meter.add(1)
    density = any(record.law.density for record in trace.observed)
    bits = None if density else torch.cat(values).double()
    bounds = {k: torch.cat([log_likelihood - spent for log_likelihood, spent, _ in scores[k]]) for k in scores}
    before: dict[int, Tensor] = dict(zip([*scores][1:], bounds.values(), strict=False))
    gains = {k: estimate(bounds[k] - bound) for k, bound in before.items()}
    top = tuple(_row(k, levels[:k], parts, bits, gains.get(k)) for k, parts in scores.items())
    return ContributionResult(data=sum(len(part[0]) for part in scores[min(scores)]), seed=seed, top=top)


def evenly(depth: int, most: int = CUTS) -> list[int]:
    """At most `most` evenly spaced integers from 0 to `depth`, both ends included.

    >>> evenly(3), evenly(78)
    ([0, 1, 2, 3], [0, 10, 20, 29, 39, 49, 58, 68, 78])
    """
    most = min(most, depth + 1)
    return [round(i * depth / (most - 1)) for i in range(most)]


def _draws(levels: list[str], counts: Sequence[int]) -> Mapping[int, Draw]:
    for k in counts:
        if not 0 <= k <= len(levels):
            raise HvaeError(f"expected numbers of levels from 0 to {len(levels)}, got {k}")
    return {k: each(dict.fromkeys(levels[k:], prior()), posterior) for k in counts}


def _scores(model: Model, trace: Trace, evidence: Evidence) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x given z), the rate of the inferred levels, and PSNR, (B,) each, float64 on the CPU."""
    spent = sum((record.rate() for record in trace.latents), torch.zeros(len(evidence), device=evidence.data.device))
    log_likelihood = trace.log_likelihood()
    # A reduced precision has too few digits for sums of thousands of nats.
    decibels = _decibels(model.picture(trace).clamp(0, 1), evidence)
    return double(log_likelihood), double(spent), decibels


def _row(
    k: int, inferred: list[str], parts: list[tuple[Tensor, Tensor, Tensor]], bits: Tensor | None, gain: Estimate | None
) -> TopLevels:
    log_likelihood, spent, noise = (torch.cat(column) for column in zip(*parts, strict=True))
    return TopLevels(
        levels=k,
        lowest=inferred[-1] if inferred else "",
        rate_nats=float(spent.mean()),
        negative_bound_nats=estimate(spent - log_likelihood),
        bits_per_dim=None if bits is None else ratio(spent - log_likelihood, bits, math.log(2)),
        psnr_db=estimate(noise),
        gain_nats=gain,
    )
