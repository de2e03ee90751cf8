"""Likelihood bounds: the ELBO, the importance-weighted bound, and the rate of each level.

Shapes: `B` data of one batch; `N` data in all; `K` draws of the latents for each; `k` draws at once; `L` levels.
All nats; bits per dimension only in the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from hvae.datum import Datum, as_datum
from hvae.distributions.codebook import Codes
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.evidence import whole
from hvae.metrics.evaluating import Meter, Progress, levels_of, seen, silent
from hvae.metrics.results import Estimate, estimate, plain, ratio
from hvae.records import JSON
from hvae.seeds import noise_seed
from hvae.walk import Evidence, Model, Record, Trace, run, still


@dataclass(frozen=True, kw_only=True)
class LevelRate:
    """The rate of one level: KL(q || p), mean over the data."""

    rate_nats: float
    """Nats per datum."""
    rate_nats_per_dim: float
    """Nats per latent dimension."""
    dims: int
    """Latent dimensions, over all steps of a recurring name; of sequences as many as they have on average."""
    estimator: str
    """"analytic" (closed form), "sampled", or both, as in "analytic+sampled"."""


@dataclass(frozen=True, kw_only=True)
class Averages:
    """A number of each sequence, for each of its steps, by the two averages in use; they differ where lengths do."""

    frame_average: Estimate
    """Sum over all sequences, divided by the number of all steps."""
    sequence_mean: Estimate
    """Mean over the sequences of what each has for a step of its own."""


@dataclass(frozen=True, kw_only=True)
class StepBounds:
    """Bounds for each step of sequences, in nats; steps that do not exist enter nothing."""

    steps: int
    """Steps of all sequences."""
    dims: int
    """Values of one step."""
    negative_elbo_nats: Averages
    negative_iw_nats: Averages
    """From the bound of whole sequences: log-mean-exp of the weights of each, then divided by its steps."""
    rate_nats: Averages
    """KL(q || p) of all levels."""


@dataclass(frozen=True, kw_only=True)
class LikelihoodResult:
    """Likelihood bounds of a model on N data.

    `likelihood` is "mass" for the log of a probability, "density" for one that depends on the unit of the data: only
    masses have bits per dimension, and the two are never comparable.
    """

    data: int
    """Number of data N."""
    dims: int
    """Dimensions of one datum, the mean, rounded, where data differ: what does not exist, or is not observed, does not
    count."""
    samples: int
    """Draws of the latents K for each datum."""
    seed: int
    likelihood: Literal["mass", "density"]
    negative_elbo_nats: Estimate
    """-ELBO per datum, averaged over the K draws; closed-form rates where they exist."""
    negative_iw_nats: Estimate
    """-IW-K per datum: an upper bound on -log p(x) in expectation, tighter with K."""
    reconstruction_nats: Estimate
    """-E_q[log p(x given z)] per datum."""
    elbo_bits_per_dim: Estimate | None
    """-ELBO in bits per dimension; None for a density."""
    iw_bits_per_dim: Estimate | None
    """-IW-K in bits per dimension; None for a density."""
    effective_samples: float
    """(sum w)^2 / sum w^2, mean over the data: near 1 the bound rests on single draws, near K q is exact."""
    levels: dict[str, LevelRate]
    """The rate of each level, top first."""
    nonfinite_data: int
    """Data whose bound is not finite: their presence makes the means useless."""
    steps: StepBounds | None = None
    """The same for each step of sequences; None for data that are none."""
    given: tuple[str, ...] = ()
    """What the model is told of each datum: the bounds are then on log p(x given these)."""
    missing: float = 0.0
    """Share of values that are not observed: the bounds are then on log p(observed values), the IW one that of MIWAE
    (Mattei and Frellsen 2019, arXiv 1812.02633), and so are all numbers by dimension."""

    def to_dict(self) -> JSON:
        """Plain values for JSON; steps are of sequences alone, and what is given of conditional models, and what is
        missing of incomplete data."""
        return {key: value for key, value in plain(self).items() if key not in (_STEPS, "given", "missing") or value}

    @property
    def of(self) -> str:
        """What is bounded, as "p(x)", "p(x given label)" or, of incomplete data, "p(observed x)"."""
        x = "observed x" if self.missing else "x"
        return f"p({x} given {', '.join(self.given)})" if self.given else f"p({x})"


_STEPS, _VALUES = "steps", "values"
Scores = dict[str, Tensor]
"""Scores of the data of one batch by name, (B,) each, float64 on the CPU."""


def forget(*scores: object) -> None:
    """No-op callback for scores."""


def bounds(
    model: Model,
    batches: Iterable[Tensor | Datum],
    samples: int = 1,
    *,
    chunk_rows: int = 1024,
    seed: int = 0,
    progress: Progress = silent,
    done: Sequence[Scores] = (),
    keep: Callable[[int, Scores], object] = forget,
) -> LikelihoodResult:
    r"""-ELBO and the importance-weighted bound of a model over batches of data.

    $$\mathrm{IW}_K(x) = \log \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k \mid x)}, \qquad
      \mathrm{ELBO}(x) \le E\,\mathrm{IW}_K(x) \le \log p(x)$$

    Burda, Grosse and Salakhutdinov 2015, arXiv 1509.00519.  The draws are taken in chunks of at most
    `chunk_rows` rows (never fewer than one draw of a batch) and their sum is kept in log space, so that memory does not
    grow with K; deterministic features of the data are computed once.

    Arguments: `batches`, tensors (B, *model.shape); `samples`, K; `seed` of the draws, from which each chunk's own is
    derived; `progress`, in draws over all batches; `keep`, called after each chunk with the batch number and the sums
    over its draws so far; `done`, the last of these sums for each batch from an interrupted call with the same
    arguments: they are not computed again, and the result is bit-identical.  Raises HvaeError when there are no data.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VAEConfig(latent=2, widths=(8,)), shape=(1, 4, 4), bits=1)
    >>> result = bounds(model, torch.ones(6, 1, 4, 4).split(3), samples=10)
    >>> result.data, result.likelihood, list(result.levels)
    (6, 'mass', ['z1'])
    """
    whole(samples, "samples", 1)
    whole(chunk_rows, "rows at once", 1)
    parts: list[Scores] = []
    meter = Meter(progress, batches, samples)
    first: Tensor | Datum = torch.empty(0)
    with still(model, seed):
        for number, x in enumerate(batches):
            first = x if number == 0 else first
            stream = Stream(done[number] if number < len(done) else None)
            if stream.draws:
                meter.add(stream.draws)
            if stream.draws < samples:
                _draw(stream, _Batch(model, x, number, seed, chunk_rows), samples, keep, meter)
            parts.append({**stream.per_datum(), **_counted(model, x)})
        (evidence,) = seen(model, [first[:1]] if len(first) else [])
        trace = run(model, posterior, evidence)
    scores = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return replace(_result(scores, trace, evidence, samples, seed), given=tuple(model.conditions))


@dataclass(frozen=True, eq=False)
class _Batch:
    model: Model
    x: Tensor | Datum
    number: int
    seed: int
    chunk_rows: int

    def reseed(self, draws: int) -> None:
        """Seed each chunk, so that its draws do not depend on where an earlier call stopped."""
        torch.manual_seed(noise_seed(self.seed, self.number, draws))


def _draw(stream: Stream, of: _Batch, samples: int, keep: Callable[[int, Scores], object], meter: Meter) -> None:
    """Take the remaining draws of one batch."""
    (evidence,) = seen(of.model, [of.x])
    for k in chunks(samples - stream.draws, of.chunk_rows // len(evidence)):
        of.reseed(stream.draws)
        stream.add(scored(run(of.model, posterior, evidence.repeat(k)), k))
        keep(of.number, stream.sums_so_far())
        meter.add(k)


def chunks(samples: int, at_once: int) -> list[int]:
    """Sizes of the chunks that `samples` draws are taken in, at most `at_once` each.

    >>> chunks(10, 4), chunks(3, 0)
    ([4, 4, 2], [1, 1, 1])
    """
    at_once = min(max(at_once, 1), samples)
    rest = samples % at_once
    return [at_once] * (samples // at_once) + [rest] * (rest > 0)


def scored(trace: Trace, k: int) -> dict[str, Tensor]:
    """Each score of each draw, (B, k), in float64 on the CPU: one transfer a chunk."""
    _check_unweighted(trace)
    log_likelihood = trace.log_likelihood()
    # The likelihood is the dear part, so the log-weight is built on it rather than asked for whole.
    log_weight = sum((record.log_weight() for record in trace.latents), log_likelihood)
    rates = {f"rate/{name}": rate for name, rate in trace.rates().items()}
    scores = {"log_weight": log_weight, "log_likelihood": log_likelihood, **rates}
    stacked = torch.stack([s.float() if s.dtype.itemsize < 4 else s for s in scores.values()]).cpu().double()
    return dict(zip(scores, stacked.view(len(scores), -1, k), strict=True))


def _counted(model: Model, x: Tensor | Datum) -> Scores:
    """How many values of each datum of a batch are known, and of sequences their steps, (B,), as float64."""
    x = as_datum(x)
    values = {_VALUES: x.values.cpu().double()}
    if not model.timed:
        return values
    steps = torch.full((len(x),), x.x.shape[1]) if x.lengths is None else x.lengths.cpu()
    return {**values, _STEPS: steps.double()}


def _check_unweighted(trace: Trace) -> None:
    """Raises HvaeError for a walk whose sites stand for several: its weights w do not average to p(x)."""
    for record in trace.records.values():
        if bool((torch.as_tensor(record.weight) != 1).any()):
            raise HvaeError(
                f"{record.name} stands for several sites by its weight, and such a walk has no bounds on log p(x); "
                "evaluate one that visits each of its levels"
            )


_LOGS = ("log_sum", "log_squares")


class Stream:
    """Scores of one batch, summed over its draws chunk by chunk; the result does not depend on the chunks.

    >>> stream = Stream()
    >>> for log_weight in (torch.tensor([[0.0, 1000.0]]), torch.tensor([[1000.0]])):
    ...     stream.add({"log_weight": log_weight})
    >>> stream.per_datum()["iw"] + math.log(3 / 2)
    tensor([1000.])
    """

    def __init__(self, begun: Scores | None = None) -> None:
        """Continue from the `sums_so_far` of another stream, if given."""
        rest = dict(begun or {"draws": torch.tensor(0), **dict.fromkeys(_LOGS, torch.tensor(-math.inf))})
        self.draws = int(rest.pop("draws"))
        self.log_sum, self.log_squares = (rest.pop(name) for name in _LOGS)
        self.sums: dict[str, Tensor] = rest

    def add(self, scores: dict[str, Tensor]) -> None:
        """Take in a chunk: scores (B, k) by name, "log_weight" among them."""
        log_weight = scores["log_weight"]
        self.draws += log_weight.shape[1]
        self.log_sum = torch.logaddexp(self.log_sum, log_weight.logsumexp(1))  # (B,)
        self.log_squares = torch.logaddexp(self.log_squares, (2 * log_weight).logsumexp(1))  # (B,)
        self.sums = {name: self.sums.get(name, 0.0) + s.sum(1) for name, s in scores.items()}

    def sums_so_far(self) -> Scores:
        """The state of the stream, from which another can continue."""
        logs = dict(zip(_LOGS, (self.log_sum, self.log_squares), strict=True))
        return {"draws": torch.tensor(self.draws), **logs, **self.sums}

    def per_datum(self) -> dict[str, Tensor]:
        """Means over the draws by name, the bound "iw" and the "effective" number of draws, each (B,)."""
        means = {name: total / self.draws for name, total in self.sums.items()}
        effective = (2 * self.log_sum - self.log_squares).exp()
        return {"iw": self.log_sum - math.log(self.draws), "effective": effective, **means}


def _result(scores: dict[str, Tensor], trace: Trace, evidence: Evidence, samples: int, seed: int) -> LikelihoodResult:
    count, dims = scores.get(_STEPS), scores[_VALUES]  # (N,)
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
        missing=1 - float(dims.sum() / whole.sum()),
        steps=None if count is None else _steps(negative_elbo, negative_iw, sum(spent, 0 * count), count, step),
    )


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
    if _STEPS in scores and records[0].step is not None:
        # The trace is that of the first sequence, and others have more steps or fewer.
        dims = round(dims * float(scores[_STEPS].mean() / scores[_STEPS][0]))
    nats = float(scores[f"rate/{name}"].mean())
    estimators = sorted({record.divergence()[1] for record in records})
    return LevelRate(rate_nats=nats, rate_nats_per_dim=nats / dims, dims=dims, estimator="+".join(estimators))


def _size(record: Record) -> int:
    """Numbers of a latent; of a map of codes the codes, whose numbers are chosen together."""
    value = record.value[0]
    return value[0].numel() if isinstance(record.p, Codes) else value.numel()
