"""A Gaussian conditional on its own: what a walk asks for p or q where no level bundles them.

Shapes: `B` batch; `D` latent channels; `...` space, if any.
"""

from __future__ import annotations

from torch import Tensor, nn

from hvae.distributions import Normal
from hvae.levels.scale import Positive, gaussian


class Conditional(nn.Module):
    """h -> N(mu(h), sigma(h)): a network to 2 D raw numbers, locations first, and the map that makes scales positive.

    >>> import torch
    >>> Conditional(nn.Linear(3, 8), torch.exp)(torch.zeros(2, 3))
    Normal(2, 4)
    """

    def __init__(self, network: nn.Module, positive: Positive) -> None:
        super().__init__()
        self.network, self.positive = network, positive

    def forward(self, h: Tensor) -> Normal:
        return gaussian(self.network(h), self.positive)
