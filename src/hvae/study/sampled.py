"""Pictures that were drawn from a run, and how.

Shapes: `N` pictures; `C H W` a picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.records import JSON

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.engine import Use


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples:
    """Pictures (N, C, H, W) in [0, 1], or what else `noun` says, and how they were drawn; `rows`, how many at once."""

    file: Path
    pictures: Tensor
    noun: str
    temperature: Mapping[str, float]
    guidance: Mapping[str, float]
    among: Mapping[str, Mapping[str, float]]
    """Among which codes each level was drawn, {"k": 50, "p": 0.9}; levels that might have all are left out."""
    seed: int
    rows: int
    recalibrate: int
    solver: str
    uniform: Mapping[str, int]
    """Levels whose codes were drawn from the uniform prior, since none is trained, and how many codes there are."""
    cells: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """The seed of each picture in each level, where they had their own."""
    use: Use | None = None
    """Who has computed them; None where nobody knows."""

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae sample --json` gives."""
        return {
            "file": str(self.file),
            "number": len(self.pictures),
            "temperature": dict(self.temperature),
            "guidance": dict(self.guidance),
            **({"among": {name: dict(some) for name, some in self.among.items()}} if self.among else {}),
            "seed": self.seed,
            "rows": self.rows,
            "recalibrate": self.recalibrate,
            **({"cells": {name: list(seeds) for name, seeds in self.cells.items()}} if self.cells else {}),
            **({"solver": self.solver} if self.solver else {}),
            **({"backend": self.use.to_dict()} if self.use and self.use.is_other else {}),
            **({"uniform_priors": dict(self.uniform)} if self.uniform else {}),
        }
