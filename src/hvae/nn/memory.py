r"""A causal Transformer over time with a memory: context beyond a chunk, without gradients beyond it.

    a_ij = (q_i + b)^T k_j + (q_i + b')^T W R_{i-j},   j <= i, i - j <= memory       Dai et al. 2019, arXiv 1901.02860,
    h <- h + sum_j softmax_j(a_ij / sqrt(d)) v_j,   h <- h + mlp(h)                  sec. 3.2-3.3

R_n are the sines and cosines of a distance n.  Keys and values of the steps before a chunk come from what each block
has heard of them, which the next chunk takes for constants.

Difference from the paper: a step hears exactly its last `memory` steps in each block, wherever chunks begin (there: the
memory and what precedes it in its own chunk).  How a sequence is cut changes gradients then, and no number; step by
step it has the numbers that it has at once.

Shapes: `B` batch; `T` steps; `M` remembered steps; `U` inputs; `W` width; `H` heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hvae.errors import HvaeError

Memory = tuple[int, tuple[Tensor, ...]]
"""How many steps have passed, and what each block has last heard, (B, M, W) each."""


def waves(distances: int, width: int, like: Tensor) -> Tensor:
    """R_0 .. R_{n-1}, (n, W): sines, then cosines, of wavelengths from 2 pi to 20,000 pi.

    >>> waves(1, 4, torch.zeros(1))
    tensor([[0., 0., 1., 1.]])
    """
    rates = 10_000 ** -(torch.arange(0, width, 2, device=like.device, dtype=like.dtype) / width)
    angles = torch.arange(distances, device=like.device, dtype=like.dtype)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


class MemoryBlock(nn.Module):
    """Attention to the last `reach` steps and an MLP, each around an identity: (h (B, T, W), before (B, M, W)) -> h."""

    def __init__(self, width: int, heads: int, reach: int) -> None:
        super().__init__()
        self.heads, self.reach = heads, reach
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.keys, self.answer = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.place = nn.Linear(width, width, bias=False)
        self.content_bias, self.place_bias = (nn.Parameter(torch.zeros(heads, 1, width // heads)) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, h: Tensor, before: Tensor) -> Tensor:
        steps, whole = h.shape[1], self.first(torch.cat([before, h], 1))  # (B, M + T, W)
        query = self._split(self.ask(whole[:, -steps:]))  # (B, H, T, W / H)
        key, value = (self._split(half) for half in self.keys(whole).chunk(2, 2))
        ages = waves(whole.shape[1], whole.shape[2], whole)
        place = self._split(self.place(ages)[None])  # (1, H, M + T, W / H), by distance
        distance = self._distances(before.shape[1], steps, h.device)  # (T, M + T)
        by_place = (query + self.place_bias) @ place.transpose(2, 3)
        index = distance.clamp(min=0).expand(*by_place.shape[:2], -1, -1)
        score = (query + self.content_bias) @ key.transpose(2, 3) + by_place.gather(3, index)
        score = score.masked_fill((distance < 0) | (distance > self.reach), -torch.inf)
        mixture = (score / math.sqrt(query.shape[3])).softmax(3) @ value
        h = h + self.answer(mixture.transpose(1, 2).flatten(2))
        return h + self.mlp(self.second(h))

    def _split(self, h: Tensor) -> Tensor:
        return h.unflatten(2, (self.heads, -1)).transpose(1, 2)

    @staticmethod
    def _distances(before: int, steps: int, device: torch.device) -> Tensor:
        """How far back from each step each one of the whole lies, (T, M + T)."""
        now = before + torch.arange(steps, device=device)
        return now[:, None] - torch.arange(before + steps, device=device)


class MemoryTransformer(nn.Module):
    """A Transformer where a recurrence stands, as `over_time` has it: (u (B, T, U), carry or None) -> (h, carry).

    Arguments: `inputs` U; `width` W, a multiple of twice the `heads`; `blocks`; `memory`, how many steps back each
    block hears; `chunk`, steps after which gradients stop on their way back in time (0: never).  Raises HvaeError for a
    width that does not fit.

    >>> network = MemoryTransformer(3, 8, blocks=2, heads=2, memory=4, chunk=5)
    >>> network(torch.zeros(2, 12, 3))[0].shape
    torch.Size([2, 12, 8])
    """

    def __init__(self, inputs: int, width: int, *, blocks: int, heads: int, memory: int, chunk: int) -> None:
        super().__init__()
        if width % (2 * heads):
            raise HvaeError(
                f"expected a width that is a multiple of twice {heads} heads, got {width}; e.g. {heads * 32}"
            )
        self.width, self.memory, self.chunk = width, memory, chunk
        self.enter, self.norm = nn.Linear(inputs, width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(MemoryBlock(width, heads, memory) for _ in range(blocks))

    def forward(self, u: Tensor, carry: Memory | None = None) -> tuple[Tensor, Memory]:
        empty = u.new_zeros(len(u), 0, self.width)
        passed, memories = carry if carry is not None else (0, (empty,) * len(self.blocks))
        parts = []
        while u.shape[1]:
            size = self.chunk - passed % self.chunk if self.chunk else u.shape[1]
            if self.chunk and passed and passed % self.chunk == 0:
                memories = tuple(memory.detach() for memory in memories)
            part, memories = self._through(u[:, :size], memories)
            parts.append(part)
            passed, u = passed + part.shape[1], u[:, size:]
        return torch.cat(parts, 1), (passed, memories)

    def _through(self, u: Tensor, memories: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, after = self.enter(u), []
        for block, before in zip(self.blocks, memories, strict=True):
            whole = torch.cat([before, h], 1)
            after.append(whole[:, max(0, whole.shape[1] - self.memory) :])
            h = block(h, before)
        return self.norm(h), tuple(after)


class FirstMemory(nn.Module):
    """A vector to what a `MemoryTransformer` remembers before its first step: W z, one step of each block."""

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.linear, self.blocks = nn.Linear(inputs, blocks * width), blocks

    def forward(self, z: Tensor) -> Memory:
        return 0, tuple(self.linear(z)[:, None].chunk(self.blocks, 2))
