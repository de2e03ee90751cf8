"""Features of a sequence at ever coarser steps: Transformer blocks, and windows that are merged between them.

Shapes: `B` rows; `T` steps; `K` ticks of a level; `W` width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from hvae.nn.fading import Fading
from hvae.nn.ticks import existing_ticks, only_existing

REACH = 1024
"""Ticks on either side from which on none is heard."""


class Mutual(nn.Module):
    """Blocks in which every tick that exists hears all others that do: (h (B, K, W), within (B, K) or None) -> h."""

    def __init__(self, width: int, heads: int, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.heads, self.blocks, self.norm = heads, nn.ModuleList(blocks), nn.LayerNorm(width)

    def forward(self, h: Tensor, within: Tensor | None) -> Tensor:
        attend = Fading(self.heads, REACH, ahead=REACH - 1, within=within)
        for block in self.blocks:
            h = block(h, attend)
        normalised: Tensor = self.norm(h)
        return normalised


class Climb(nn.Module):
    """A feature of each level on the way up: (u (B, T, W), lengths) -> {name: (B, K, W)}.

    `strides`, {name of a level: steps from tick to tick}, the lowest first; `steps`, (u, within) -> h; `merges`, of
    each level, ticks of the one below (of the lowest: steps) -> its own; `blocks`, of each level, (h, within) -> h.
    """

    def __init__(
        self, strides: Mapping[str, int], *, steps: nn.Module, merges: Iterable[nn.Module], blocks: Iterable[nn.Module]
    ) -> None:
        super().__init__()
        self.strides, self.steps = dict(strides), steps
        self.merges, self.blocks = nn.ModuleList(merges), nn.ModuleList(blocks)

    def forward(self, u: Tensor, lengths: Tensor | None) -> dict[str, Tensor]:
        h, below, features = self.steps(u, existing_ticks(u.shape[1], lengths, 1)), 1, {}
        for (name, stride), merge, blocks in zip(self.strides.items(), self.merges, self.blocks, strict=True):
            merged = merge(only_existing(h, lengths, below))
            h = blocks(merged, existing_ticks(merged.shape[1], lengths, stride))
            features[name], below = h, stride
        return features
