r"""The inverse autoregressive flow over maps: every element is moved and scaled by what is before it in an order.

Shapes: `B` batch; `D` latent and `C` context channels; `h w` space.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.masked import raster_mask
from hvae.nn.weightnorm import LOG, NormedConv

# From the released code of Kingma et al. 2016: what both outputs of the network are multiplied with, so that a flow
# starts near the identity, and the standard deviation of the first outputs of its layers.
QUIET, STD = 0.1, 1.0


class AutoregressiveNet(nn.Module):
    """(z, context) -> (m, s), each (B, D, h, w), at each element a function of the context and of earlier elements.

    The order runs backwards over rows and columns, and forwards over the channels of a pixel.  `layers` hidden layers
    of C channels, C a multiple of D or D of C; the context is added to the first.
    """

    def __init__(self, channels: int, context: int, layers: int) -> None:
        super().__init__()
        widths = [channels, *[context] * layers]
        self.hidden = nn.ModuleList(_masked(a, b, strict=False) for a, b in pairwise(widths))
        self.shift = _masked(context, channels, strict=True)
        self.log_scale = _masked(context, channels, strict=True)

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        first, *more = self.hidden
        h = F.elu(first(z) + context)
        for layer in more:
            h = F.elu(layer(h))
        return self.shift(h), self.log_scale(h)


def _masked(a: int, b: int, *, strict: bool) -> NormedConv:
    return NormedConv(a, b, 3, std=STD, length=LOG, mask=raster_mask(a, b, 3, strict=strict, mirrored=True))


class InverseAutoregressive(nn.Module):
    r"""$$z' = (z - 0.1\,m)\, e^{-0.1\,s}, \qquad \log\Big|\det\frac{\partial z'}{\partial z}\Big| = -0.1 \sum s$$

    with m and s at each element functions of the earlier elements of z.  Kingma et al. 2016, arXiv 1606.04934, alg. 1,
    in the form of the released code.  The map costs one pass of `net`, its inverse one a place in the order at worst.

    >>> flow = InverseAutoregressive(AutoregressiveNet(2, 4, 1))
    >>> z, context = torch.randn(1, 2, 3, 3), torch.randn(1, 4, 3, 3)
    >>> torch.allclose(flow.inverse(flow(z, context)[0], context)[0], z, atol=1e-5)
    True
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z' and the log-determinant, element by element: the Jacobian is triangular."""
        m, s = self.net(z, context)
        return (z - QUIET * m) * torch.exp(-QUIET * s), -QUIET * s

    def inverse(self, value: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """The z that is mapped to a value, and the log-determinant of the map there.

        A fixed point: an element stands still one round after all before it do, so the rounds are at most the elements;
        in practice a few times fewer.
        """
        z = value
        for _ in range(value[0].numel()):
            m, s = self.net(z, context)
            before, z = z, value * torch.exp(QUIET * s) + QUIET * m
            if torch.equal(z, before):
                break
        return z, -QUIET * self.net(z, context)[1]
