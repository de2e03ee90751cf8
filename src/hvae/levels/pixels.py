"""A likelihood whose parameters at each value come from the values before it, and from a map that the model makes.

Shapes: `B` batch; `S` channels of the map; `C H W` an image.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from hvae.distributions import Distribution, pixels
from hvae.distributions.pixels import AutoregressivePixels
from hvae.levels.heads import Head
from hvae.nn.pixelcnn import Choose


class PixelNetwork(Protocol):
    """Parameters of the law of each pixel of an image, given those before it and a map beside it."""

    def __call__(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """All of them at once: (B, C, H, W), (B, S, H, W) -> (B, P, H, W)."""

    def draw(self, x: Tensor, choose: Choose, c: Tensor | None = None) -> Tensor:
        """Images like x, each value by `choose` of its parameters once those before it are known."""


class PixelHead(Head):
    """The map (B, S, H, W) to an autoregressive law: raw numbers say what the network hears beside the pixels.

    Arguments: `network`, of so many `beside` channels S; `each`, the likelihood of one pixel, (C, 1, 1), which must
    factorise over colours where the network goes from colour to colour; `shape` (C, H, W).
    """

    def __init__(self, shape: tuple[int, ...], network: PixelNetwork, each: Head, beside: int) -> None:
        super().__init__(shape, beside)
        self.network, self.each = network, each

    def read(self, raw: Tensor) -> AutoregressivePixels:
        density = self.each.read(raw.new_zeros(1, self.each.width, 1, 1)).density
        return AutoregressivePixels(_Pixels(self, raw), density=density)


class _Pixels:
    """The network under the map of one walk."""

    def __init__(self, head: PixelHead, raw: Tensor) -> None:
        self.network, self.each, self.raw = head.network, head.each, raw
        self.shape = (len(raw), *head.shape)

    def laws(self, value: Tensor) -> Distribution:
        """The law of each value, one pass."""
        return self.each.read(self.network(value, self.raw))

    def draw(self, choose: pixels.Choose) -> Tensor:
        """Images, value by value."""

        def one(raw: Tensor, at: pixels.Place) -> Tensor:
            return choose(self.each.read(raw), at)

        return self.network.draw(self.raw.new_zeros(self.shape), one, self.raw)
