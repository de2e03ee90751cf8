r"""Gated residual blocks with a side input, and rows of them.

Shapes: `B` batch; `A` input, `W` block and `S` side channels; `h w` space.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.weightnorm import padding


class GatedBlock(nn.Module):
    r"""Two maps, the second of which also decides how much of itself passes, beside a shortcut.

    $$y = u_1 \odot \sigma(u_2) + s(h), \qquad [u_1, u_2] = f_2(\mathrm{elu}(f_1(a(h)) + f_s(e)))$$

    The block of BIVA as released, Maaloe et al. 2019, arXiv 1902.02102.

    Arguments: `enter`, a, what is done to h first; `inner`, f_1, to W channels; `outer`, f_2, to 2 W channels;
    `side`, f_s, from the side input e (activated, since blocks share it) to what `inner` gives, or None when there is
    no e; `shortcut`, s, or None for no identity path; `dropout`, the probability that a hidden number is silenced in
    training.
    """

    def __init__(
        self,
        *,
        enter: nn.Module,
        inner: nn.Module,
        outer: nn.Module,
        side: nn.Module | None,
        shortcut: nn.Module | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.enter, self.inner, self.outer, self.side, self.shortcut = enter, inner, outer, side, shortcut
        self.dropout = nn.Dropout(dropout) if dropout > 0 else nn.Identity()

    def forward(self, h: Tensor, e: Tensor | None = None) -> Tensor:
        hidden = self.inner(self.enter(h))
        if self.side is not None:
            assert e is not None, "this block was built for a side input"
            hidden = hidden + self.side(e)
        y = F.glu(self.outer(self.dropout(F.elu(hidden))), 1)  # (B, 2 W, h, w) -> (B, W, h, w)
        return y if self.shortcut is None else y + self.shortcut(h)


class First(nn.Module):
    """The first `count` channels."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, h: Tensor) -> Tensor:
        return h[:, : self.count]  # (B, count, h, w)


class Halve(nn.Module):
    """The mean over 3 x 3 windows at every second position; the zeros around a map are counted in.

    Windows start at the padding of a convolution of the same kernel and stride, so that both see the same pixels.
    """

    def forward(self, h: Tensor) -> Tensor:
        (top, bottom), (left, right) = (padding(size, 3, 2) for size in h.shape[2:])
        return F.avg_pool2d(F.pad(h, (left, right, top, bottom)), 3, stride=2)  # (B, W, ceil(h / 2), ceil(w / 2))


class Row(nn.Module):
    """Blocks in a row that see one side input, or none, and what h passes `then`: (h, e) -> h."""

    def __init__(self, blocks: Sequence[nn.Module], then: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.blocks, self.then = nn.ModuleList(blocks), nn.Sequential(*then)

    def forward(self, h: Tensor, e: Tensor | None = None) -> Tensor:
        e = None if e is None else F.elu(e)
        for block in self.blocks:
            h = block(h, e)
        return self.then(h)


class SkipRow(nn.Module):
    """Blocks in a row, each with a side input of its own, or none has, and what h passes `then`:

    (h, [e_1, ...]) -> (h, what each block gave).
    """

    def __init__(self, blocks: Sequence[nn.Module], then: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.blocks, self.then = nn.ModuleList(blocks), nn.Sequential(*then)

    def forward(self, h: Tensor, sides: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        skips: list[Tensor] = []
        for j, block in enumerate(self.blocks):
            h = block(h, None if sides is None else F.elu(sides[j]))
            skips.append(h)
        return self.then(h), skips


class TwoPaths(nn.Module):
    """One stage of a climb: the up path sees what both paths were below, the path across what the up path is here."""

    def __init__(self, *, up: Row, across: Row) -> None:
        super().__init__()
        self.up, self.across = up, across

    def forward(self, up: Tensor, across: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
        up = self.up(up, below)
        return up, self.across(across, up)
