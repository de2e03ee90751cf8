r"""A causal Transformer over a map of codes, row by row: all positions at once, or one after the other with a cache.

    h_t = E[k_{t-1}] + row_t + column_t + c_t,   h <- h + attention(norm(h)),   h <- h + mlp(norm(h))
    log p(k_t | k_{<t}, c) = log softmax(W norm(h_t))          Vaswani et al. 2017, arXiv 1706.03762, sec. 3;
                                                               norms first as in Radford et al. 2019 (GPT-2), sec. 2.3

W starts at zero: an untrained network gives every code the same probability, exactly.

Shapes: `B` batch; `K` codes; `T` positions in raster order; `W` width; `H` heads; `P` the map, (h, w).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.fading import Fading
from hvae.nn.kit import Shape
from hvae.nn.product import Linear

Cache = tuple[Tensor, Tensor]
"""Keys and values of all positions, (B, H, T, W / H) each, of which the first t are written."""
Choose = Callable[[Tensor], Tensor]
"""Logits (B, K) to one code for each row, (B,)."""
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Query (B, H, t, d) of the last positions, keys and values (B, H, T, d) of all, to mixtures (B, H, t, d)."""


def unheard(context: Tensor) -> Tensor:
    """The context as it is, where no condition enters it."""
    return context


