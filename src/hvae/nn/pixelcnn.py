r"""The gated PixelCNN: parameters of each value of an image from the values before it, and from a map beside it.

The order is by rows, by columns, and by colours within a pixel.  Two stacks of gated convolutions see all that is
earlier and nothing else: the vertical one the rows above, the horizontal one what is left in its own row.

    a = V * v + R v + S c,    v <- v + gate(a),    g = gate(M * h + D a(one row up) + S c)
    s <- s + K g,    h <- h + A g,    gate([u_1, u_2]) = tanh(u_1) sigmoid(u_2)
    parameters = O relu(N relu(s + T c))               van den Oord et al. 2016, arXiv 1606.05328, sec. 2.2-2.4, fig. 2

with V a convolution over rows up to the own one, M one over columns up to the own one that is masked for colours, and
R, D, A, K, N, O, S, T maps at every position.  The paper leaves open R, the skip connections K and the first layer,
which has no identity and hears no c: they are as in github.com/anordertoreclaim/PixelCNN, where a above the first row
is the bias of V.

All values at once are one pass.  One after the other they cost as much again a colour, not a pass each: the vertical
stack runs once a row, the horizontal one once a value, and each layer keeps the rows and columns that it looks back to.

Shapes: `B` batch; `C` colours; `H W` space; `F` channels of a stack; `S` of the map beside; `P` parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.errors import HvaeError

Place = tuple[slice, slice, slice, slice]
"""Some values of images (B, C, H, W), chosen at once: one pixel, and those of its colours that are next."""
Choose = Callable[[Tensor, Place], Tensor]
"""Parameters (B, P, 1, 1) of one pixel, and a place, to the values there."""


def place(i: int, j: int, colours: slice = slice(None)) -> Place:
    """Some colours of the pixel in row i and column j, of all images."""
    return slice(None), colours, slice(i, i + 1), slice(j, j + 1)


def gate(u: Tensor) -> Tensor:
    """tanh(u_1) sigmoid(u_2), (B, 2 F, ...) -> (B, F, ...)."""
    first, second = u.chunk(2, 1)
    return first.tanh() * second.sigmoid()


def colour_mask(a: int, b: int, colours: int, *, strict: bool) -> Tensor:
    """1 where an output channel may look at an input channel of its own pixel, (b, a).

    Channel k belongs to colour k mod C; `strict` excludes the own colour.

    >>> colour_mask(3, 3, 3, strict=True)
    tensor([[0., 0., 0.],
            [1., 0., 0.],
            [1., 1., 0.]])
    """
    inputs, own = torch.arange(a) % colours, torch.arange(b)[:, None] % colours
    return (inputs < own if strict else inputs <= own).to(torch.float32)


class RowConv(nn.Module):
    """A convolution over the `reach` columns on the left and the own one, which alone is masked: (b, a) of 0 and 1.

    Its input has `reach` more columns, on the left: (B, a, H, reach + W) -> (B, b, H, W).
    """

    mask: Tensor

    def __init__(self, mask: Tensor, reach: int = 0) -> None:
        super().__init__()
        b, a = mask.shape
        self.conv = nn.Conv2d(a, b, (1, reach + 1))
        left = torch.ones(b, a, 1, reach)
        self.register_buffer("mask", torch.cat([left, mask[:, :, None, None]], 3), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        return F.conv2d(h, self.conv.weight * self.mask, self.conv.bias)


class Sight(nn.Module):
    """What one layer sees of both stacks: V, R, D and M of the equations, for an odd `kernel`.

    Arguments: `a` channels in, `width` F; `left`, the masked M; `down`, D.
    """

    def __init__(self, a: int, width: int, kernel: int, *, left: RowConv, down: RowConv) -> None:
        super().__init__()
        self.reach, self.left, self.down = kernel // 2, left, down
        self.rows = nn.Conv2d(a, 2 * width, (self.reach + 1, kernel), padding=(0, self.reach))
        self.rise = nn.Conv2d(a, 2 * width, 1)

    def vertical(self, v: Tensor, c: Tensor | float) -> Tensor:
        """a, from a v with the `reach` rows above it: (B, a, reach + H, W) -> (B, 2 F, H, W)."""
        return self.rows(v) + self.rise(v[:, :, self.reach :]) + c

    def horizontal(self, h: Tensor, above: Tensor, c: Tensor | float) -> Tensor:
        """g, from an h with the `reach` columns left of it and a of one row up, (B, F, H, W)."""
        return gate(self.left(h) + self.down(above) + c)

    def top(self, rows: int, columns: int) -> Tensor:
        """a above the first row, (B, 2 F, 1, W)."""
        assert self.rows.bias is not None
        return self.rows.bias[:, None, None].expand(rows, -1, 1, columns)


class GatedPixelCNN(nn.Module):
    """Parameters of each value of an image, given those before it and a map beside all of them.

    Arguments: `colours` C of the image; `parameters` P, those of colour c at k C + c; `width` F and `hidden` channels
    before the last map, multiples of C; `layers` after the first; `kernel` of the others and `first` of the first, odd;
    `beside` channels S of the map c, 0 for none; `strict_twice`, whether A of the first layer leaves out the own colour
    too, as in the released code: with one colour nothing would then pass.  Raises HvaeError for widths that the
    colours do not divide.

    >>> network = GatedPixelCNN(1, 1, width=4, layers=1)
    >>> network(torch.zeros(2, 1, 6, 5)).shape
    torch.Size([2, 1, 6, 5])
    >>> network.draw(torch.zeros(2, 1, 6, 5), lambda raw, at: raw.sign()).shape
    torch.Size([2, 1, 6, 5])
    """

    def __init__(
        self,
        colours: int,
        parameters: int,
        *,
        width: int,
        layers: int,
        hidden: int = 0,
        kernel: int = 3,
        first: int = 7,
        beside: int = 0,
        strict_twice: bool = False,
    ) -> None:
        super().__init__()
        hidden = hidden or width
        _check(colours, layers, (width, hidden))

        def masked(a: int, b: int, reach: int = 0, *, strict: bool = False) -> RowConv:
            return RowConv(colour_mask(a, b, colours, strict=strict), reach)

        two = 2 * width
        enter = Sight(
            colours,
            width,
            first,
            left=masked(colours, two, first // 2, strict=True),
            down=RowConv(torch.ones(two, two)),
        )
        self.sights = nn.ModuleList([enter])
        for _ in range(layers):
            left, down = masked(width, two, kernel // 2), masked(two, two)
            self.sights.append(Sight(width, width, kernel, left=left, down=down))
        # Nobody asks what the stacks are after the last layer.
        self.across = nn.ModuleList(masked(width, width, strict=strict_twice and not l) for l in range(layers))
        self.skips = nn.ModuleList(masked(width, width) for _ in range(layers))
        self.beside = nn.ModuleList(nn.Conv2d(beside, two, 1, bias=False) for _ in range(layers if beside else 0))
        self.told = nn.ModuleList([nn.Conv2d(beside, width, 1, bias=False)] if beside else [])
        self.leave = nn.Sequential(nn.ReLU(), masked(width, hidden), nn.ReLU(), masked(hidden, parameters))

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """All parameters at once: (B, C, H, W), (B, S, H, W) -> (B, P, H, W)."""
        terms, v, h, total = self._terms(c), x, x, self._direct(c)
        for l, sight in enumerate(self.sights):
            a = sight.vertical(F.pad(v, (0, 0, sight.reach, 0)), terms[l])  # type: ignore[operator, arg-type]
            above = torch.cat([sight.top(len(x), x.shape[3]), a[:, :, :-1]], 2)  # type: ignore[operator]
            g = sight.horizontal(F.pad(h, (sight.reach, 0)), above, terms[l])  # type: ignore[operator, arg-type]
            if l:
                total = total + self.skips[l - 1](g)
            if l < len(self.across):
                v, h = _added(v, gate(a), l), _added(h, self.across[l](g), l)
        return self.leave(total)

    @torch.no_grad()
    def draw(self, x: Tensor, choose: Choose, c: Tensor | None = None) -> Tensor:
        """Images like x, (B, C, H, W), each value by `choose` of its parameters once those before it are known."""
        x, terms, direct = torch.zeros_like(x), self._terms(c), self._direct(c)
        rows = [F.pad(x.new_zeros(len(x), s.rows.in_channels, *x.shape[2:]), (0, 0, s.reach, 0)) for s in self._sights]
        for i in range(x.shape[2]):
            above = self._above(i, rows, terms, x)
            row = _at(direct, 2, i)
            self._drawn_row(x, i, choose, [above, [_at(s, 2, i) for s in terms]], row)
        return x

    @property
    def _sights(self) -> list[Sight]:
        return [sight for sight in self.sights if isinstance(sight, Sight)]

    def _above(self, i: int, rows: list[Tensor], terms: list[Tensor | float], x: Tensor) -> list[Tensor]:
        """a of row i - 1 in each layer, (B, 2 F, 1, W), whose vertical stack is written into `rows` on the way."""
        if not i:
            return [sight.top(len(x), x.shape[3]) for sight in self._sights]
        new, every = x[:, :, i - 1 : i], []
        for l, sight in enumerate(self._sights):
            rows[l][:, :, sight.reach + i - 1] = new[:, :, 0]
            a = sight.vertical(rows[l][:, :, i - 1 : i + sight.reach], _at(terms[l], 2, i - 1))
            every.append(a)
            new = _added(new, gate(a), l)
        return every

    def _drawn_row(self, x: Tensor, i: int, choose: Choose, beside: list[list[Any]], direct: Tensor | float) -> None:
        """Write row i of images, value by value; every layer keeps its own row."""
        above, terms = beside
        row = [x.new_zeros(len(x), s.left.conv.in_channels, 1, s.reach + x.shape[3]) for s in self._sights]
        for j in range(x.shape[3]):
            here = [_at(a, 3, j) for a in above], [_at(s, 3, j) for s in terms]
            for colour in range(x.shape[1]):
                raw = self._pixel(j, x[place(i, j)], row, here, _at(direct, 3, j))
                at = place(i, j, slice(colour, colour + 1))
                x[at] = choose(raw, at)
            row[0][:, :, :, self._sights[0].reach + j] = x[:, :, i : i + 1, j]

    def _pixel(self, j: int, h: Tensor, row: list[Tensor], here: Any, direct: Tensor | float) -> Tensor:
        """Parameters of one pixel, (B, P, 1, 1), from a row of every layer up to it."""
        above, terms = here
        total = direct
        for l, sight in enumerate(self._sights):
            row[l][:, :, :, sight.reach + j] = h[..., 0]
            g = sight.horizontal(row[l][..., j : j + sight.reach + 1], above[l], terms[l])
            if l:
                total = total + self.skips[l - 1](g)
            if l < len(self.across):
                h = _added(h, self.across[l](g), l)
        assert isinstance(total, Tensor)
        return self.leave(total)

    def _terms(self, c: Tensor | None) -> list[Tensor | float]:
        """The term S c of each layer, (B, 2 F, H, W); 0 for the first, which does not read the map beside."""
        return [0.0, *(layer(c) for layer in self.beside)] if self.beside else [0.0] * len(self.sights)

    def _direct(self, c: Tensor | None) -> Tensor | float:
        """The term T c of the last layers, (B, F, H, W)."""
        return self.told[0](c) if self.told else 0.0


def _at(t: Tensor | float, axis: int, k: int) -> Tensor | float:
    """Row or column k of a map; a number is the same everywhere."""
    return t.narrow(axis, k, 1) if isinstance(t, Tensor) else t


def _added(before: Tensor, new: Tensor, l: int) -> Tensor:
    """A stack after layer l: the first has no identity."""
    return before + new if l else new


def _check(colours: int, layers: int, widths: tuple[int, ...]) -> None:
    if layers < 1 or any(width < 1 or width % colours for width in widths):
        raise HvaeError(
            f"expected one layer or more, of widths that {colours} colours divide, got {layers} of "
            f"{' and '.join(map(str, widths))}; e.g. 2 of {32 * colours}"
        )
