r"""Causal convolutions of a map: everywhere in one pass, or at one place after the other with what came before kept.

A network over a map is written once, and asks `Places` for what each of its layers sees.  `Everywhere` pads the whole
map.  `Here` is one place of it, or a part of one row: it writes what a layer is given into the layer's own sheet, and
hands over the window of the sheet that the layer looks at.  Both compute the same numbers, the second at a cost of one
window a place.

Shapes: `B` batch; `A` input and `C` output channels; `k l` kernel, rows and columns; `h w` the map.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.kit import Shape
from hvae.nn.weightnorm import Normed


class WindowConv(Normed):
    """A weight-normalised convolution over rows up to the own one: (B, A, k - 1 + h, l - 1 + w) -> (B, C, h, w).

    Arguments: `kernel` (k, l); `left`, how many of its columns lie left of the own one; `mask` (C, A, k, l), 0 where
    there is no connection, of which the length of the weights knows nothing; `stride`.
    """

    def __init__(
        self, a: int, b: int, kernel: tuple[int, int], *, left: int, mask: Tensor | None = None, stride: int = 1
    ) -> None:
        super().__init__((b, a, *kernel), std=1.0, mask=mask)
        self.kernel, self.left, self.stride = kernel, left, stride

    @property
    def margin(self) -> list[int]:
        """Zeros around a map so that its outputs are as many: left, right, above, below."""
        return [self.left, self.kernel[1] - 1 - self.left, self.kernel[0] - 1, 0]

    def forward(self, window: Tensor) -> Tensor:
        return F.conv2d(window, self.weight(), self.bias, self.stride)


class Twofold(Normed):
    """The transpose of a convolution of stride 2 whose kernel has 2 rows: (B, A, h, w) -> (B, C, 2 h, 2 w)."""

    def __init__(self, a: int, b: int, columns: int) -> None:
        super().__init__((b, a, 2, columns), std=1.0)

    def forward(self, h: Tensor) -> Tensor:
        columns = self.direction.shape[3]
        y = F.conv_transpose2d(h, self.weight().transpose(0, 1), self.bias, 2, output_padding=1)
        return y[:, :, : 2 * h.shape[2]].narrow(3, (columns - 1) // 2, 2 * h.shape[3])


def at_once(a: int, b: int) -> WindowConv:
    """A map of channels, the same at every position."""
    return WindowConv(a, b, (1, 1), left=0)


class Places(ABC):
    """Where a network runs: what each of its layers sees there."""

    @abstractmethod
    def look(self, layer: WindowConv, h: Tensor) -> Tensor:
        """A layer's answer here, given what it is to know of this place."""

    @abstractmethod
    def cut(self, t: Tensor) -> Tensor:
        """What a map that is known beforehand says here."""

    @abstractmethod
    def column(self, t: Tensor) -> Tensor:
        """What a map of the rows that this place is in says here."""

    @abstractmethod
    def attend(self, layer: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """A mean of the values of places before this one, weighed by softmax(query key / sqrt(d)); zeros at the first.

        All are (B, H, T, d), of T places in raster order.  Chen et al. 2017, arXiv 1712.09763, sec. 2.
        """

    @abstractmethod
    def below(self, shrink: WindowConv, grow: Twofold, h: Tensor, inner: Callable[[Tensor, Places], Tensor]) -> Tensor:
        """A map by way of `inner` at half its height and width."""


class Everywhere(Places):
    """All places at once."""

    def look(self, layer: WindowConv, h: Tensor) -> Tensor:
        return layer(F.pad(h, layer.margin))

    def cut(self, t: Tensor) -> Tensor:
        return t

    def column(self, t: Tensor) -> Tensor:
        return t

    def attend(self, layer: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # The first place sees nothing: an output of zeros, which no softmax gives.
        first = torch.zeros_like(value[:, :, :1])
        rest = F.scaled_dot_product_attention(query[:, :, 1:], key[:, :, :-1], value[:, :, :-1], is_causal=True)
        return torch.cat([first, rest], 2)

    def below(self, shrink: WindowConv, grow: Twofold, h: Tensor, inner: Callable[[Tensor, Places], Tensor]) -> Tensor:
        return grow(inner(self.look(shrink, h), self))[:, :, : h.shape[2], : h.shape[3]]


@dataclass
class Memory:
    """What each layer has seen of the maps of one draw, and its weights, computed once."""

    sheets: dict[nn.Module, Tensor] = field(default_factory=dict)
    weights: dict[nn.Module, Tensor] = field(default_factory=dict)
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def sheet(self, layer: nn.Module, like: Tensor, shape: Shape) -> Tensor:
        """The map of a layer, (B, A, *shape), zeros before anything is written."""
        if layer not in self.sheets:
            self.sheets[layer] = like.new_zeros(len(like), like.shape[1], *shape)
        return self.sheets[layer]

    def weight(self, layer: Normed) -> Tensor:
        if layer not in self.weights:
            self.weights[layer] = layer.weight()
        return self.weights[layer]


class Here(Places):
    """`n` places of row i from column j on, of a map of so many rows and columns, (B, A, 1, n)."""

    def __init__(self, memory: Memory, size: Shape, i: int, j: int, n: int = 1) -> None:
        self.memory, self.size, self.i, self.j, self.n = memory, tuple(size), i, j, n

    def look(self, layer: WindowConv, h: Tensor) -> Tensor:
        self.write(layer, h)
        return self.read(layer, h)

    def write(self, layer: WindowConv, h: Tensor) -> None:
        """Keep what a layer is to know of this place."""
        left, right, above, _ = layer.margin
        sheet = self.memory.sheet(layer, h, (above + self.size[0], left + self.size[1] + right))
        sheet[:, :, above + self.i, left + self.j : left + self.j + self.n] = h[:, :, 0]

    def read(self, layer: WindowConv, h: Tensor) -> Tensor:
        """What a layer says here of what it knows."""
        k, l = layer.kernel
        window = self.memory.sheets[layer][:, :, self.i : self.i + k, self.j : self.j + self.n - 1 + l]
        return F.conv2d(window, self.memory.weight(layer), layer.bias, layer.stride)

    def cut(self, t: Tensor) -> Tensor:
        return self.column(t[:, :, self.i : self.i + 1])

    def column(self, t: Tensor) -> Tensor:
        return t[:, :, :, self.j : self.j + self.n]

    def attend(self, layer: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        t, total = self.i * self.size[1] + self.j, self.size[0] * self.size[1]
        if layer not in self.memory.seen:
            self.memory.seen[layer] = _empty(key, total), _empty(value, total)
        keys, values = self.memory.seen[layer]
        keys[:, :, t : t + 1], values[:, :, t : t + 1] = key, value
        if not t:
            return torch.zeros_like(value)
        return F.scaled_dot_product_attention(query, keys[:, :, :t], values[:, :, :t])

    def below(self, shrink: WindowConv, grow: Twofold, h: Tensor, inner: Callable[[Tensor, Places], Tensor]) -> Tensor:
        # A cell of two by two places shares one of the coarser map, which is known once its first one is.
        self.write(shrink, h)
        if self.i % 2 == 0 and self.j % 2 == 0:
            half = tuple(math.ceil(side / 2) for side in self.size)
            coarse = Here(self.memory, half, self.i // 2, self.j // 2, math.ceil(self.n / 2))
            cell = grow(inner(self.read(shrink, h), coarse))
            sheet = self.memory.sheet(grow, cell, tuple(2 * side for side in half))
            sheet[:, :, self.i : self.i + 2, self.j : self.j + cell.shape[3]] = cell
        return self.cut(self.memory.sheets[grow])


def _empty(like: Tensor, total: int) -> Tensor:
    return like.new_empty(*like.shape[:2], total, like.shape[3])


def lowered(layer: WindowConv, x: Tensor) -> Tensor:
    """What a layer says of all rows above each place, (B, A, h, w) -> (B, C, h, w): nothing in the first row."""
    return F.pad(Everywhere().look(layer, x), (0, 0, 1, -1))


def lowered_row(layer: WindowConv, memory: Memory, x: Tensor, i: int) -> Tensor:
    """Row i of the same, (B, C, 1, w), once the row before it is known."""
    if not i:
        return x.new_zeros(len(x), len(layer.direction), 1, x.shape[3])
    before = Here(memory, x.shape[2:], i - 1, 0, x.shape[3])
    return before.look(layer, before.cut(x))


class Entry(nn.Module):
    """The first layer: what is above, and what is left in the own row; neither sees the place itself.

    Arguments: `above`, which is heard one row below where it looks, and `left`, one column to its right.  Where there
    is no such row or column they say nothing, not even their bias.
    """

    def __init__(self, above: WindowConv, left: WindowConv) -> None:
        super().__init__()
        self.above, self.left = above, left

    def forward(self, x: Tensor) -> Tensor:
        """All places at once: (B, A, h, w) -> (B, C, h, w)."""
        return lowered(self.above, x) + F.pad(Everywhere().look(self.left, x), (1, -1))

    def row(self, memory: Memory, x: Tensor, i: int) -> Tensor:
        """What is heard from above in row i, (B, C, 1, w)."""
        return lowered_row(self.above, memory, x, i)

    def place(self, memory: Memory, x: Tensor, i: int, j: int, above: Tensor) -> Tensor:
        """The answer at one place, (B, C, 1, 1), once the place before it is known; `above`, of its row."""
        here = above[:, :, :, j : j + 1]
        if not j:
            return here
        before = Here(memory, x.shape[2:], i, j - 1)
        return here + before.look(self.left, before.cut(x))
