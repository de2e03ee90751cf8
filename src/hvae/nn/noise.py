r"""How noisy each level of a diffusion is: gamma(t), minus the logarithm of its signal-to-noise ratio.

    alpha_t^2 = sigmoid(-gamma(t)),  sigma_t^2 = sigmoid(gamma(t)),  SNR(t) = e^{-gamma(t)}     Kingma et al. 2021,
                                                                                  arXiv 2107.00630, sec. 3.2, app. H

t runs from 0, next to the data, to 1; gamma never falls.  Shapes: `...` any shape of times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Schedule(nn.Module, ABC):
    """gamma of a time, and its derivative."""

    @abstractmethod
    def forward(self, t: Tensor) -> Tensor:
        """gamma(t), (...) -> (...)."""

    @abstractmethod
    def slope(self, t: Tensor) -> Tensor:
        """d gamma / d t at t, (...) -> (...)."""


class FixedLinear(Schedule):
    """A straight line from `low` to `high`.

    >>> FixedLinear(-13.3, 5.0)(torch.tensor([0.0, 1.0]))
    tensor([-13.3000,   5.0000])
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, t: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * t

    def slope(self, t: Tensor) -> Tensor:
        return torch.full_like(t, self.high - self.low)


class LearnedLinear(Schedule):
    """b + |w| t: both ends are learned, and begin at `low` and `high`."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.b, self.w = nn.Parameter(torch.tensor([low])), nn.Parameter(torch.tensor([high - low]))

    def forward(self, t: Tensor) -> Tensor:
        return self.b + self.w.abs() * t

    def slope(self, t: Tensor) -> Tensor:
        return self.w.abs().expand_as(t)


class Monotone(Schedule):
    r"""A line and a network of one hidden layer upon it, all of whose weights enter by their absolute value.

    $$\gamma(t) = l + \tfrac1H \sum_h |v_h|\, \tanh\big(\tfrac12 (|u_h| (2t - 1) + c_h)\big), \qquad l = b + |w| t$$

    (appendix H; 2 sigmoid(a) - 1 = tanh(a / 2)).  `hidden` H units.
    """

    def __init__(self, low: float, high: float, hidden: int) -> None:
        super().__init__()
        self.line = LearnedLinear(low, high)
        self.u, self.c, self.v = (nn.Parameter(torch.empty(hidden)) for _ in range(3))
        nn.init.normal_(self.u)
        nn.init.zeros_(self.c)
        # A wiggle that is small beside the line, whose slope it only adds to.
        nn.init.normal_(self.v, std=0.1)

    def forward(self, t: Tensor) -> Tensor:
        line: Tensor = self.line(t)
        return line + self.hidden(t) @ self.v.abs() / len(self.v)

    def hidden(self, t: Tensor) -> Tensor:
        """The hidden units at a time, (..., H)."""
        return torch.tanh(0.5 * (self.u.abs() * (2 * t - 1)[..., None] + self.c))

    def slope(self, t: Tensor) -> Tensor:
        rise = (1 - self.hidden(t) ** 2) @ (self.u.abs() * self.v.abs()) / len(self.v)
        return self.line.slope(t) + rise
