r"""How probable each cell of a row is given its other cells.

    log p(x_c | x_-c) = log sum_k w_k p(x_c | z_k) - log sum_k w_k,
    w_k = p(x_-c | z_k) p(z_k) / q(z_k | x_-c),  z_k ~ q(z | x_-c)

Self-normalised importance sampling: of the model itself as K grows, a bound of nothing.  The cell is hidden from
inference, which reads 0 for it as it does for gaps (Mattei and Frellsen 2019, arXiv 1812.02633).

Shapes: `B` rows of a batch; `N` rows in all; `D` columns; `K` draws for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae.datum import Datum, as_datum
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import Meter, Progress, double, silent
from hvae.seeds import noise_seed, reseed
from hvae.walk import Model, device_of, run, still


def surprises(
    model: Model,
    batches: Iterable[Tensor | Datum],
    *,
    draws: int = 20,
    chunk_rows: int = 1024,
    seed: int = 0,
    progress: Progress = silent,
) -> Tensor:
    """-log p of each cell given the others in nats, (N, D) float64, NaN where a cell is not known.

    Raises HvaeError for data that are no rows of cells.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VAEConfig(likelihood="columns", columns=("name:2", "name:4"), latent=2, widths=(8,)), (2,), 16)
    >>> surprises(model, [torch.tensor([[0.5, 1.0]])], draws=3).shape
    torch.Size([1, 2])
    """
    if len(model.shape) != 1 or model.timed:
        raise HvaeError(f"expected a model of rows of cells (D,), got data of shape {tuple(model.shape)}")
    parts, meter, size = [], Meter(progress, batches, 1), max(1, chunk_rows // draws)
    with still(model, seed):
        for number, batch in enumerate(batches):
            reseed(noise_seed(seed, number))
            datum = as_datum(batch).to(device_of(model))
            parts += [double(_rows(model, some, draws)) for some in datum.split(size)]
            meter.add(1)
    return torch.cat(parts)


@dataclass(frozen=True, eq=False)
class Odd:
    """The oddest cell of each row: its `column` (N,), its `nats` (N,), and the `share` (N,) of usual cells of that
    column that are as surprising or more; NaN where no cell of a row is known."""

    column: Tensor
    nats: Tensor
    share: Tensor


def oddest(nats: Tensor, usual: Tensor) -> Odd:
    """Which cell of each row (N, D) is the oddest beside those of usual rows (M, D): least share, then most nats.

    >>> odd = oddest(torch.tensor([[5.0, 1.0]]), torch.tensor([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]))
    >>> odd.column.tolist(), odd.share.tolist()
    ([0], [0.25])
    """
    counts = torch.stack([_above(*pair) for pair in zip(nats.T, usual.T, strict=True)], 1)
    shares = counts.where(nats == nats, torch.inf)
    excess = (nats - usual.nanmedian(0).values).where(nats == nats, -torch.inf)
    tied = shares <= shares.amin(1, keepdim=True)
    column = excess.where(tied, -torch.inf).argmax(1)
    share = shares.gather(1, column[:, None])[:, 0]
    return Odd(column, nats.gather(1, column[:, None])[:, 0], share.where(share.isfinite(), torch.nan))


def _above(column: Tensor, usual: Tensor) -> Tensor:
    """The share of usual cells at least as surprising, the cell itself counted among them, (N,)."""
    rising = usual[usual == usual].sort().values
    below = torch.searchsorted(rising, column.contiguous())
    return (1 + len(rising) - below) / (1 + len(rising))


def _rows(model: Model, datum: Datum, draws: int) -> Tensor:
    return torch.stack([_column(model, datum, column, draws) for column in range(model.shape[0])], 1)


def _column(model: Model, datum: Datum, column: int, draws: int) -> Tensor:
    """Of one column, (B,)."""
    is_known, others = datum.is_known, datum.is_known.clone()
    others[:, column] = False
    trace = run(model, posterior, model.evidence(replace(datum, observed=others), check=False).repeat(draws))
    log_w = trace.log_weight().view(-1, draws)
    cells = trace["x"].law.log_prob(datum.x.repeat_interleave(draws, 0))[:, column].view(-1, draws)
    nats = log_w.logsumexp(1) - (log_w + cells).logsumexp(1)
    return nats.where(is_known[:, column], torch.nan)
