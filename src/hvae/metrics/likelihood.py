"""Likelihood bounds: the ELBO, the importance-weighted bound, and the rate of each level.

Shapes: `B` data of one batch; `N` data in all; `K` draws of the latents for each; `k` draws at once; `L` levels.
All nats; bits per dimension only in the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae.config.evaluate import check_block
from hvae.counts import whole
from hvae.datum import Datum, as_datum
from hvae.distributions.codebook import Codes
from hvae.draw import posterior
from hvae.engine import TORCH, Engine
from hvae.metrics.draws import Scores, Stream, chunks, posterior_terms, scored
from hvae.metrics.evaluating import Meter, Progress, levels_of, seen, silent
from hvae.metrics.likelihood_result import (
    STEPS,
    Averages,
    BlockBounds,
    Extremes,
    LevelRate,
    LikelihoodResult,
    StepBounds,
)
from hvae.metrics.results import estimate, ratio
from hvae.seeds import noise_seed, reseed
from hvae.walk import Evidence, Model, Record, Trace, run, still

_VALUES = "values"
_FAR = 1e3
"""Median absolute deviations above the median, beyond which a bound is that of an extreme."""


def forget(*scores: object) -> None:
    """No-op callback for scores."""


def bounds(
    model: Model,
    batches: Iterable[Tensor | Datum],
    samples: int = 1,
    *,
    chunk_rows: int = 1024,
    seed: int = 0,
    block: int = 0,
    progress: Progress = silent,
    done: Sequence[Scores] = (),
    keep: Callable[[int, Scores], object] = forget,
    engine: Engine = TORCH,
) -> LikelihoodResult:
    r"""-ELBO and the importance-weighted bound of a model over batches of data.

    $$\mathrm{IW}_K(x) = \log \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k \mid x)}, \qquad
      \mathrm{ELBO}(x) \le E\,\mathrm{IW}_K(x) \le \log p(x)$$

    Burda, Grosse and Salakhutdinov 2015, arXiv 1509.00519.  The draws are taken in chunks of at most
    `chunk_rows` rows (never fewer than one draw of a batch) and their sum is kept in log space, so that memory does not
    grow with K; deterministic features of the data are computed once.

    Arguments: `batches`, tensors (B, *model.shape); `samples`, K; `seed` of the draws, from which each chunk's own is
    derived; `block`, draws M that divide K and are fewer: the bound by so many is taken from the same draws (0: not);
    `progress`, in draws over all batches; `keep`, called after each chunk with the batch number and the sums
    over its draws so far; `done`, the last of these sums for each batch from an interrupted call with the same
    arguments: they are not computed again, and the result is bit-identical; `engine`, who computes.
    Raises HvaeError when there are no data, and for blocks that do not divide the draws.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VAEConfig(latent=2, widths=(8,)), shape=(1, 4, 4), bits=1)
    >>> result = bounds(model, torch.ones(6, 1, 4, 4).split(3), samples=10)
    >>> result.data, result.likelihood, list(result.levels)
    (6, 'mass', ['z1'])
    """
    samples = whole("samples", samples, 1)
    chunk_rows = whole("chunk_rows", chunk_rows, 1)
    block = whole("block", block, None)
    check_block(block, samples)
    parts: list[Scores] = []
    meter = Meter(progress, batches, samples)
    first: Tensor | Datum = torch.empty(0)
    with still(model, seed):
        for number, x in enumerate(batches):
            first = x if number == 0 else first
            stream = Stream(done[number] if number < len(done) else None, block)
            if stream.draws:
                meter.add(stream.draws)
            if stream.draws < samples:
                _draw(stream, _Batch(model, x, number, seed, chunk_rows, engine), samples, keep, meter)
            parts.append({**stream.per_datum(), **_counted(model, x)})
        (evidence,) = seen(model, [first[:1]] if len(first) else [])
        trace = run(model, posterior, evidence)
    scores = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    result = _result(scores, trace, evidence, samples, seed)
    return replace(result, given=tuple(model.conditions), blocks=_blocks(scores, block))


@dataclass(frozen=True, eq=False)
class _Batch:
    model: Model
    x: Tensor | Datum
    number: int
    seed: int
    chunk_rows: int
    engine: Engine

    def reseed(self, draws: int) -> None:
        """Seed each chunk, so that its draws do not depend on where an earlier call stopped."""
        reseed(noise_seed(self.seed, self.number, draws))


def _draw(stream: Stream, of: _Batch, samples: int, keep: Callable[[int, Scores], object], meter: Meter) -> None:
    """Take the remaining draws of one batch."""
    (evidence,) = seen(of.model, [of.x], of.engine)
    question = posterior_terms(of.model)
    for k in chunks(samples - stream.draws, of.chunk_rows // len(evidence)):
        of.reseed(stream.draws)
        stream.add(scored(of.engine.answer(question, evidence.repeat(k)), k))
        keep(of.number, stream.sums_so_far())
        meter.add(k)


def _counted(model: Model, x: Tensor | Datum) -> Scores:
    """How many values of each datum of a batch are known, and of sequences their steps, (B,), as float64."""
    x = as_datum(x)
    values = {_VALUES: x.values.cpu().double()}
    return {**values, STEPS: x.counts.cpu().double()} if model.timed else values


def _result(scores: dict[str, Tensor], trace: Trace, evidence: Evidence, samples: int, seed: int) -> LikelihoodResult:
    count, dims = scores.get(STEPS), scores[_VALUES]  # (N,)
    step = evidence.data[0, 0].numel() if count is not None else evidence.data[0].numel()
    whole = step * (torch.ones_like(dims) if count is None else count)
    spent = [score for name, score in scores.items() if name.startswith("rate/")]
    negative_elbo, negative_iw = sum(spent, -scores["log_likelihood"]), -scores["iw"]
    density = any(record.law.density for record in trace.observed)
    return LikelihoodResult(
        data=len(negative_iw),
        dims=round(float(dims.mean())),
        samples=samples,
        seed=seed,
        likelihood="density" if density else "mass",
        negative_elbo_nats=estimate(negative_elbo),
        negative_iw_nats=estimate(negative_iw),
        reconstruction_nats=estimate(-scores["log_likelihood"]),
        elbo_bits_per_dim=None if density else ratio(negative_elbo, dims, math.log(2)),
        iw_bits_per_dim=None if density else ratio(negative_iw, dims, math.log(2)),
        effective_samples=float(scores["effective"].mean()),
        levels={name: _level(name, scores, trace) for name in levels_of(trace)},
        nonfinite_data=int((~negative_iw.isfinite() | ~negative_elbo.isfinite()).sum()),
        extremes=extremes(negative_elbo),
        missing=1 - float(dims.sum() / whole.sum()),
        steps=None if count is None else _steps(negative_elbo, negative_iw, sum(spent, 0 * count), count, step),
    )


def extremes(nats: Tensor) -> Extremes | None:
    """Which of the finite nats (N,) lie so far above the others that a mean is theirs alone; None where none does.

    >>> some = extremes(torch.tensor([84.0, 86.0, 85.0, 3e28]))
    >>> some.count, some.median_nats, some.rest_nats.mean
    (1, 85.0, 85.0)
    """
    nats = nats[nats.isfinite()].double()
    if not len(nats):
        return None
    median = nats.median()
    # Where most data cost the same, by rounding or by design, their deviation says nothing.
    deviation = (nats - median).abs().median().clamp_min(1e-3 * float(median.abs()))
    is_far = nats - median > _FAR * deviation
    if deviation == 0 or not is_far.any():
        return None
    return Extremes(count=int(is_far.sum()), median_nats=float(median), rest_nats=estimate(nats[~is_far]))


def _blocks(scores: dict[str, Tensor], block: int) -> BlockBounds | None:
    if not block:
        return None
    bound = scores["iw_block"]
    return BlockBounds(samples=block, negative_iw_nats=estimate(-bound), gain_nats=estimate(scores["iw"] - bound))


def _steps(negative_elbo: Tensor, negative_iw: Tensor, spent: Tensor, count: Tensor, dims: int) -> StepBounds:
    return StepBounds(
        steps=int(count.sum()),
        dims=dims,
        negative_elbo_nats=averages(negative_elbo, count),
        negative_iw_nats=averages(negative_iw, count),
        rate_nats=averages(spent, count),
    )


def averages(nats: Tensor, count: Tensor) -> Averages:
    """Nats a step by both averages, from nats (N,) and steps (N,) of each sequence."""
    return Averages(frame_average=ratio(nats, count), sequence_mean=estimate(nats / count))


def _level(name: str, scores: dict[str, Tensor], trace: Trace) -> LevelRate:
    records = [record for record in trace.latents if record.name == name]
    dims = sum(_size(record) for record in records)
    if STEPS in scores and records[0].step is not None:
        # The trace is that of the first sequence, and others have more steps or fewer.
        dims = round(dims * float(scores[STEPS].mean() / scores[STEPS][0]))
    nats = float(scores[f"rate/{name}"].mean())
    estimators = sorted({record.estimator for record in records})
    return LevelRate(rate_nats=nats, rate_nats_per_dim=nats / dims, dims=dims, estimator="+".join(estimators))


def _size(record: Record) -> int:
    """Numbers of a latent; of a map of codes the codes, whose numbers are chosen together."""
    value = record.value[0]
    return value[0].numel() if isinstance(record.p, Codes) else value.numel()
