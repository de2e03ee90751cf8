r"""The hierarchical importance-weighted bound: groups of draws that share their first levels.

Each sample u of the levels that inference draws first is completed by K samples v of the other levels; M such groups
are averaged:

$$\mathrm{HIW}_{M \times K}(x) = \log \frac1M \sum_{m=1}^M \frac1K \sum_{k=1}^K
  \frac{p(x, u_m, v_{mk})}{q(u_m \mid x)\, q(v_{mk} \mid u_m, x)}$$

In the terms of Huang, Sankaran, Dhekane, Lacoste and Courville 2019, arXiv 1905.04866 (H-IWAE): the levels v are the
variable that is proposed K times at once, u is the z_0 that the proposals share, and its meta-inference r(z_0 given
z_k) is the model's own p(u given v, x), with which p(x, v) r(u given v, x) is p(x, u, v); all K proposals are one q and
have one weight, 1/K.  That paper's learned, negatively correlated proposals are not implemented: they require a model
trained with them.

Each weight has mean p(x), so the bound holds.  Samples that share u are correlated, so that

$$\mathrm{ELBO} \le E\,\mathrm{IW}_M \le E\,\mathrm{HIW}_{M \times K} \le E\,\mathrm{IW}_{M K} \le \log p(x)$$

and as many independent samples are never worse.  The bound shows at which levels the gap of the ELBO arises: with one
group and K to infinity v is integrated out, and only the error of q(u given x) remains.

$$\log p(x) - \mathrm{ELBO} = KL(q(u \mid x) \| p(u \mid x)) + E_{q(u \mid x)}\, KL(q(v \mid u, x) \| p(v \mid u, x)),
  \qquad \mathrm{HIW}_{1 \times K} - \mathrm{ELBO} \nearrow \text{the second}$$

Shapes: `B` data of one batch; `N` data in all; `M` groups a datum, `m` of them at once; `K` draws a group, `k` at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

import torch
from torch import Tensor

from hvae.counts import whole
from hvae.datum import Datum, as_datum
from hvae.draw import Draw, Drawn, posterior
from hvae.errors import HvaeError, unknown
from hvae.metrics.draws import Scores, Stream, chunks
from hvae.metrics.evaluating import Meter, Progress, seen, silent
from hvae.metrics.likelihood import forget
from hvae.metrics.results import Estimate, Plain, estimate, ratio
from hvae.seeds import noise_seed, reseed
from hvae.site import Key, Site
from hvae.walk import Model, Record, Trace, run, still


@dataclass(frozen=True, kw_only=True)
class HierarchicalResult(Plain):
    """The hierarchical importance-weighted bound, and the gap of the ELBO by level.

    All estimates share their samples; none uses a closed-form KL.  `likelihood`: as in `LikelihoodResult`.
    """

    data: int
    """Number of data N."""
    dims: int
    """Dimensions of one datum."""
    shared: tuple[str, ...]
    """The levels that the draws of a group share, in the order in which they are drawn."""
    groups: int
    """Groups of draws M for each datum."""
    samples: int
    """Draws K in each group."""
    seed: int
    likelihood: Literal["mass", "density"]
    negative_hiw_nats: Estimate
    """-HIW-MxK per datum: an upper bound on -log p(x) in expectation, tighter with M."""
    negative_group_nats: Estimate
    """-HIW-1xK per datum, the mean over the M groups."""
    negative_elbo_nats: Estimate
    """-ELBO per datum, the mean over all M K draws."""
    gap_below_nats: Estimate
    """HIW-1xK - ELBO: in expectation a lower bound on the gap due to the levels that are not shared."""
    hiw_bits_per_dim: Estimate | None
    """-HIW-MxK in bits per dimension; None for a density."""
    effective_groups: float
    """(sum W)^2 / sum W^2 over the groups' mean weights W, mean over the data: near 1 the bound rests on one group."""
    nonfinite_data: int
    """Data whose bound is not finite: their presence makes the means useless."""


def hierarchical_bounds(
    model: Model,
    batches: Iterable[Tensor | Datum],
    shared: Sequence[str],
    *,
    groups: int = 1,
    samples: int = 100,
    chunk_rows: int = 1024,
    seed: int = 0,
    progress: Progress = silent,
    done: Sequence[Scores] = (),
    keep: Callable[[Scores], object] = forget,
) -> HierarchicalResult:
    """The bound HIW-MxK of a model over batches of data, in constant memory.

    Arguments: `batches`, tensors (B, *model.shape); `shared`, names of levels, those that inference draws first (from
    the top in a top-down model, from the data in a bottom-up one) but not all; `groups`, M; `samples`, K; `chunk_rows`,
    `seed`, `progress` (in draws of all groups), `done` and `keep`: as in `bounds`.  Raises HvaeError for levels
    that are not drawn first, a model of one level, or no data.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> result = hierarchical_bounds(model, torch.ones(6, 1, 4, 4).split(3), ["z2"], groups=2, samples=5)
    >>> result.gap_below_nats.mean > 0
    True
    """
    groups, samples = whole("groups", groups, 1), whole("samples", samples, 2)
    chunk_rows = whole("chunk_rows", chunk_rows, 1)
    values: list[Tensor] = []
    parts, meter, source = list(done), Meter(progress, batches, groups * samples), iter(batches)
    with still(model, seed):
        begin = list(islice(source, 1))
        (evidence,) = seen(model, [x[:1] for x in begin])
        trace = run(model, posterior, evidence)
        keys = first_drawn(trace, shared)
        for number, x in enumerate(chain(begin, source)):
            values.append(as_datum(x).values.cpu().double())
            if number < len(done):
                meter.add(groups * samples)
                continue
            reseed(noise_seed(seed, number))
            parts.append(_per_datum(_Groups(model, x, keys, samples, chunk_rows, meter), groups))
            keep(parts[-1])
    scores = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    scores["values"] = torch.cat(values)
    return _result(scores, trace, tuple(dict.fromkeys(name for name, _ in keys)), groups, samples, seed)


