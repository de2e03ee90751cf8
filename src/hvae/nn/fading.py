"""Attention that tells positions apart by their distance alone.

Shapes: `B` batch; `H` heads; `t` positions that ask, the last of `T`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class Fading:
    r"""Attention to other positions that fades with their distance: the order of a sequence of any length.

    $$a_{ij} = q_i^T k_j / \sqrt d - m_h |i - j|, \qquad m_h = 2^{-8 h / H}, \quad
      -\text{ahead} \le i - j < \text{reach}$$

    Press, Smith and Lewis 2021 (ALiBi), arXiv 2108.12409, sec. 3: what is trained on short sequences takes longer ones.
    Beyond `reach` nothing is heard, so that time and memory are linear in the length; nor is anything later, unless so
    many positions `ahead` are.  Of positions that do not exist, by `within` (B, T), each is heard by itself alone.

    >>> Fading(4).slopes
    (0.25, 0.0625, 0.015625, 0.00390625)
    """

    def __init__(self, heads: int, reach: int = 1024, *, ahead: int = 0, within: Tensor | None = None) -> None:
        self.slopes, self.reach = tuple(2.0 ** (-8 * (h + 1) / heads) for h in range(heads)), reach
        self.ahead, self.within = ahead, within

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        before = key.shape[2] - query.shape[2]
        parts: list[Tensor] = []
        for part in query.split(self.reach, 2):
            here = before + part.shape[2]
            begin, end = max(0, before + 1 - self.reach), min(key.shape[2], here + self.ahead)
            bias = self._bias(torch.arange(before, here), torch.arange(begin, end)).to(query)
            if self.within is not None:
                bias = self._existing(bias, before, begin, self.within[:, begin:end])
            parts.append(F.scaled_dot_product_attention(part, key[:, :, begin:end], value[:, :, begin:end], bias))
            before = here
        return torch.cat(parts, 2)

    def _bias(self, now: Tensor, then: Tensor) -> Tensor:
        """Of each head at some positions towards some positions, (H, t, T)."""
        distance = now[:, None] - then
        bias = -torch.tensor(self.slopes, dtype=torch.float64)[:, None, None] * distance.abs()
        return bias.masked_fill((distance < -self.ahead) | (distance >= self.reach), -torch.inf)

    @staticmethod
    def _existing(bias: Tensor, now: int, then: int, within: Tensor) -> Tensor:
        """The bias (H, t, T) from `now` on towards `then` on, without what does not exist, (B, H, t, T)."""
        own = torch.ones(bias.shape[1:], dtype=torch.bool, device=bias.device).triu(now - then).tril(now - then)
        return torch.where(within[:, None, None] | own, bias, -torch.inf)
