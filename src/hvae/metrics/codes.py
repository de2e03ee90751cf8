"""The latents of data as plain tables of numbers, level by level: what metrics of representations look at.

Shapes: `B` data of one batch; `N` data in all; `D` dimensions of a level, all its places and steps side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hvae.draw import mode, posterior
from hvae.errors import unknown
from hvae.metrics.evaluating import Meter, Progress, evaluating, levels_of, seen, silent
from hvae.walk import Model, Record, Trace, run

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

    def __len__(self) -> int:
        return len(next(iter(self.levels.values())))

    def varying(self, most: int) -> Codes:
        """The dimensions of each level that vary most over the data, `most` at most, in their order."""
        return Codes(self.kind, {name: table[:, _widest(table, most)] for name, table in self.levels.items()})


def _widest(table: Tensor, most: int) -> Tensor:
    return table.var(0).topk(min(most, table.shape[1])).indices.sort().values


def codes(
    model: Model, batches: Iterable[Tensor], kind: Kind = "means", *, seed: int = 0, progress: Progress = silent
) -> Codes:
    """The latents of every datum.

    Arguments: `batches`, tensors (B, *model.shape); `kind`, "means" or "samples"; `seed` of the samples.  Raises
    HvaeError for another kind, or when there are no data.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VAEConfig(latent=2, widths=(8,)), shape=(1, 4, 4), bits=1)
    >>> codes(model, torch.ones(6, 1, 4, 4).split(3)).levels["z1"].shape
    torch.Size([6, 2])
    """
    if kind not in _DRAWS:
        raise unknown("kind of codes", kind, _DRAWS)
    tables: dict[str, list[Tensor]] = {}
    meter = Meter(progress, batches, 1)
    with evaluating(model, seed):
        for evidence in seen(model, batches):
            trace = run(model, _DRAWS[kind], evidence)
            for name in levels_of(trace):
                tables.setdefault(name, []).append(_row(trace, name, kind))
            meter.add(1)
    return Codes(kind, {name: torch.cat(parts) for name, parts in tables.items()})


def _row(trace: Trace, name: str, kind: Kind) -> Tensor:
    steps = [_numbers(record, kind).flatten(1) for record in trace.latents if record.name == name]
    return torch.cat(steps, 1).float().cpu().double()  # (B, D)


def _numbers(record: Record, kind: Kind) -> Tensor:
    return record.value if kind == "samples" else (record.q or record.law).mean()
