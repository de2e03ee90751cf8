r"""Transformers between pictures and maps of places: patches through attention, and back.

    t_p = W x_p + R_p,   t <- t + attention(norm(t)),   t <- t + mlp(norm(t))       Dosovitskiy et al. 2020, arXiv
                                                                                   2010.11929, eq. (1)-(4)
    encoder: z_p = norm(t_p);   decoder: x_p = V norm(t_p), a square of pixels      Yu et al. 2021, arXiv 2110.04627,
                                                                                   sec. 3.1 (ViT-VQGAN)

R_p are fixed sines and cosines of the row, then of the column (there: learned), so that the same weights take pictures
of any size.  Every place sees every other one.

Shapes: `B` batch; `C` channels; `W` width, a multiple of four and of the heads; `h w` places, one a square of `side` x
`side` pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.memory import waves


class Placed(nn.Module):
    """Where each place is, added to what is there: (B, W, h, w) -> the same.

    >>> Placed()(torch.zeros(1, 4, 1, 2))[0, :, 0]
    tensor([[0.0000, 0.0000],
            [1.0000, 1.0000],
            [0.0000, 0.8415],
            [1.0000, 0.5403]])
    """

    def forward(self, h: Tensor) -> Tensor:
        half = h.shape[1] // 2
        rows, columns = (waves(side, half, h).T for side in h.shape[2:])
        row, column = rows[:, :, None].expand(-1, -1, h.shape[3]), columns[:, None].expand(-1, h.shape[2], -1)
        return h + torch.cat([row, column])


class Attending(nn.Module):
    """Transformer layers over all places of a map, and a norm: (B, W, h, w) -> the same.

    Raises HvaeError for a width that does not fit.
    """

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        if width % 4 or width % heads:
            raise HvaeError(f"expected a width that 4 and {heads} heads divide, got {width}; e.g. {heads * 32}")
        self.placed = Placed()
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, F.gelu, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, h: Tensor) -> Tensor:
        t = self.placed(h).flatten(2).transpose(1, 2)  # (B, h w, W)
        for layer in self.layers:
            t = layer(t)
        out: Tensor = self.norm(t).transpose(1, 2).unflatten(2, h.shape[2:])
        return out


def downward(a: int, width: int, layers: int, heads: int, side: int) -> nn.Sequential:
    """From `a` channels to `width` at 1 / side of the resolution.

    >>> downward(3, 8, 1, 2, side=4)(torch.zeros(5, 3, 16, 12)).shape
    torch.Size([5, 8, 4, 3])
    """
    return nn.Sequential(nn.Conv2d(a, width, side, side), Attending(width, layers, heads))


def upward(a: int, width: int, layers: int, heads: int, side: int, out: int) -> nn.Sequential:
    """From `a` channels to `out` at `side` times the resolution: the mirror of `downward`.

    >>> upward(2, 8, 1, 2, side=4, out=3)(torch.zeros(5, 2, 4, 3)).shape
    torch.Size([5, 3, 16, 12])
    """
    return nn.Sequential(
        nn.Conv2d(a, width, 1),
        Attending(width, layers, heads),
        nn.Conv2d(width, out * side * side, 1),
        nn.PixelShuffle(side),
    )
