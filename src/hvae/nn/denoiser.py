r"""The denoiser of a diffusion over a few numbers: dense, and it hears how noisy they are.

    g = MLP(sin, cos of the noise level);  h <- h + W' silu(W h + V g)

the dense counterpart of `hvae.nn.unet`, whose noise level is Kingma et al. 2021, arXiv 2107.00630, appendix B.

Shapes: `B` batch; `...` one datum of N numbers; `W` hidden width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.mlp import he
from hvae.nn.unet import Level

QUIET = 0.1
"""What the last layers start at: near silence, and not at it, so that the layers before them learn at once."""


class Heard(nn.Module):
    """A residual block that hears the noise level: (B, W) and (B, G) -> (B, W)."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.first, self.hear = he(nn.Linear(width, width)), nn.Linear(context, width, bias=False)
        self.last = quiet(he(nn.Linear(width, width)))

    def forward(self, h: Tensor, g: Tensor) -> Tensor:
        out: Tensor = h + self.last(F.silu(self.first(F.silu(h)) + self.hear(g)))
        return out


class Dense(nn.Module):
    """(B, ...) and `level` of how noisy it is, (B, G) -> (B, ...).

    Arguments: `shape` of a datum; `width` W; `blocks`, residual ones.
    """

    def __init__(self, shape: Sequence[int], width: int, blocks: int) -> None:
        super().__init__()
        numbers, self.level = math.prod(shape), Level(max(width // 4, 1))
        self.enter = he(nn.Linear(numbers, width))
        self.blocks = nn.ModuleList(Heard(width, self.level.second.out_features) for _ in range(blocks))
        self.leave = quiet(he(nn.Linear(width, numbers)))

    def forward(self, z: Tensor, g: Tensor) -> Tensor:
        h = self.enter(z.flatten(1))
        for block in self.blocks:
            h = block(h, g)
        out: Tensor = self.leave(F.silu(h))
        return out.view_as(z)


def quiet(layer: nn.Linear) -> nn.Linear:
    """The same layer with a tenth of its weights."""
    layer.weight.data *= QUIET
    return layer
