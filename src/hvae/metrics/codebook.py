r"""How the codes of each level are used, what one costs, and how much of the data comes back.

    perplexity = exp(-sum_k p_k log p_k),  p_k the share of code k over all data and positions
    order-0 bits = log2(perplexity) a code: what a code costs that knows these shares and nothing else
    bits = E[-log2 p(k | what the prior sees)] a code: log2 K for the uniform prior, less once one is trained

Of a level that draws its codes the most probable ones are counted, and bits are the rate, KL(q || p), which q's entropy
lowers.

Shapes: `B` data of one batch; `K` codes; `P` positions of a map; `...` a datum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.distributions.codebook import ChosenCodes, Codes, UniformCodes
from hvae.distributions.independent import IndependentCodes
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, double, seen, silent
from hvae.metrics.results import Estimate, estimate, plain
from hvae.records import JSON
from hvae.walk import Model, Record, glimpse, run, still


@dataclass(frozen=True, kw_only=True)
class LevelCodes:
    """One map of codes over the data."""

    codes: int
    """Codes of the book, K."""
    positions: float
    """Codes of a datum; of sequences, on average."""
    used: int
    """Codes that occur at all."""
    perplexity: float
    """Between 1 and K."""
    order0_bits: float
    """Entropy of the shares, bits a code."""
    bits: Estimate
    """What the prior charges, bits a code."""
    is_uniform: bool
    """Whether the prior is the uniform one."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many codes occur how often: by the power of two that their count reaches, "0" for those that never do."""


@dataclass(frozen=True, kw_only=True)
class CodebookResult:
    """The codes of every level, top first, and what they leave of the data."""

    data: int
    seed: int
    mse_over_variance: float
    """Mean squared error of the reconstruction over the variance of the data, both over all values."""
    bits_per_dim: Estimate
    """What all codes cost together, bits a value of a datum."""
    levels: dict[str, LevelCodes]

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return plain(self)


def has_codes(model: Model) -> bool:
    """Whether a level of the model draws from a codebook."""
    return any(_is_coded(record) for record in glimpse(model).latents)


def codebook(
    model: Model, batches: Iterable[Tensor | Datum], *, seed: int = 0, progress: Progress = silent
) -> CodebookResult:
    """Use and cost of every codebook over some data, and MSE over variance.

    Arguments: `batches`, tensors (B, *model.shape).  Raises HvaeError for a model without codes, and for no data.

    >>> from hvae.config.vqvae import VQVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VQVAEConfig(codes=8, dims=2, width=4, hidden=2), shape=(1, 8, 8))
    >>> result = codebook(model, torch.rand(6, 1, 8, 8).split(3))
    >>> result.levels["z1"].positions, round(result.levels["z1"].bits.mean, 6)
    (4.0, 3.0)
    """
    if not has_codes(model):
        raise HvaeError("expected a model with codes, such as vqvae; no level of this one has a codebook")
    meter, tallies, errors, data = Meter(progress, batches, 1), dict[str, _Tally](), list[Tensor](), list[Tensor]()
    with still(model, seed):
        for evidence in seen(model, batches):
            trace = run(model, posterior, evidence)
            x, picture = double(evidence.data), double(model.picture(trace).clamp(0, 1))
            is_known = evidence.is_known.cpu()
            errors.append((picture - x)[is_known].square().sum())
            data.append(_moments(x[is_known]))
            for record in filter(_is_coded, trace.latents):
                tallies.setdefault(record.name, _Tally(record)).add(record)
            meter.add(1)
    levels = {name: tally.result() for name, tally in tallies.items()}
    together = torch.stack([torch.cat(tally.nats) for tally in tallies.values()]).sum(0)
    values = float(torch.stack(data)[:, 0].sum())
    return CodebookResult(
        data=len(together),
        seed=seed,
        mse_over_variance=float(torch.stack(errors).sum()) / values / _variance(data),
        bits_per_dim=estimate(together, math.log(2) * values / len(together)),
        levels=levels,
    )


def _is_coded(record: Record) -> bool:
    return isinstance(record.p, Codes)


def _moments(x: Tensor) -> Tensor:
    return torch.stack([torch.tensor(float(x.numel())).double(), x.sum(), x.square().sum()])


def _variance(moments: list[Tensor]) -> float:
    count, total, squares = torch.stack(moments).sum(0).tolist()
    return max(squares / count - (total / count) ** 2, 1e-300)


class _Tally:
    """Counts of the codes of one level."""

    def __init__(self, record: Record) -> None:
        q = record.q
        assert isinstance(q, ChosenCodes | IndependentCodes)
        self.counts = torch.zeros(len(q.book), dtype=torch.int64)
        self.is_uniform = isinstance(record.p, UniformCodes)
        self.nats: list[Tensor] = []

    def add(self, record: Record) -> None:
        """Count the codes of a batch."""
        assert isinstance(record.q, ChosenCodes | IndependentCodes)
        index = record.q.index if record.mask is None else record.q.index[record.mask[:, 0]]
        self.counts += torch.bincount(index.flatten().cpu(), minlength=len(self.counts))
        self.nats.append(double(record.rate()))

    def result(self) -> LevelCodes:
        """What the counts say."""
        share = self.counts.double() / self.counts.sum()
        entropy, nats = float(torch.special.entr(share).sum()), torch.cat(self.nats)
        positions = int(self.counts.sum()) / len(nats)
        return LevelCodes(
            codes=len(self.counts),
            positions=positions,
            used=int((self.counts > 0).sum()),
            perplexity=math.exp(entropy),
            order0_bits=entropy / math.log(2),
            bits=estimate(nats, math.log(2) * positions),
            is_uniform=self.is_uniform,
            counts=_octaves(self.counts),
        )


def _octaves(counts: Tensor) -> dict[str, int]:
    """How many codes reach which power of two.

    >>> _octaves(torch.tensor([0, 1, 3, 2, 9]))
    {'0': 1, '1': 1, '2': 2, '8': 1}
    """
    powers = torch.where(counts > 0, counts.clamp(min=1).double().log2().floor(), -1.0).long()
    sizes = torch.bincount(powers + 1).tolist()
    return {str(0 if place == 0 else 1 << (place - 1)): many for place, many in enumerate(sizes) if many}
