"""Levels below a trained model, at finer scales than its own: each moves what the likelihood reads.

Shapes: `B` batch; `...` a feature's shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from hvae.levels.finer import FinerLevel
from hvae.nn import BottomUp
from hvae.site import Visit
from hvae.walk import Evidence


class Finer(nn.Module):
    """What was added below the lowest level of a walk, and the way up to it; without levels it changes nothing.

    Arguments: `ways`, by scale x -> {level name: feature}, which the old way up knows nothing of; `levels`, the highest
    first, each (state, raw parameters, its feature or None, visit) -> (state, raw parameters).
    """

    def __init__(self, ways: Mapping[str, BottomUp], levels: Sequence[FinerLevel]) -> None:
        super().__init__()
        self.ways = nn.ModuleDict(ways)
        self.levels = nn.ModuleDict({level.name: level for level in levels})

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """The evidence of each level, by name."""
        return {name: e for way in self.ways.values() for name, e in way(x).items()}

    def forward(self, h: Tensor, theta: Tensor, visit: Visit, evidence: Evidence) -> Tensor:
        for name, level in self.levels.items():
            h, theta = level(h, theta, evidence.feature(name), visit)
        return theta
