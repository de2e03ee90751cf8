r"""PixelCNN++: parameters of all colours of a pixel at once, from the pixels before it and from a map beside it.

Two streams of gated residual blocks, at several scales: u sees the rows above, l what is above and to the left.

    block(h; a) = h + gate(B * f(A * f(h) + D f(a)) + C c),   f(h) = elu([h, -h]),   gate([a, b]) = a sigmoid(b)
    u <- block(u),       l <- block(l; u)                            on the way up, each kept
    u <- block(u; u'),   l <- block(l; [u, l'])                      on the way down, u' and l' kept at that scale
    parameters = O elu(l)            Salimans, Karpathy, Chen and Kingma 2017, arXiv 1701.05517, sec. 2.3-2.5, fig. 2

A convolution of stride 2 halves a scale after its blocks on the way up, its transpose doubles it on the way down.  The
details are those of pclucas14/pixel-cnn-pp; c, which hears of no pixel, enters the blocks of the finest scale.
Differences: no dropout; any size, odd ones too.

All pixels at once are one pass.  One after the other they cost as much again, not a pass each: u runs once a row, l
once a pixel, a coarser scale once for each of its own pixels, and every layer keeps what it looks back to.

Shapes: `B` batch; `C` colours; `H W` space; `F` channels of a stream; `S` of the map beside; `P` parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.pixelcnn import Choose, place
from hvae.nn.places import (
    Entry,
    Everywhere,
    Here,
    Memory,
    Places,
    Twofold,
    WindowConv,
    at_once,
    lowered,
    lowered_row,
)


def both_signs(h: Tensor) -> Tensor:
    """elu([h, -h]), (B, F, ...) -> (B, 2 F, ...)."""
    return F.elu(torch.cat([h, -h], 1))


class Block(nn.Module):
    """h + gate(B * f(A * f(h) + D f(a)) + C c), with convolutions that `layer` makes of channels in and out.

    Arguments: `width` F; `inputs`, how many maps of F channels a is made of; `beside` channels of c, 0 for none.
    """

    def __init__(self, width: int, layer: Callable[[int, int], WindowConv], *, inputs: int, beside: int) -> None:
        super().__init__()
        self.first, self.second = layer(2 * width, width), layer(2 * width, 2 * width)
        self.heard = nn.ModuleList([at_once(2 * inputs * width, width)] if inputs else [])
        self.beside = nn.ModuleList([nn.Conv2d(beside, 2 * width, 1, bias=False)] if beside else [])

    def forward(self, h: Tensor, at: Places, inputs: Sequence[Tensor], c: Tensor | None) -> Tensor:
        new = at.look(self.first, both_signs(h))
        for layer in self.heard:
            new = new + layer(both_signs(torch.cat([*inputs], 1)))
        new = at.look(self.second, both_signs(new))
        for layer in self.beside:
            assert c is not None
            new = new + layer(at.cut(c).to(new.dtype))
        return h + F.glu(new, 1)


@dataclass
class Outputs:
    """The outputs of a stream at each scale on the way up and on the way down, block by block; finest scale first."""

    up: list[list[Tensor]]
    down: list[list[Tensor]]


class Stream(nn.Module):
    """One of the two streams, over all scales, (B, F, H, W) -> the same.

    Arguments: `width` F; `scales`; `blocks` of each scale; `kernel` of its convolutions and how many of their columns
    lie `left` of the own one; `inputs`, how many maps of another stream each block hears; `beside` channels of a map
    that the blocks of the finest scale hear.
    """

    def __init__(
        self, width: int, scales: int, blocks: int, *, kernel: tuple[int, int], left: int, inputs: int, beside: int
    ) -> None:
        super().__init__()
        layer = partial(WindowConv, kernel=kernel, left=left)

        def row(s: int, count: int, maps: int) -> nn.ModuleList:
            c = 0 if s else beside
            return nn.ModuleList(Block(width, layer, inputs=maps, beside=c) for _ in range(count))

        self.scales = scales
        self.up = nn.ModuleList(row(s, blocks, inputs) for s in range(scales))
        # One more where there is a coarser scale, for what went into the first block.
        self.down = nn.ModuleList(row(s, blocks + (s + 1 < scales), inputs + 1) for s in range(scales))
        self.shrink = nn.ModuleList(layer(width, width, stride=2) for _ in range(scales - 1))
        self.grow = nn.ModuleList(Twofold(width, width, kernel[1]) for _ in range(scales - 1))

    def run(self, s: int, h: Tensor, at: Places, other: Outputs, outputs: Outputs, c: Tensor | None) -> Tensor:
        """Scale s and all below it; it reads the outputs of the `other` stream, and adds its own to `outputs`."""
        outputs.up[s], outputs.down[s] = [], []
        trail = [h]
        for block, inputs in self._with_heard(self.up[s], other.up[s], at):
            h = block(h, at, inputs, c)
            trail.append(h)
            outputs.up[s].append(h)
        h = self._coarser(s, h, at, other, outputs) if s + 1 < self.scales else trail.pop()
        for block, inputs in self._with_heard(self.down[s], other.down[s], at):
            h = block(h, at, [*inputs, trail.pop()], c)
            outputs.down[s].append(h)
        return h

    def _coarser(self, s: int, h: Tensor, at: Places, other: Outputs, outputs: Outputs) -> Tensor:
        def inner(small: Tensor, coarse: Places) -> Tensor:
            return self.run(s + 1, small, coarse, other, outputs, None)

        return at.below(self.shrink[s], self.grow[s], h, inner)  # type: ignore[arg-type]  # what containers hold

    @staticmethod
    def _with_heard(blocks: Any, outputs: list[Tensor], at: Places) -> Iterator[tuple[Any, list[Tensor]]]:
        return zip(blocks, [[at.column(t)] for t in outputs] or [[] for _ in blocks], strict=True)


class PixelCNNpp(nn.Module):
    """Parameters of each pixel of an image, given those before it and a map beside all of them.

    Arguments: `colours` C of the image; `parameters` P of a pixel; `width` F; `blocks` of each scale; `scales`, each
    half as large as the one before; `beside` channels S of the map c, 0 for none.  Raises HvaeError for numbers below
    1.

    >>> network = PixelCNNpp(1, 3, width=4, blocks=1, scales=2)
    >>> network(torch.zeros(2, 1, 6, 5)).shape
    torch.Size([2, 3, 6, 5])
    >>> network.draw(torch.zeros(2, 1, 6, 5), lambda raw, at: raw[:, :1].sign()).shape
    torch.Size([2, 1, 6, 5])
    """

    def __init__(
        self, colours: int, parameters: int, *, width: int, blocks: int, scales: int = 3, beside: int = 0
    ) -> None:
        super().__init__()
        if min(colours, width, blocks, scales) < 1:
            raise HvaeError(f"expected at least 1 block, scale and channel, got {blocks}, {scales} and {width}")
        inputs = colours + 1  # a map of ones says where the image ends
        self.above = WindowConv(inputs, width, (2, 3), left=1)
        self.enter = Entry(WindowConv(inputs, width, (1, 3), left=1), WindowConv(inputs, width, (2, 1), left=0))
        self.rows = Stream(width, scales, blocks, kernel=(2, 3), left=1, inputs=0, beside=beside)
        self.left = Stream(width, scales, blocks, kernel=(2, 2), left=1, inputs=1, beside=beside)
        self.leave = at_once(width, parameters)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """All parameters at once: (B, C, H, W), (B, S, H, W) -> (B, P, H, W)."""
        x, at, outputs = _with_ones(2 * x - 1), Everywhere(), self._nothing()
        self.rows.run(0, lowered(self.above, x), at, self._nothing(), outputs, c)
        return self._read(self.left.run(0, self.enter(x), at, outputs, self._nothing(), c))

    @torch.no_grad()
    def draw(self, like: Tensor, choose: Choose, c: Tensor | None = None) -> Tensor:
        """Images of this shape, (B, C, H, W), each pixel by `choose` of its parameters once those before it are
        known."""
        size, memory, outputs = like.shape[2:], Memory(), self._nothing()
        values, x = torch.zeros_like(like), _with_ones(torch.zeros_like(like))
        for i in range(size[0]):
            row = Here(memory, size, i, 0, size[1])
            self.rows.run(0, lowered_row(self.above, memory, x, i), row, self._nothing(), outputs, c)
            above = self.enter.row(memory, x, i)
            for j in range(size[1]):
                h = self.enter.place(memory, x, i, j, above)
                raw = self._read(self.left.run(0, h, Here(memory, size, i, j), outputs, self._nothing(), c))
                values[place(i, j)] = choose(raw, place(i, j))
                x[:, :-1][place(i, j)] = 2 * values[place(i, j)] - 1
        return values

    def _read(self, h: Tensor) -> Tensor:
        return self.leave(F.elu(h))

    def _nothing(self) -> Outputs:
        scales = range(self.rows.scales)
        return Outputs([[] for _ in scales], [[] for _ in scales])


def _with_ones(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[:, :1])], 1)
