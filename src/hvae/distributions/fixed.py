r"""All mass on one value: the inference conditional of a latent that the data determine.

$$q(u \mid x) = 1 \;\text{ for }\; u = u(x), \qquad 0 \;\text{ elsewhere}$$

With a prior over the same countable values KL(q || p) = -log p(u(x)), exactly: what coding u(x) costs.

Shapes: `B` batch; `...` any event shape.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvae.distributions.base import Distribution


class Fixed(Distribution):
    """All mass on a `value` (B, ...), one of the `levels` L numbers k / (L - 1).

    >>> Fixed(torch.tensor([[0.5]]), 3).log_prob(torch.tensor([[0.5]])), Fixed(torch.tensor([[0.5]]), 3).sample()
    (tensor([[0.]]), tensor([[0.5000]]))
    """

    density = False

    def __init__(self, value: Tensor, levels: int) -> None:
        self.value, self.levels = value, levels

    def sample(self) -> Tensor:
        return self.value

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.zeros_like(value).masked_fill(value != self.value, -math.inf)

    def mode(self) -> Tensor:
        return self.value

    def mean(self) -> Tensor:
        return self.value

    def tempered(self, t: float) -> Fixed:
        """Itself: there is nothing to narrow."""
        return self

    def detach(self) -> Fixed:
        return Fixed(self.value.detach(), self.levels)

    def __repr__(self) -> str:
        return f"Fixed{tuple(self.value.shape)}"