def earlier(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of each of the last positions to itself and all before it: (B, H, t, d), (B, H, T, d) twice."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=query.shape[2] > 1)


class AttentionBlock(nn.Module):
    """The weights of attention and of an MLP, each around an identity; who hears whom is for those that extend it."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.answer = Linear(width, 3 * width), Linear(width, width)
        self.mlp = nn.Sequential(Linear(width, 4 * width), nn.GELU(), Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def _asked(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        split = self.ask(self.first(h)).unflatten(2, (3, self.heads, -1))  # (B, T, 3, H, W / H)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value

    def _after(self, h: Tensor, values: Tensor) -> Tensor:
        h = h + self.dropout(self.answer(values.transpose(1, 2).flatten(2)))
        return h + self.dropout(self.mlp(self.second(h)))


class CausalBlock(AttentionBlock):
    """Attention to earlier positions and an MLP, each around an identity: (B, T, W) -> (B, T, W).

    `attend`, (query, key, value) of the last positions and of all, says which of them count how much.
    """

    def __init__(self, width: int, heads: int, dropout: float, attend: Attend = earlier) -> None:
        super().__init__(width, heads, dropout)
        self.attend = attend

    def forward(self, h: Tensor) -> Tensor:
        return self._after(h, self.attend(*self._asked(h)))

    def step(self, h: Tensor, t: int, cache: Cache) -> Tensor:
        """One position, (B, 1, W) -> (B, 1, W), whose key and value go into the cache."""
        query, key, value = self._asked(h)
        keys, values = cache
        keys[:, :, t : t + 1], values[:, :, t : t + 1] = key, value
        return self._after(h, self.attend(query, keys[:, :, : t + 1], values[:, :, : t + 1]))


class MutualBlock(AttentionBlock):
    """Attention to positions on both sides and an MLP: (B, T, W), and `attend` of this batch -> (B, T, W)."""

    def forward(self, h: Tensor, attend: Attend) -> Tensor:
        return self._after(h, attend(*self._asked(h)))


class Causal(nn.Module):
    """A Transformer over codes in one order, of any number T; each is told apart by what is `around` its position.

    Arguments: `codes` K; `width` W, a multiple of `heads`; `layers`; `dropout`; `attend` of its blocks.  Raises
    HvaeError for a width that the heads do not divide.
    """

    def __init__(
        self, codes: int, *, width: int, layers: int, heads: int, dropout: float = 0.0, attend: Attend = earlier
    ) -> None:
        super().__init__()
        if width % heads:
            raise HvaeError(f"expected a width that {heads} heads divide, got {width}; {heads * 32} is usual")
        self.width, self.heads = width, heads
        self.embed = nn.Embedding(codes, width)
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(CausalBlock(width, heads, dropout, attend) for _ in range(layers))
        self.norm, self.leave = nn.LayerNorm(width), Linear(width, codes)
        nn.init.normal_(self.embed.weight, std=0.02)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def scores(self, index: Tensor, around: Tensor) -> Tensor:
        """All logits at once, (B, T) -> (B, K, T); `around` (1 or B, T, W)."""
        before = self.embed(index[:, :-1])  # (B, T - 1, W)
        first = self.start.expand(len(index), 1, -1)
        h = torch.cat([first, before], 1) + around
        for block in self.blocks:
            h = block(h)
        return self.leave(self.norm(h)).transpose(1, 2)

    def stepwise(self, choose: Choose, around: Tensor) -> Tensor:
        """Codes (B, T), one after the other: each runs once, keys and values are cached; `around` (B, T, W)."""
        rows, total = around.shape[:2]
        caches = [self._cache(rows, total) for _ in self.blocks]
        index = torch.zeros(rows, total, dtype=torch.int64, device=self.start.device)
        for t in range(total):
            h = (self.embed(index[:, t - 1]) if t else self.start.expand(rows, -1))[:, None] + around[:, t : t + 1]
            for block, cache in zip(self.blocks, caches, strict=True):
                h = block.step(h, t, cache)  # type: ignore[operator]
            index[:, t] = choose(self.leave(self.norm(h))[:, 0])
        return index

    def _cache(self, rows: int, total: int) -> Cache:
        empty = self.start.new_empty(rows, self.heads, total, self.width // self.heads)
        return empty, torch.empty_like(empty)


class CausalTransformer(Causal):
    """Logits of each code of a map, given those before it in raster order and a context at every position.

    Arguments: `codes` K; `places` (h, w) of the map; the others as `Causal` has them.

    >>> network = CausalTransformer(8, (3, 2), width=4, layers=1, heads=2)
    >>> network(torch.zeros(5, 3, 2, dtype=torch.int64)).shape
    torch.Size([5, 8, 3, 2])
    """

    def __init__(self, codes: int, places: Shape, *, width: int, layers: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__(codes, width=width, layers=layers, heads=heads, dropout=dropout)
        self.places = tuple(places)
        self.row = nn.Parameter(0.02 * torch.randn(places[0], 1, width))
        self.column = nn.Parameter(0.02 * torch.randn(places[1], width))

    def forward(self, index: Tensor, context: Tensor | None = None) -> Tensor:
        """All logits at once, (B, *P) -> (B, K, *P); `context` (B, W, *P)."""
        return self.scores(index.flatten(1), self._around(context)).unflatten(2, self.places)

    def draw(self, rows: int, choose: Choose, context: Tensor | None = None) -> Tensor:
        """So many maps, (B, *P), one code after the other."""
        return self.stepwise(choose, self._around(context).expand(rows, -1, -1)).unflatten(1, self.places)

    def _around(self, context: Tensor | None) -> Tensor:
        """What a position knows beside the codes before it, (1 or B, T, W): where it is, and the context there."""
        where = (self.row + self.column).flatten(0, 1)[None]
        return where if context is None else where + context.flatten(2).transpose(1, 2)


class CausalAlong(Causal):
    """Logits of each code of a sequence of any length, given those before it and a context at every position.

    Arguments: `codes` K; the others as `Causal` has them.

    >>> network = CausalAlong(8, width=4, layers=1, heads=2)
    >>> network(torch.zeros(5, 3, dtype=torch.int64), torch.zeros(5, 4, 3)).shape
    torch.Size([5, 8, 3])
    """

    def __init__(self, codes: int, *, width: int, layers: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__(codes, width=width, layers=layers, heads=heads, dropout=dropout, attend=Fading(heads))

    def forward(self, index: Tensor, context: Tensor) -> Tensor:
        """All logits at once, (B, P) -> (B, K, P); `context` (B, W, P)."""
        return self.scores(index, context.transpose(1, 2))

    def draw(self, choose: Choose, context: Tensor) -> Tensor:
        """Codes (B, P), one after the other, as many as the context has positions."""
        return self.stepwise(choose, context.transpose(1, 2))


class MutualTransformer(nn.Module):
    """Logits of all codes of a map at once, given the state above: (B, A, h', w') -> (B, K, *P).

    Every position sees the state everywhere, and no code of its own map: the network of next-scale prediction, Tian et
    al. 2024, arXiv 2404.02905, sec. 3.2, which hears the sum of the scales above in place of each of them.
    Arguments: `codes` K; `places` P; `above` channels A of the state (0: none, then where a position is decides);
    `width`, `layers`, `heads`, `dropout`.  It starts uniform.

    >>> network = MutualTransformer(8, (3, 2), above=5, width=4, layers=1, heads=2)
    >>> network(torch.zeros(2, 5, 6, 4)).shape
    torch.Size([2, 8, 3, 2])
    """

    def __init__(
        self, codes: int, places: Shape, *, above: int, width: int, layers: int, heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.places = tuple(places)
        self.see = nn.ModuleList([nn.Conv2d(above, width, 3, padding=1)] if above else [])
        self.row = nn.Parameter(0.02 * torch.randn(width, places[0], 1))
        self.column = nn.Parameter(0.02 * torch.randn(width, 1, places[1]))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, F.gelu, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, codes)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, h: Tensor, hear: Callable[[Tensor], Tensor] = unheard) -> Tensor:
        """Logits; `hear` is what a condition makes of what is known at each position, (B, W, *P) to the same."""
        where = (self.row + self.column).expand(len(h), -1, -1, -1)
        for layer in self.see:
            where = where + F.interpolate(layer(h), size=self.places, mode="bilinear")
        t = hear(where).flatten(2).transpose(1, 2)  # (B, T, W)
        for block in self.blocks:
            t = block(t)
        return self.leave(self.norm(t)).transpose(1, 2).unflatten(2, self.places)
