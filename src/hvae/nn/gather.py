r"""Latents of all levels in the state that the data are made of.

$$h \leftarrow h + \sum_l V_l\, \mathrm{up}(z_l)$$

The sum of linear maps of some maps is one linear map of their concatenation.  Kuzina and Tomczak 2024 (latent
aggregation, there of the latents alone): every latent has a path to the data that no level in between can close.

Shapes: `B` batch; `W` channels of the state; `D` of a latent; `h w` the place of either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.conv import pointwise


class Gather(nn.Module):
    """The state and some latents, by level: (B, W, ...) -> (B, W, ...).

    Arguments: `latents`, channels by level, none of which leaves the state as it is; `width` W; `axes` of
    the places.
    """

    def __init__(self, latents: Mapping[str, int], width: int, axes: int = 2) -> None:
        super().__init__()
        gain = math.sqrt(1 / max(len(latents), 1))
        self.layers = nn.ModuleDict({name: pointwise(d, width, gain, axes) for name, d in latents.items()})

    def forward(self, h: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        for name, layer in self.layers.items():
            h = h + F.interpolate(layer(values[name]), size=h.shape[2:], mode="nearest")
        return h
