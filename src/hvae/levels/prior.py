"""Priors of a level: from the state h to (p, h).

Shapes: `B` batch; `H` state channels; `D` latent channels; `...` space, if any.
"""

from __future__ import annotations

from torch import Tensor, nn

from hvae.distributions import Normal, standard_normal
from hvae.levels.scale import Positive, gaussian
from hvae.modules import Spatial
from hvae.nn import Shape


class StandardPrior(Spatial):
    """p(z) = N(0, I), whatever the state."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape[1:])
        self.channels = shape[0]

    def forward(self, h: Tensor) -> tuple[Normal, Tensor]:
        return standard_normal(h, (self.channels, *self.size)), h

    def extra_repr(self) -> str:
        return f"{(self.channels, *self.size)}"


class LearnedPrior(nn.Module):
    """p(z given h) = N(mu(h), sigma(h)): one network, the state unchanged."""

    def __init__(self, network: nn.Module, positive: Positive) -> None:
        super().__init__()
        self.network, self.positive = network, positive

    def forward(self, h: Tensor) -> tuple[Normal, Tensor]:
        return gaussian(self.network(h), self.positive), h


class SplitPrior(nn.Module):
    """p(z given h), and a deterministic step of the state from the same network: h + r(h).

    Child 2021, arXiv 2011.10650, fig. 3.  The network gives 2 `dims` + H channels.
    """

    def __init__(self, network: nn.Module, positive: Positive, dims: int) -> None:
        super().__init__()
        self.network, self.positive, self.dims = network, positive, dims

    def forward(self, h: Tensor) -> tuple[Normal, Tensor]:
        raw = self.network(h)  # (B, 2 D + H, ...)
        p = gaussian(raw[:, : 2 * self.dims], self.positive)
        return p, h + raw[:, 2 * self.dims :]
