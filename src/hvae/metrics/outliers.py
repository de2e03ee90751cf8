r"""Out-of-distribution scores of a hierarchical model; higher is farther out of distribution.

The likelihood alone fails: the levels near the data encode generic features such as edges, which serve digits as well
as clothes.  The bound L>k replaces the lowest k levels by their prior given the levels above, so that only the upper
levels describe the datum.

Shapes: `B` data of one batch; `N` data in all; `K` draws for each; `L` levels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.counts import whole
from hvae.datum import Datum
from hvae.draw import Draw, posterior
from hvae.engine import TORCH, Engine, Question
from hvae.errors import HvaeError
from hvae.metrics.complexity import png_bits
from hvae.metrics.cut import prior_mode, terms_above
from hvae.metrics.draws import Stream, chunks, posterior_terms, scored
from hvae.metrics.evaluating import Meter, Progress, seen, silent
from hvae.seeds import noise_seed, reseed
from hvae.walk import Evidence, Model, names, run, still

TINY, RIDGE = 1e-9, 1e-3
PNG, STEPS = "png", "steps"


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """Bounds and rates of each datum, nats, (N,) each, float64 on the CPU."""

    bound: str
    """The bound on log p(x): "ELBO" or "IW-K"."""
    log_p: Tensor
    """The bound L."""
    beyond: dict[int, Tensor]
    """L>k by k: the same with the lowest k levels redrawn."""
    rates: dict[str, Tensor]
    """KL(q || p) of each level, top first."""
    png: Tensor | None
    """Bits of a PNG of the datum; None for a density, and for sequences."""
    steps: Tensor | None = None
    """Of sequences how many steps each has, (N,): all nats are then nats a step.  None of other data."""

    def __len__(self) -> int:
        return len(self.log_p)


def measure(
    model: Model,
    batches: Iterable[Tensor | Datum],
    *,
    bits: int,
    samples: int = 1,
    cuts: Sequence[int] | None = None,
    lower: Draw = prior_mode,
    chunk_rows: int = 1024,
    seed: int = 0,
    progress: Progress = silent,
    engine: Engine = TORCH,
) -> Measured:
    r"""The bound L, every L>k, and the rate of each level, for each datum.

    $$L^{>k} = E_{p(z_{\le k} \mid z_{>k})\, q(z_{>k} \mid x)}
      \Big[\log \frac{p(x \mid z)\, p(z_{>k})}{q(z_{>k} \mid x)}\Big]$$

    Havtorn, Frellsen, Hauberg and Maaloe 2021, arXiv 2102.08248; like their code, the redrawn levels take the
    mode of their prior (`lower`; with `hvae.draw.prior()` L>k is a lower bound on log p(x) in expectation).  With one
    sample the rates are analytic where possible; with K > 1 the bounds are importance-weighted and all terms sampled.
    In top-down inference all k share the random numbers of the levels above.  Of sequences every number is divided by
    the steps of the sequence: bounds are of whole ones, and grow with their length, which is no sign of anything.

    Arguments: `bits` of a value of the data; `cuts`, the values of k, 1 to L (none: all); `engine`, who computes.
    Raises HvaeError for another cut, and without data.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> table = measure(model, torch.ones(6, 1, 4, 4).split(3), bits=1)
    >>> table.bound, list(table.beyond), list(table.rates)
    ('ELBO', [1, 2], ['z2', 'z1'])
    """
    samples, chunk_rows = whole("samples", samples, 1), whole("chunk_rows", chunk_rows, 1)
    parts, density = [], False
    with still(model, seed):
        levels = names(model)
        questions = {0: posterior_terms(model), **_redrawn(model, levels, cuts, lower)}
        meter = Meter(progress, batches, samples * len(questions))
        for number, evidence in enumerate(seen(model, batches, engine)):
            bounds = {}
            for k, question in questions.items():
                reseed(noise_seed(seed, number))
                bounds[k] = _bound(engine, question, evidence, samples, chunk_rows, meter)
            of = _of_steps if model.timed else _of_pictures
            parts.append(of(_part(bounds, samples), evidence, bits))
        density = any(record.law.density for record in run(model, posterior, evidence).observed)
    return _joined(parts, levels, samples, density)


def _redrawn(model: Model, levels: list[str], cuts: Sequence[int] | None, lower: Draw) -> dict[int, Question]:
    """For each k the terms of the bound that leaves the lowest k of the levels (top first) to `lower`."""
    depths = range(1, len(levels) + 1) if cuts is None else cuts
    for k in depths:
        if not 1 <= k <= len(levels):
            raise HvaeError(f"expected cuts from 1 to {len(levels)}, the levels of this model, got {k}")
    return {k: terms_above(model, levels, k, lower) for k in depths}


def _bound(
    engine: Engine, question: Question, evidence: Evidence, samples: int, chunk_rows: int, meter: Meter
) -> dict[str, Tensor]:
    stream = Stream()
    for k in chunks(samples, chunk_rows // len(evidence)):
        stream.add(scored(engine.answer(question, evidence.repeat(k)), k))
        meter.add(k)
    return stream.per_datum()


def _part(columns: dict[int, dict[str, Tensor]], samples: int) -> dict[str, Tensor]:
    """One batch as columns: "0", "1", ... the bounds by k, and the rates."""
    rates = {name: column for name, column in columns[0].items() if name.startswith("rate/")}
    bounds = {str(k): _log_p(scores, samples) for k, scores in columns.items()}
    return {**bounds, **rates}


def _of_pictures(part: dict[str, Tensor], evidence: Evidence, bits: int) -> dict[str, Tensor]:
    """The same and the PNG bits."""
    return {**part, PNG: png_bits(evidence.data, bits)}


def _of_steps(part: dict[str, Tensor], evidence: Evidence, bits: int) -> dict[str, Tensor]:
    """The same of sequences, in nats a step, and how many steps each has."""
    steps = evidence.datum.counts.cpu()
    return {**{name: column / steps for name, column in part.items()}, STEPS: steps.double()}


def _log_p(scores: dict[str, Tensor], samples: int) -> Tensor:
    if samples > 1:
        return scores["iw"]
    return scores["log_likelihood"] - sum(nats for name, nats in scores.items() if name.startswith("rate/"))


def _joined(parts: list[dict[str, Tensor]], levels: list[str], samples: int, density: bool) -> Measured:
    columns = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return Measured(
        bound="ELBO" if samples == 1 else f"IW-{samples}",
        log_p=columns["0"],
        beyond={int(k): column for k, column in columns.items() if k.isdigit() and k != "0"},
        rates={name: columns[f"rate/{name}"] for name in levels},
        png=None if density else columns.get(PNG),
        steps=columns.get(STEPS),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference:
    """Statistics of the training data, by which scores are standardised.

    `log_p`, its mean; `mean` (L,) and `covariance` (L, L) of the rates.
    """

    log_p: float
    mean: Tensor
    covariance: Tensor


def enough(data: int, levels: int) -> None:
    """Raises HvaeError when the normal data are too few for the covariance of the rates."""
    if data < levels + 10:
        raise HvaeError(f"expected {levels + 10} normal data or more to know what is usual, got {data}; give more")


def usual(measured: Measured) -> Reference:
    """The statistics of normal data.  Raises HvaeError for fewer than 10 more data than levels."""
    rates = torch.stack(list(measured.rates.values()), 1)  # (N, L)
    enough(*rates.shape)
    return Reference(
        log_p=float(measured.log_p.mean()),
        mean=rates.mean(0),
        covariance=torch.cov(rates.T).reshape(2 * [rates.shape[1]]),
    )


def scores(measured: Measured, reference: Reference) -> dict[str, Tensor]:
    r"""Every score of each datum, (N,) each; higher is farther out of distribution.

    - `nll`, -L, and `nll>k`, -L>k, in nats: raw likelihoods.
    - `llr>k`, L - L>k: the contribution of the lowest k levels to the bound.  It is large when only they describe the
      datum.  Havtorn et al. 2021, arXiv 2102.08248.
    - `kl/z1`, ...: the absolute z-score of a level's rate under the training data; `kl`: the Mahalanobis distance of
      all rates together.
    - `typicality`: |L - mean L| in nats; Nalisnick et al. 2019, arXiv 1906.02994, with batches of one.
    - `complexity`: -L in bits less the bits of a PNG; Serra et al. 2020, arXiv 1909.11480.  Not for densities, nor for
      sequences.

    >>> measured = Measured(bound="ELBO", log_p=torch.zeros(20), beyond={1: -torch.ones(20)},
    ...                     rates={"z1": torch.arange(20.0)}, png=None)
    >>> sorted(scores(measured, usual(measured)))
    ['kl', 'kl/z1', 'llr>1', 'nll', 'nll>1', 'typicality']
    """
    log_p, off = measured.log_p, torch.stack(list(measured.rates.values()), 1) - reference.mean
    deviation = reference.covariance.diagonal().sqrt().clamp_min(TINY)
    levels = {f"kl/{name}": column for name, column in zip(measured.rates, (off / deviation).abs().T, strict=True)}
    complexity = {} if measured.png is None else {"complexity": -log_p / math.log(2) - measured.png}
    return {
        "nll": -log_p,
        **{f"nll>{k}": -beyond for k, beyond in measured.beyond.items()},
        **{f"llr>{k}": log_p - beyond for k, beyond in measured.beyond.items()},
        **levels,
        "kl": _mahalanobis(off / deviation, reference.covariance / (deviation[:, None] * deviation)),
        "typicality": (log_p - reference.log_p).abs(),
        **complexity,
    }


def unit(score: str) -> str:
    """What a score is counted in.

    >>> unit("llr>1"), unit("kl"), unit("complexity")
    ('nats', 'deviations', 'bits')
    """
    return "bits" if score == "complexity" else "deviations" if score.startswith("kl") else "nats"


def deciding(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The default selection of complementary scores.

    The likelihood, the likelihood ratios of the lowest level and of the lower half, the rates, and complexity where the
    likelihood is a mass.  Ranges are two-sided: too likely is out-of-distribution too.
    """
    half = max(1, sum(name.startswith("kl/") for name in scores) // 2)
    names = dict.fromkeys(["nll", "llr>1", f"llr>{half}", "kl", "complexity"])
    return {name: scores[name] for name in names if name in scores}


def _mahalanobis(off: Tensor, correlation: Tensor) -> Tensor:
    # A little of the identity: levels that always spend the same together leave a direction without any variance.
    steady = correlation + RIDGE * torch.eye(len(correlation), dtype=correlation.dtype)
    return (off * torch.linalg.solve(steady, off.T).T).sum(1).sqrt()
