r"""PixelSNAIL: gated causal convolutions that see what is near, and attention that sees all that is earlier.

    k -> one-hot,  s <- V * k (rows above) + H * k (the own row, to the left)
    s' = s + gate(B * elu(A * elu(s)) + C c),  gate([a, b]) = a sigmoid(b)              a few times a block
    attended = attention(query(s', where), key = value([s, s', where]))                 strictly earlier places alone
    s <- s' + gate(B elu(A elu(s') + D elu(attended)))
    log p(k_t | k_{<t}, c) = log softmax(O elu(s))         Chen, Mishra, Rohaninejad and Abbeel 2017, arXiv 1712.09763,
                                                           sec. 2; as prior of codes Razavi et al. 2019, 1906.00446

with A and B convolutions over rows up to the own one that leave out the place itself, c a map of what is known
beforehand, and `where` the row and column.  Weights are normalised over the taps that are not masked.  The details are
those of rosinality/vq-vae-2-pytorch.  O starts at zero: an untrained network gives every code the same probability,
exactly.

Drawing goes from place to place: windows of each layer, keys and values are kept, so that a place costs one window of
each convolution and one query.

Shapes: `B` batch; `K` codes; `C` channels; `R` inside a residual block; `T` positions in raster order; `P` the map.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.kit import Shape
from hvae.nn.places import Entry, Everywhere, Here, Memory, Places, WindowConv, at_once
from hvae.nn.transformer import Choose

Layer = Callable[[int, int], WindowConv]
"""Channels in and out to a convolution."""


def strictly_before(kernel: int) -> Layer:
    """Convolutions over rows up to the own one that see neither the place itself nor what is right of it."""
    left = kernel // 2

    def make(a: int, b: int) -> WindowConv:
        mask = torch.ones(b, a, kernel, kernel)
        mask[:, :, -1, left:] = 0
        return WindowConv(a, b, (kernel, kernel), left=left, mask=mask)

    return make


class GatedResidual(nn.Module):
    """s + gate(B * elu(A * elu(s) + D elu(beside)) + C c).

    Arguments: `channels` of s, `hidden` between the layers that `layer` makes; `beside` and `context` channels of what
    else it hears, 0 for nothing; `dropout`.
    """

    def __init__(
        self, channels: int, hidden: int, layer: Layer, *, beside: int = 0, context: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.first, self.second = layer(channels, hidden), layer(hidden, 2 * channels)
        self.beside = nn.ModuleList([at_once(beside, hidden)] if beside else [])
        self.context = nn.ModuleList([nn.Conv2d(context, 2 * channels, 1, bias=False)] if context else [])
        self.dropout = nn.Dropout(dropout)

    def forward(self, s: Tensor, at: Places, beside: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        h = at.look(self.first, F.elu(s))
        for layer in self.beside:
            assert beside is not None
            h = h + layer(F.elu(beside))
        u = at.look(self.second, self.dropout(F.elu(h)))
        for layer in self.context:
            assert c is not None
            u = u + layer(c)
        return s + F.glu(u, 1)


class Attention(nn.Module):
    """A mean of earlier places in several heads: query (B, A, h, w), key (B, C, h, w) -> (B, W, h, w)."""

    def __init__(self, query: int, key: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = at_once(query, width), at_once(key, width), at_once(key, width)

    def forward(self, query: Tensor, key: Tensor, at: Places) -> Tensor:
        queries, keys, values = self._split(self.query(query)), self._split(self.key(key)), self._split(self.value(key))
        heads = at.attend(self, queries, keys, values)  # (B, H, T, W / H)
        return heads.transpose(2, 3).flatten(1, 2).unflatten(2, query.shape[2:])

    def _split(self, t: Tensor) -> Tensor:
        return t.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)


class NearAndFar(nn.Module):
    """One block with attention: residual blocks, then attention over all that is earlier."""

    def __init__(self, near: nn.ModuleList, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.near = near
        both, one = 2 * channels + 2, channels + 2
        self.keys = GatedResidual(both, channels, at_once, dropout=dropout)
        self.queries = GatedResidual(one, channels, at_once, dropout=dropout)
        self.attention = Attention(one, both, channels // 2, heads)
        self.join = GatedResidual(channels, channels, at_once, beside=channels // 2, dropout=dropout)

    def forward(self, s: Tensor, at: Places, where: Tensor, c: Tensor | None) -> Tensor:
        h = s
        for block in self.near:
            h = block(h, at, c=c)
        keys = self.keys(torch.cat([s, h, where], 1), at)
        queries = self.queries(torch.cat([h, where], 1), at)
        return self.join(h, at, self.attention(queries, keys, at))


class Near(nn.Module):
    """One block without attention: residual blocks, then one map at every position."""

    def __init__(self, near: nn.ModuleList, channels: int) -> None:
        super().__init__()
        self.near, self.leave = near, at_once(channels + 2, channels)

    def forward(self, s: Tensor, at: Places, where: Tensor, c: Tensor | None) -> Tensor:
        for block in self.near:
            s = block(s, at, c=c)
        return self.leave(torch.cat([s, where], 1))


class PixelSNAIL(nn.Module):
    """Logits of each code of a map, given those before it in raster order and a context at every position.

    Arguments: `codes` K; `places` (h, w) of the map; `width` C; `hidden` R; `kernel`, odd; `layers`, blocks; `repeats`,
    residual blocks in each; `heads` of the attention, which must divide C / 2, 0 for none; `context` channels, 0 for
    none; `dropout`.  Raises HvaeError for an even kernel, and for heads that do not divide.

    >>> network = PixelSNAIL(8, (3, 2), width=8, hidden=4, layers=1, heads=2)
    >>> network(torch.zeros(5, 3, 2, dtype=torch.int64)).shape
    torch.Size([5, 8, 3, 2])
    """

    where: Tensor

    def __init__(
        self,
        codes: int,
        places: Shape,
        *,
        width: int,
        hidden: int,
        layers: int,
        heads: int,
        kernel: int = 5,
        repeats: int = 1,
        context: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check(width, heads, kernel)
        self.codes, self.places = codes, tuple(places)
        half = kernel // 2
        self.enter = Entry(
            WindowConv(codes, width, (half, kernel), left=half),
            WindowConv(codes, width, (half + 1, half), left=half - 1),
        )
        self.register_buffer("where", _where(places), persistent=False)

        def block() -> nn.Module:
            near = nn.ModuleList(
                GatedResidual(width, hidden, strictly_before(kernel), context=context, dropout=dropout)
                for _ in range(repeats)
            )
            return NearAndFar(near, width, heads, dropout) if heads else Near(near, width)

        self.blocks = nn.ModuleList(block() for _ in range(layers))
        self.leave = nn.Conv2d(width, codes, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, index: Tensor, context: Tensor | None = None) -> Tensor:
        """All logits at once, (B, *P) -> (B, K, *P); `context` (B, C, *P)."""
        return self._after(self.enter(self._one_hot(index)), Everywhere(), context)

    @torch.no_grad()
    def draw(self, rows: int, choose: Choose, context: Tensor | None = None) -> Tensor:
        """So many maps, (B, *P), one code after the other: each place runs once, what the layers look back to is
        kept."""
        index = torch.zeros(rows, *self.places, dtype=torch.int64, device=self.where.device)
        x, memory = self.where.new_zeros(rows, self.codes, *self.places), Memory()
        for i in range(self.places[0]):
            above = self.enter.row(memory, x, i)
            for j in range(self.places[1]):
                s = self.enter.place(memory, x, i, j, above)
                index[:, i, j] = choose(self._after(s, Here(memory, self.places, i, j), context)[:, :, 0, 0])
                x[:, :, i, j] = F.one_hot(index[:, i, j], self.codes)
        return index

    def _after(self, s: Tensor, at: Places, context: Tensor | None) -> Tensor:
        where = at.cut(self.where).expand(len(s), -1, -1, -1)
        # Scored when a trace is read, which may be outside of the autocast under which its context was made.
        c = None if context is None else at.cut(context).to(self.where.dtype)
        for block in self.blocks:
            s = block(s, at, where, c)
        return self.leave(F.elu(s))

    def _one_hot(self, index: Tensor) -> Tensor:
        return F.one_hot(index, self.codes).movedim(-1, 1).to(self.where.dtype)


class Around(nn.Module):
    """A context from a map above: a convolution and gated residual blocks that see all around, (B, A, h, w) ->
    (B, C, h, w)."""

    def __init__(self, a: int, width: int, blocks: int = 2) -> None:
        super().__init__()
        self.enter = nn.Conv2d(a, width, 3, padding=1)
        self.blocks = nn.ModuleList(GatedAround(width) for _ in range(blocks))

    def forward(self, h: Tensor) -> Tensor:
        s = self.enter(h)
        for block in self.blocks:
            s = block(s)
        return s


class GatedAround(nn.Module):
    """s + gate(B * elu(A * elu(s))), 3x3 convolutions that see all around."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, 2 * width, 3, padding=1)

    def forward(self, s: Tensor) -> Tensor:
        return s + F.glu(self.second(F.elu(self.first(F.elu(s)))), 1)


def _where(places: Shape) -> Tensor:
    """Rows and columns from -1/2 up, (1, 2, *P)."""
    axes = [(torch.arange(side) - side / 2) / side for side in places]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def _check(width: int, heads: int, kernel: int) -> None:
    if heads and width % (2 * heads):
        raise HvaeError(f"expected a width that {2 * heads} (twice the heads) divides, got {width}; e.g. {32 * heads}")
    if kernel < 3 or kernel % 2 == 0:
        raise HvaeError(f"expected an odd kernel of at least 3, got {kernel}; 5 is usual")
