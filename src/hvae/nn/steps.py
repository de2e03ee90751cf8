"""How one step of a sequence enters a network.

Shapes: `N` steps of all sequences together; `U` width of what they become; `...` one step of the data.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.nn.kit import Shape


class Centred(nn.Module):
    """A step less the mean of the data, (N, ...) -> (N, ...), which is known once `begin` has seen some.

    Rare notes are nearly always off: without their mean a first layer hears little but a constant.
    """

    mean: Tensor

    def __init__(self, step: Shape) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(step))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.mean

    def begin(self, steps: Tensor) -> None:
        """Start from the mean of these steps, (N, ...)."""
        self.mean.copy_(steps.mean(0))


def begin_centred(network: nn.Module, steps: Tensor) -> None:
    """Every `Centred` in a network starts from the mean of these steps."""
    for layer in network.modules():
        if isinstance(layer, Centred):
            layer.begin(steps)


class Token(nn.Module):
    """A learned vector for each of V tokens: (N,) of whole numbers, kept as floats -> (N, U)."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)

    def forward(self, x: Tensor) -> Tensor:
        vectors: Tensor = self.table(x.long())
        return vectors
