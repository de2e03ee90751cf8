r"""A caption as one code: a causal Transformer over its tokens, read at its end.

    h_t = E[k_t] + P_t,   h <- h + attention(norm(h)),   h <- h + mlp(norm(h)),   c = norm(h_T) [a caption is known]

The text encoder of Radford et al. 2021, arXiv 2103.00020, sec. 2.4: attention looks back alone, and the activation of
the last layer at the end token stands for the text.  Since nothing looks ahead, what follows the end needs no mask.

Shapes: `B` batch; `T` tokens of a caption, 0 from its end on, -1 where none is known; `W` width of the code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.transformer import CausalBlock


class CaptionCode(nn.Module):
    """Tokens to a code, zeros for an unknown caption: (B, T) int64 -> (B, W).

    Arguments: `tokens`, how many kinds there are; `length` T; `width` W, a multiple of `heads`; `layers`.  Raises
    HvaeError for a width that the heads do not divide.

    >>> code = CaptionCode(10, 5, 8, layers=1, heads=2)
    >>> code(torch.tensor([[3, 4, 0, 0, 0], [-1, -1, -1, -1, -1]])).abs().sum(1) > 0
    tensor([ True, False])
    """

    def __init__(self, tokens: int, length: int, width: int, *, layers: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise HvaeError(
                f"model.condition.width: expected a multiple of model.condition.heads, {heads}, got {width}"
            )
        self.width = width
        self.embed = nn.Embedding(tokens, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.ModuleList(CausalBlock(width, heads, dropout=0.0) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embed(tokens.clamp(min=0)) + self.place  # (B, T, W)
        for block in self.blocks:
            h = block(h)
        end = (tokens > 0).sum(1).clamp(max=tokens.shape[1] - 1)
        last = h.gather(1, end[:, None, None].expand(-1, 1, h.shape[2]))[:, 0]
        is_known = (tokens[:, :1] >= 0).to(h)
        return self.norm(last) * is_known

    def prepare(self, tokens: Tensor) -> None:
        """Nothing of it starts from data."""
