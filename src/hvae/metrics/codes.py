"""Codes: one table of latents per level, the input of every representation metric.

Shapes: `B` data of one batch; `N` data in all; `D` dimensions of a level, all its places and steps side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.draw import mode, posterior
from hvae.errors import unknown
from hvae.metrics.evaluating import Meter, Progress, levels_of, seen, silent
from hvae.seeds import part_seed
from hvae.walk import Model, Record, Trace, run, still

Kind = Literal["means", "samples"]
_DRAWS = {"means": mode, "samples": posterior}


@dataclass(frozen=True, eq=False)
class Codes:
    """Each level's latents, {name: (N, D)} float64 on the CPU, top first, and what they are: "means" or "samples".

    The means of a level are those of q(z_l given x, the levels it depends on), these being at their modes; the
    samples are one joint draw.  Numbers of the two are not comparable: noise hides what a mean shows.
    """

    kind: Kind
    levels: dict[str, Tensor]
    dims: Mapping[str, int] = field(default_factory=dict)
    """Number of dimensions of each level before `varying` selected some."""

    def __len__(self) -> int:
        return len(next(iter(self.levels.values())))

    def varying(self, most: int) -> Codes:
        """The dimensions of each level that vary most over the data, `most` at most, in their order."""
        levels = {name: table[:, _widest(table, most)] for name, table in self.levels.items()}
        return Codes(self.kind, levels, {name: self.width(name) for name in levels})

    def width(self, name: str) -> int:
        """Number of dimensions of a level, including those that `varying` left out."""
        return self.dims.get(name, self.levels[name].shape[1])


def _widest(table: Tensor, most: int) -> Tensor:
    return table.var(0).topk(min(most, table.shape[1])).indices.sort().values


def codes(
    model: Model,
    batches: Iterable[Tensor | Datum],
    kind: Kind = "means",
    *,
    most: int = 0,
    seed: int = 0,
    progress: Progress = silent,
) -> Codes:
    """The code of every datum at every level.

    Arguments: `batches`, tensors (B, *model.shape), read twice with `most`; `kind`, "means" or "samples";
    `most`, the largest number of dimensions per level, those of largest variance (0: all; a deep model has megabytes
    per datum); `seed` of the samples.  Raises HvaeError for another kind, or when there are no data.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VAEConfig(latent=2, widths=(8,)), shape=(1, 4, 4), bits=1)
    >>> codes(model, torch.ones(6, 1, 4, 4).split(3)).levels["z1"].shape
    torch.Size([6, 2])
    """
    if kind not in _DRAWS:
        raise unknown("kind of codes", kind, _DRAWS)
    meter = Meter(progress, batches, 2 if most else 1)
    widest = _widest_of(_rows(model, batches, kind, seed, meter), most) if most else {}
    tables: dict[str, list[Tensor]] = {}
    dims: dict[str, int] = {}
    for row in _rows(model, batches, kind, seed, meter):
        for name, table in row.items():
            dims[name] = table.shape[1]
            tables.setdefault(name, []).append(table[:, widest[name]] if most else table)
    return Codes(kind, {name: torch.cat(parts).double() for name, parts in tables.items()}, dims)


def _rows(
    model: Model, batches: Iterable[Tensor | Datum], kind: Kind, seed: int, meter: Meter
) -> Iterator[dict[str, Tensor]]:
    """The codes of each batch, {name: (B, D)}, top first; reproducible from the seed."""
    for number, x in enumerate(batches):
        with still(model, part_seed(seed, number)):
            (evidence,) = seen(model, [x])
            trace = run(model, _DRAWS[kind], evidence)
            row = {name: _row(trace, name, kind) for name in levels_of(trace)}
        meter.add(1)
        yield row


def _widest_of(rows: Iterable[dict[str, Tensor]], most: int) -> dict[str, Tensor]:
    """The dimensions of largest variance of each level, in their order, from running sums."""
    sums: dict[str, Tensor] = {}
    count = 0
    for row in rows:
        count += len(next(iter(row.values())))
        for name, table in row.items():
            wide = table.double()
            sums[name] = sums.get(name, 0.0) + torch.stack([wide.sum(0), wide.square().sum(0)])  # (2, D)
    spread = {name: squares / count - (total / count) ** 2 for name, (total, squares) in sums.items()}
    return {name: s.topk(min(most, len(s))).indices.sort().values for name, s in spread.items()}


def _row(trace: Trace, name: str, kind: Kind) -> Tensor:
    steps = [_numbers(record, kind).flatten(1) for record in trace.latents if record.name == name]
    return torch.cat([t.float() if t.dtype.itemsize < 4 else t for t in steps], 1).cpu()  # (B, D)


def _numbers(record: Record, kind: Kind) -> Tensor:
    return record.value if kind == "samples" else (record.q or record.law).mean()
