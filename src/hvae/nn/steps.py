"""How one step of a sequence enters a network.

Shapes: `N` steps of all sequences together; `U` width of what they become; `...` one step of the data.
"""

from __future__ import annotations

import math

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


class Heard(nn.Module):
    r"""A frame of sound as it is heard, quiet beside loud: (N, D) around 0 -> (N, D + D // 2 + 1).

    The mu-law of each sample, $y = \mathrm{sgn}(x) \ln(1 + 255\, |2x|) / \ln 256$, and the logarithm of the power
    spectrum of the frame under a window of Hann.  Speech is a hundred times below its peaks for most of the time, where
    a first layer would hear nothing, and no few layers find a spectrum by themselves.
    """

    window: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        power = torch.fft.rfft(2 * x * self.window).abs().square()
        companded = x.sign() * torch.log1p(2 * 255 * x.abs()) / math.log(256)
        return torch.cat([companded, (power + SILENCE).log() / LOUDNESS + 1], 1)


SILENCE, LOUDNESS = 1e-8, 9.0
"""Less power than the rounding to 16 bits leaves in a frame, and half of what lies between it and a shout, in nats."""


class Token(nn.Module):
    """A learned vector for each of V tokens: (N,) of whole numbers, kept as floats -> (N, U)."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)

    def forward(self, x: Tensor) -> Tensor:
        vectors: Tensor = self.table(x.long())
        return vectors
