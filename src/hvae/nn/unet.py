"""The U-Net of a diffusion: a noisy image and how noisy it is in, an image out, at every size.

    g = MLP(sin, cos of the noise level);  h <- h + conv(silu(norm(conv(silu(norm(h))) + W g)))      Kingma et al. 2021,
                                                                                   arXiv 2107.00630, appendix B

As published there is one scale, and a block on the way up for each on the way down whose output it hears, and one
more; each further entry of `widths` halves the resolution, which they never do.

Shapes: `B` batch; `C` channels of the data; `W` of the features; `G` 4 times the first width; `h w` positions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.attention import Attention
from hvae.nn.conv import conv, pointwise, scaled
from hvae.nn.kit import Groups, Norm

HEARD = 1000.0
"""What a noise level in [0, 1] is multiplied by before its sines are taken (as published)."""
LONGEST = 10_000.0
"""The longest wave of these sines, in radians."""


def normed(channels: int) -> nn.Module:
    """Normalisation over groups of channels, 32 of them where that divides, as published for 128 channels and more.

    A group of one channel loses what is the same at all places, which is how a noise level is heard.
    """
    return Groups(math.gcd(32, channels), channels, eps=1e-6)


class Level(nn.Module):
    """A number in [0, 1] as a vector: (B,) -> (B, G)."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        half = max(width // 2, 2)
        waves = torch.exp(torch.arange(half, dtype=torch.float64) * (-math.log(LONGEST) / (half - 1)))
        self.register_buffer("frequencies", waves, persistent=False)
        self.first, self.second = nn.Linear(2 * half, 4 * width), nn.Linear(4 * width, 4 * width)

    def forward(self, level: Tensor) -> Tensor:
        angle = HEARD * level[:, None] * self.frequencies.to(level.dtype)
        angles = self.first(torch.cat([angle.sin(), angle.cos()], 1))
        vector: Tensor = F.silu(self.second(F.silu(angles)))
        return vector


class Waves(nn.Module):
    r"""z beside sin and cos of $2 \pi 2^n z$ for each of N exponents n: (B, C, h, w) -> (B, C (1 + 2 N), h, w).

    Fine differences of values become large ones (appendix C of the paper, whose n = 7, 8 of pi are 6, 7 of 2 pi).
    """

    def __init__(self, exponents: Sequence[int]) -> None:
        super().__init__()
        self.factors = [2 * math.pi * 2.0**n for n in exponents]

    def forward(self, z: Tensor) -> Tensor:
        if not self.factors:
            return z
        angles = torch.stack([factor * z for factor in self.factors], 2).flatten(1, 2)
        return torch.cat([z, angles.sin(), angles.cos()], 1)


class Block(nn.Module):
    """A residual block that hears the noise level, (B, a, h, w) and (B, G) -> (B, b, h, w); silent at the start."""

    def __init__(self, a: int, b: int, embedding: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.norm, self.first = norm(a), conv(a, b)
        self.hear = nn.Linear(embedding, b, bias=False)
        self.norm_again, self.dropout = norm(b), nn.Dropout(dropout)
        self.second = scaled(conv(b, b), 0.0)
        self.skip = nn.Identity() if a == b else pointwise(a, b)
        nn.init.zeros_(self.hear.weight)

    def forward(self, h: Tensor, g: Tensor) -> Tensor:
        inner = self.first(F.silu(self.norm(h))) + self.hear(g)[..., None, None]
        out: Tensor = self.skip(h) + self.second(self.dropout(F.silu(self.norm_again(inner))))
        return out


class Attended(nn.Module):
    """A block, and attention behind it."""

    def __init__(self, block: Block, width: int, norm: Norm) -> None:
        super().__init__()
        self.block, self.attention = block, Attention(width, norm)

    def forward(self, h: Tensor, g: Tensor) -> Tensor:
        out: Tensor = self.attention(self.block(h, g))
        return out


class Blocks(nn.ModuleList):
    """The blocks of one scale, on one of the ways."""

    def passed(self, h: Tensor, g: Tensor) -> list[Tensor]:
        """h, and what each block makes of what the one before it made."""
        states = [h]
        for block in self:
            states.append(block(states[-1], g))
        return states

    def joined(self, h: Tensor, beside: list[Tensor], g: Tensor) -> Tensor:
        """h after all blocks, each of which hears one of `beside` too, the last first."""
        for block, state in zip(self, reversed(beside), strict=True):
            h = block(torch.cat([h, state], 1), g)
        return h


class UNet(nn.Module):
    """(B, C, h, w) and `level` of how noisy it is, (B, G) -> (B, C, h, w); zero at the start.

    Arguments: `channels` C; `widths`, features of each scale, the data's resolution first; `blocks` of each scale on
    the way down; `middle`, whether attention stands between the ways; `everywhere`, whether behind every block;
    `fourier`, exponents of `Waves`; `dropout` inside the blocks; `norm` before each convolution.
    """

    def __init__(
        self,
        channels: int,
        *,
        widths: Sequence[int],
        blocks: int,
        middle: bool,
        everywhere: bool,
        fourier: Sequence[int],
        dropout: float,
        norm: Norm,
    ) -> None:
        super().__init__()
        embedding, last = 4 * widths[0], widths[-1]

        def block(a: int, b: int) -> nn.Module:
            one = Block(a, b, embedding, dropout, norm)
            return Attended(one, b, norm) if everywhere else one

        self.level, self.waves = Level(widths[0]), Waves(fourier)
        self.enter = conv(channels * (1 + 2 * len(fourier)), widths[0])
        self.down, self.coarser = nn.ModuleList(), nn.ModuleList()
        self.up, self.finer = nn.ModuleList(), nn.ModuleList()
        width = widths[0]
        for scale, wide in enumerate(widths):
            self.coarser.append(nn.Identity() if scale == 0 else conv(width, wide, stride=2))
            self.down.append(Blocks(block(wide, wide) for _ in range(blocks)))
            width = wide
        self.before, self.after = (Block(last, last, embedding, dropout, norm) for _ in range(2))
        self.middle = Attention(last, norm) if middle else nn.Identity()
        for scale in reversed(range(len(widths))):
            wide = widths[scale]
            self.up.append(Blocks(block(2 * wide, wide) for _ in range(blocks + 1)))
            self.finer.append(conv(wide, widths[scale - 1]) if scale else nn.Identity())
        self.norm, self.leave = norm(widths[0]), scaled(conv(widths[0], channels), 0.0)

    def forward(self, z: Tensor, g: Tensor) -> Tensor:
        h = self.enter(self.waves(z))
        passed: list[list[Tensor]] = []
        for coarser, blocks in zip(self.coarser, _blocks(self.down), strict=True):
            passed.append(blocks.passed(coarser(h), g))
            h = passed[-1][-1]
        h = self.after(self.middle(self.before(h, g)), g)
        for number, (finer, blocks) in enumerate(zip(self.finer, _blocks(self.up), strict=True), 1):
            h = blocks.joined(h, passed.pop(), g)
            if number < len(self.up):
                h = finer(F.interpolate(h, size=passed[-1][-1].shape[2:], mode="nearest"))
        out: Tensor = self.leave(F.silu(self.norm(h)))
        return out


def _blocks(scales: nn.ModuleList) -> Iterator[Blocks]:
    for blocks in scales:
        assert isinstance(blocks, Blocks)
        yield blocks
