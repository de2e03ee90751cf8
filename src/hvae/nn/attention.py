r"""Self-attention between the places of a map: each hears all others.

$$h \leftarrow h + W_o \operatorname{softmax}\!\big(q k^\top / \sqrt d\big)\, v, \qquad
  [q, k, v] = W_a\, \mathrm{norm}(h)$$

Vaswani et al. 2017, arXiv 1706.03762, eq. (1) and sec. 3.2.2; between the places of a convolutional network's maps Wang
et al. 2018, arXiv 1711.07971.  Nothing says where a place is but its own features.

Shapes: `B` batch; `W` channels; `h w` space; `N` places, h w; `K` heads; `d` channels of a head, W / K.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.conv import pointwise
from hvae.nn.kit import Norm, grouped


class Attention(nn.Module):
    """Each position hears all others, (B, W, h, w) -> (B, W, h, w); silent at the start.

    Arguments: `width` W, a multiple of the number of heads; `norm` before it; `heads`, (K,) for K heads side by side,
    () for one without an axis of its own.
    """

    def __init__(self, width: int, norm: Norm = grouped, heads: tuple[int, ...] = (), axes: int = 2) -> None:
        super().__init__()
        self.heads, self.norm = heads, norm(width)
        self.ask, self.out = pointwise(width, 3 * width, axes=axes), pointwise(width, width, 0.0, axes)

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = (self._split(t) for t in self.ask(self.norm(h)).flatten(2).transpose(1, 2).chunk(3, -1))
        mean = F.scaled_dot_product_attention(q, k, v).movedim(-2, 1).flatten(2)  # (B, N, W)
        out: Tensor = h + self.out(mean.transpose(1, 2).unflatten(2, h.shape[2:]))
        return out

    def _split(self, t: Tensor) -> Tensor:
        """(B, N, W) -> (B, *heads, N, d)."""
        return t.unflatten(-1, (*self.heads, -1)).movedim(1, -2)

    def extra_repr(self) -> str:
        return f"heads={self.heads}"


def attention(width: int, heads: int, axes: int = 2) -> list[nn.Module]:
    """Attention with so many heads, as layers to put at the end of others; none for 0.  `axes` are those of a map.

    >>> len(attention(8, 2)), len(attention(8, 0))
    (1, 0)
    """
    return [Attention(width, heads=(heads,), axes=axes)] if heads else []
