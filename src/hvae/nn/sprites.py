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

    Arguments: `inputs`, (A, B); `shape` of the pictures, (K, P, s, s); `place`, quick -> (N, 2 K), rows before columns
    of each, of which a sigmoid is where in its room; `picture`, still -> (N, K P s s); `size`, (H, W).
    """

    def __init__(
        self,
        inputs: tuple[int, int],
        *,
        shape: Sequence[int],
        place: nn.Module,
        picture: nn.Module,
        size: Sequence[int],
    ) -> None:
        super().__init__(size)
        self.inputs, self.shape = list(inputs), tuple(shape)
        self.place, self.picture = place, picture
        self.ground = Linear(inputs[1], self.shape[1])
        self.log_width = nn.Parameter(torch.tensor(math.log(WIDTH)))

    @torch.no_grad()
    def begin(self, raw: Tensor) -> None:
        """Start on the ground of raw parameters (P,): on a grey one pictures would first learn to be out of the way."""
        self.ground.weight.mul_(SLOWNESS)
        self.ground.bias.copy_(raw)

    def forward(self, states: Tensor) -> Tensor:
        quick, still = states.split(self.inputs, 1)
        pictures = (SLOWNESS * self.picture(still)).unflatten(1, self.shape)  # (N, K, P, s, s)
        where = self.place(quick).sigmoid().unflatten(1, (-1, 1, 2))  # (N, K, 1, 2), in units of the room
        width, side = NARROWEST + self.log_width.exp(), self.shape[-1]
        down, across = (
            along(side / 2 + (pixels - side) * where[..., axis], pixels, side, width)
            for axis, pixels in enumerate(self.size)
        )
        put = down @ pictures @ across.transpose(3, 4)  # (N, K, P, H, W)
        return put.sum(1) + self.ground(still)[:, :, None, None]


def places(quick: int, width: int, count: int) -> nn.Sequential:
    """Where so many pictures are, from all of `quick`: (N, A) -> (N, 2 K)."""
    return nn.Sequential(dense(quick, width), Linear(width, 2 * count))


def pictures(still: int, width: int, shape: Sequence[int]) -> nn.Sequential:
    """Pictures (.., s, s) of all that is heard, each a round light at the start: (N, B) -> (N, prod(shape))."""
    last = Linear(width, math.prod(shape))
    with torch.no_grad():
        last.bias.copy_(spot(shape[-1]).expand(*shape).flatten() / SLOWNESS)
    return nn.Sequential(dense(still, width), dense(width, width), last)


def along(centre: Tensor, pixels: int, side: int, width: Tensor | float) -> Tensor:
    """How much of each row of a picture at a centre falls on each of a frame, (..., 1) -> (..., 1, pixels, s)."""
    frame = torch.arange(pixels, device=centre.device) + 0.5
    rows = torch.arange(side, device=centre.device) - (side - 1) / 2
    distance = frame[:, None] - rows - centre[..., None, None]
    return torch.exp(-0.5 * (distance / width) ** 2) / (width * math.sqrt(2 * math.pi))


def spot(side: int) -> Tensor:
    """A round light in a square (side, side), which every picture starts as: it has to stand somewhere.

    A picture of nothing has no place to learn, and at no place there is a picture to learn.
    """
    rows = (torch.arange(side) - (side - 1) / 2) / (SPOT * side)
    return torch.exp(-0.5 * (rows[:, None] ** 2 + rows**2))


class Dealt(nn.Module):
    """One network for each of K things, of what all hear and of its own part: (N, A + D) -> (N, K ..).

    The last D numbers are the parts, one after the other.
    """

    def __init__(self, network: nn.Module, count: int, dealt: int) -> None:
        super().__init__()
        self.network, self.count, self.dealt = network, count, dealt

    def forward(self, h: Tensor) -> Tensor:
        common, parts = h.split([h.shape[1] - self.dealt, self.dealt], 1)
        own = parts.unflatten(1, (self.count, -1))
        inputs = torch.cat([common[:, None].expand(-1, self.count, -1), own], 2)
        return self.network(inputs.flatten(0, 1)).view(len(h), -1)  # type: ignore[no-any-return]


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


class Parts(nn.Module):
    """What several networks say of a part each of one input, the first `sizes[0]` numbers and so on, side by side."""

    def __init__(self, sizes: Sequence[int], *networks: nn.Module) -> None:
        super().__init__()
        self.sizes, self.networks = list(sizes), nn.ModuleList(networks)

    def forward(self, h: Tensor) -> Tensor:
        parts = zip(self.networks, h.split(self.sizes, 1), strict=True)
        return torch.cat([network(part) for network, part in parts], 1)


class Slice(nn.Module):
    """Some neighbouring numbers of an input, (.., W) -> (.., stop - start)."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, h: Tensor) -> Tensor:
        return h[..., self.start : self.stop]
