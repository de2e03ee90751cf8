r"""What a model of a table understands of each column: nats of its cells, beside those of the column by itself.

    reconstruction   -log p(x_c | z), z ~ q(z | x): they sum to the reconstruction term of the bound
    held             -log p(x_c | x_-c), the cell hidden from inference (`hvae.metrics.columns`)
    marginal         -log m_c(x_c), the column's own law, fitted to training data

Shapes: `B` rows of a batch; `N` rows that are measured; `M` rows of training; `D` columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Normal

from hvae.datum import Datum
from hvae.distributions.base import Distribution
from hvae.distributions.columns import Columns, Names, Wholes
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, double, seen, silent
from hvae.metrics.results import Estimate, estimate, plain
from hvae.records import JSON
from hvae.seeds import noise_seed, reseed
from hvae.walk import Model, glimpse, run, still

FINEST = 1e-5
"""The least deviation of real numbers in [0, 1]: they are kept in 16 bits."""


@dataclass(frozen=True, kw_only=True)
class CellNats:
    """Means over the cells of one column that are known; the reconstruction over all rows, 0 where a cell is not."""

    column: str
    cells: int
    reconstruction_nats: Estimate
    held_nats: Estimate
    marginal_nats: Estimate
    gain_nats: Estimate
    """The marginal less the held, paired by cell: above 0 where the other cells tell something of this one."""

    @property
    def is_understood(self) -> bool:
        """Whether the gain is above 0 with its whole 95 % interval."""
        return self.gain_nats.low95 > 0


@dataclass(frozen=True, kw_only=True)
class ColumnsResult:
    """Every column that has known cells; their reconstructions sum to `reconstruction_nats`."""

    data: int
    draws: int
    seed: int
    reconstruction_nats: Estimate
    columns: tuple[CellNats, ...]

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        values: JSON = plain(self)
        return values


def reconstructions(
    model: Model, batches: Iterable[Tensor | Datum], *, seed: int = 0, progress: Progress = silent
) -> Tensor:
    """-log p(x_c given z) of each cell in nats, one z of q a row, (N, D) float64; NaN where a cell is not known.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VAEConfig(likelihood="columns", columns=("name:2", "name:4"), latent=2, widths=(8,)), (2,), 16)
    >>> reconstructions(model, [torch.tensor([[0.5, 1.0]])]).shape
    torch.Size([1, 2])
    """
    parts, meter = [], Meter(progress, batches, 1)
    with still(model, seed):
        for number, evidence in enumerate(seen(model, batches)):
            reseed(noise_seed(seed, number))
            data = run(model, posterior, evidence)["x"]
            nats = -data.log_probs()
            parts.append(double(nats if data.observed is None else nats.where(data.observed, torch.nan)))
            meter.add(1)
    return torch.cat(parts)


def marginals(law: Columns, train: Tensor, x: Tensor) -> Tensor:
    r"""-log m_c(x_c) of cells (N, D) by laws fitted to those of training (M, D), NaN where a cell is not known.

    Names: shares of their counts and one more each.  Real numbers: the Gaussian of their moments.  Whole numbers: half
    their shares, half the mass of that Gaussian, so that neither few rows nor odd shapes are taken against the column.

    >>> from hvae.distributions.columns import Names
    >>> law = Columns([Names(torch.zeros(1, 2, 1), torch.tensor([2.0]))], [torch.tensor([0])], torch.tensor([0]))
    >>> marginals(law, torch.tensor([[0.5], [0.5], [1.0]]), torch.tensor([[0.5]])).exp()
    tensor([[1.6667]], dtype=torch.float64)
    """
    nats = torch.full(x.shape, torch.nan, dtype=torch.float64)
    for one, places in zip(law.laws, law.places, strict=True):
        for at, column in enumerate(places.tolist()):
            own, cells = train[:, column].double(), x[:, column].double()
            nats[:, column] = -_marginal(one, at, own[own == own], cells)
    return nats.where(x == x, torch.nan)


def _marginal(law: Distribution, at: int, own: Tensor, cells: Tensor) -> Tensor:
    """log m of cells (N,) of one column; `at`, its place among those of its law."""
    if isinstance(law, Names):
        shares = _counts(own, int(law.counts[at])) + 1
        return (shares / shares.sum()).log()[_index(cells, len(shares))]
    if not isinstance(law, Wholes):
        return _gaussian(own).log_prob(cells.nan_to_num())
    counts = _counts(own, int(law.levels[at]))
    edges = (torch.arange(1, len(counts)).double() + 0.5) / len(counts)
    mass = _gaussian(own).cdf(edges).diff(prepend=edges.new_zeros(1), append=edges.new_ones(1))
    return ((counts / counts.sum().clamp(min=1) + mass) / 2).log()[_index(cells, len(counts))]


def _index(cells: Tensor, count: int) -> Tensor:
    return ((cells.nan_to_num() * count).round().long() - 1).clamp(0, count - 1)


def _counts(cells: Tensor, count: int) -> Tensor:
    return torch.bincount(_index(cells, count), minlength=count).double()


def _gaussian(cells: Tensor) -> Normal:
    if not len(cells):  # of nothing known: anything in [0, 1]
        return Normal(torch.tensor(0.5).double(), torch.tensor(1.0).double())
    return Normal(cells.mean(), cells.std(correction=0).clamp(min=FINEST))


def law_of(model: Model) -> Columns:
    """The law of one row.  Raises HvaeError for models whose columns have no laws of their own."""
    law = glimpse(model)["x"].law if len(model.shape) == 1 and not model.timed else None
    if not isinstance(law, Columns):
        raise HvaeError("expected a model with a law for each column; train a table with --model.likelihood columns")
    return law


def by_column(
    names: Sequence[str], reconstruction: Tensor, surprise: Tensor, marginal: Tensor, *, draws: int, seed: int
) -> ColumnsResult:
    """The three of each cell, (N, D) with NaN where it is not known, as means with their errors."""
    is_known = ~reconstruction.isnan()
    lost = reconstruction.nan_to_num()
    columns = tuple(
        CellNats(
            column=name,
            cells=int(some.sum()),
            reconstruction_nats=estimate(lost[:, c]),
            held_nats=estimate(surprise[some, c]),
            marginal_nats=estimate(marginal[some, c]),
            gain_nats=estimate((marginal - surprise)[some, c]),
        )
        for c, (name, some) in enumerate(zip(names, is_known.T, strict=True))
        if bool(some.any())
    )
    whole = estimate(lost.sum(1))
    return ColumnsResult(data=len(lost), draws=draws, seed=seed, reconstruction_nats=whole, columns=columns)
