r"""Frames as pictures that are drawn once and put where each frame has them.

Hsieh et al. 2018, arXiv 1806.04166: what a thing looks like stays, where it is does not.  A picture S of side s is put
at a centre (u, v) between the pixels by Gaussians along each axis, as Gregor et al. 2015, arXiv 1502.04623, write:

$$r(y, x) = b + \sum_k \sum_{i, j} G(y - u_k - i)\, S^k_{ij}\, G(x - v_k - j), \qquad
  i, j \in \{-\tfrac{s-1}2, .., \tfrac{s-1}2\}$$

G is a normal density of learned width.  A picture moves by a small matrix product, and its place has a gradient as far
as it reaches.

Shapes: `N` frames; `K` pictures; `P` raw numbers a pixel; `s` the side of a picture; `H W` of a frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hvae.modules import Spatial
from hvae.nn.conv import pointwise
from hvae.nn.mlp import dense
from hvae.nn.product import Linear

WIDTH = 1.0
"""Of G at the start, pixels; training may sharpen it."""
NARROWEST = 0.5
"""Pixels: by Poisson's sum an even picture stays even but for 2 exp(-2 pi^2 / 4), 1.4 %, wherever it is put."""
SLOWNESS = 0.1
"""Of pictures and ground: a factor on what draws them, so that no light is put out before it finds its place."""
SPOT = 0.2
"""Of the light that a picture starts as: its standard deviation, in sides of the picture."""
SHARPNESS = 4.0
"""Of the maps of `Whereabouts` at the start: a dark ground then has less weight than what stands on it."""


class Sprites(Spatial):
    """[quick, still] (N, A + B) -> raw numbers (N, P, H, W): `quick` says where, `still` what, and on which ground.

    Arguments: `inputs`, (A, B); `count`, K; `side`, s; `parameters`, P; `width` of hidden layers; `size`, (H, W).
    """

    def __init__(
        self, inputs: tuple[int, int], *, count: int, side: int, parameters: int, width: int, size: Sequence[int]
    ) -> None:
        super().__init__(size)
        quick, still = inputs
        self.inputs, self.shape = list(inputs), (count, parameters, side, side)
        self.place = nn.Sequential(dense(quick, width), Linear(width, 2 * count))
        last = Linear(width, math.prod(self.shape))
        self.picture = nn.Sequential(dense(still, width), dense(width, width), last)
        self.ground = Linear(still, parameters)
        self.log_width = nn.Parameter(torch.tensor(math.log(WIDTH)))
        with torch.no_grad():
            last.bias.copy_(spot(side).expand(self.shape).flatten() / SLOWNESS)

    @torch.no_grad()
    def begin(self, raw: Tensor) -> None:
        """Start on the ground of raw parameters (P,): on a grey one pictures would first learn to be out of the way."""
        self.ground.weight.mul_(SLOWNESS)
        self.ground.bias.copy_(raw)

    def forward(self, states: Tensor) -> Tensor:
        quick, still = states.split(self.inputs, 1)
        pictures = (SLOWNESS * self.picture(still)).unflatten(1, self.shape)  # (N, K, P, s, s)
        where = self.place(quick).sigmoid().unflatten(1, (-1, 1, 2))  # (N, K, 1, 2), in units of the room
        down, across = (self._along(where[..., axis], pixels) for axis, pixels in enumerate(self.size))
        put = down @ pictures @ across.transpose(3, 4)  # (N, K, P, H, W)
        return put.sum(1) + self.ground(still)[:, :, None, None]

    def _along(self, where: Tensor, pixels: int) -> Tensor:
        """How much of each row of a picture falls on each of a frame, (N, K, 1) -> (N, K, 1, pixels, s)."""
        width, side = NARROWEST + self.log_width.exp(), self.shape[-1]
        frame = torch.arange(pixels, device=where.device) + 0.5
        rows = torch.arange(side, device=where.device) - (side - 1) / 2
        centre = side / 2 + (pixels - side) * where[..., None, None]
        distance = frame[:, None] - rows - centre  # (N, K, 1, pixels, s)
        return torch.exp(-0.5 * (distance / width) ** 2) / (width * math.sqrt(2 * math.pi))


def spot(side: int) -> Tensor:
    """A round light in a square (side, side), which every picture starts as: it has to stand somewhere.

    A picture of nothing has no place to learn, and at no place there is a picture to learn.
    """
    rows = (torch.arange(side) - (side - 1) / 2) / (SPOT * side)
    return torch.exp(-0.5 * (rows[:, None] ** 2 + rows**2))


class Whereabouts(nn.Module):
    r"""Maps (N, C, h, w) to where each of `count` maps of them is largest: (N, 2 count), in [-1, 1].

    $$\sum_{y, x} \operatorname{softmax}(m + a y + b x)_{yx}\; (y, x)$$

    Levine et al. 2016, arXiv 1504.00702, sec. 4.2: a place is a mean of places from the first step on, where dense
    layers would have to learn the order of all pixels.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.maps = pointwise(channels, count, SHARPNESS)
        self.lean = nn.Parameter(SHARPNESS * torch.randn(count, 2))  # which of several things is meant: the leftmost ..

    def forward(self, h: Tensor) -> Tensor:
        rows, columns = (torch.linspace(-1, 1, size, device=h.device) for size in h.shape[2:])
        lean = self.lean[:, :1, None] * rows[:, None] + self.lean[:, 1:, None] * columns  # (K, h, w)
        weight = (self.maps(h) + lean).flatten(2).softmax(2).unflatten(2, h.shape[2:])  # (N, K, h, w)
        return torch.cat([weight.sum(3) @ rows.to(weight), weight.sum(2) @ columns.to(weight)], 1)


class Sum(nn.Module):
    """What several networks say of one input, added up."""

    def __init__(self, *networks: nn.Module) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, h: Tensor) -> Tensor:
        return torch.stack([network(h) for network in self.networks]).sum(0)