def first_drawn(trace: Trace, shared: Sequence[str]) -> list[Key]:
    """The variables of a trace that have these names; HvaeError unless they were drawn before all others."""
    keys = [record.key for record in trace.latents]
    levels = list(dict.fromkeys(name for name, _ in keys))
    if odd := next((name for name in shared if name not in levels), None):
        raise unknown("level", odd, levels)
    count = sum(name in shared for name, _ in keys)
    if not 0 < count < len(keys) or any(name not in shared for name, _ in keys[:count]):
        raise HvaeError(
            f"expected the levels that inference draws first, but not all of {', '.join(levels)}, to be shared; got "
            f"{', '.join(shared) or 'none'}"
        )
    return keys[:count]


@dataclass(frozen=True, eq=False)
class _Sharing(Draw):
    """Shared variables at their given values, without a proposal; the others from the posterior."""

    values: Mapping[Key, Tensor]

    def __call__(self, site: Site) -> Drawn:
        value = self.values.get(site.key)
        return posterior(site) if value is None else Drawn(value, None)


class _Groups:
    """Groups of draws for one batch."""

    def __init__(self, model: Model, x: Tensor | Datum, keys: list[Key], samples: int, rows: int, meter: Meter) -> None:
        (self.evidence,) = seen(model, [x])
        self.model, self.keys, self.samples, self.rows, self.meter = model, keys, samples, rows, meter

    def drawn(self, m: int) -> Scores:
        """Scores of m groups, (B, m): the mean log-weight, and the log of the mean weight."""
        first, stream = run(self.model, posterior, self.evidence.repeat(m)), Stream()
        stream.add({"log_weight": _wide(first.log_weight())[:, None]})  # (B m, 1)
        shared = [first.records[key] for key in self.keys]
        spent = sum(map(_spent, shared), torch.zeros(()))
        for k in chunks(self.samples - 1, self.rows // (len(self.evidence) * m)):
            again = _Sharing({record.key: record.value.repeat_interleave(k, 0) for record in shared})
            log_p = run(self.model, again, self.evidence.repeat(m * k)).log_weight()  # (B m k,)
            stream.add({"log_weight": _wide(log_p - spent.repeat_interleave(k)).view(-1, k)})
            self.meter.add(m * k)
        self.meter.add(m)
        return {name: score.view(-1, m) for name, score in stream.per_datum().items()}


def _spent(record: Record) -> Tensor:
    # The q of a value that was handed on is not asked again: some flows can score none but their own draws.
    return record.log_proposal()


def _wide(nats: Tensor) -> Tensor:
    return nats.cpu().double()


def _per_datum(of: _Groups, groups: int) -> Scores:
    parts = [of.drawn(m) for m in chunks(groups, of.rows // len(of.evidence))]
    mean, inner = (torch.cat([part[name] for part in parts], 1) for name in ("log_weight", "iw"))  # (B, M)
    effective = (2 * inner.logsumexp(1) - (2 * inner).logsumexp(1)).exp()
    hiw = inner.logsumexp(1) - math.log(groups)
    return {"hiw": hiw, "group": inner.mean(1), "elbo": mean.mean(1), "effective": effective}


def _result(
    scores: Scores, trace: Trace, shared: tuple[str, ...], groups: int, samples: int, seed: int
) -> HierarchicalResult:
    dims = scores["values"]  # (N,)
    density = any(record.law.density for record in trace.observed)
    return HierarchicalResult(
        data=len(scores["hiw"]),
        dims=round(float(dims.mean())),
        shared=shared,
        groups=groups,
        samples=samples,
        seed=seed,
        likelihood="density" if density else "mass",
        negative_hiw_nats=estimate(-scores["hiw"]),
        negative_group_nats=estimate(-scores["group"]),
        negative_elbo_nats=estimate(-scores["elbo"]),
        gap_below_nats=estimate(scores["group"] - scores["elbo"]),
        hiw_bits_per_dim=None if density else ratio(-scores["hiw"], dims, math.log(2)),
        effective_groups=float(scores["effective"].mean()),
        nonfinite_data=int((~scores["hiw"].isfinite() | ~scores["elbo"].isfinite()).sum()),
    )
