r"""Autoregressive images: each value given those before it, by rows, columns and colours.

Shapes: `B` batch; `C` colours; `H W` space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from hvae.distributions.base import Distribution

Place = tuple[slice, slice, slice, slice]
"""Some values of images (B, C, H, W), chosen at once: one pixel, and those of its colours that are next."""
Choose = Callable[[Distribution, Place], Tensor]
"""The law of one pixel, (B, C, 1, 1), and a place, to the values there."""


class Pixels(Protocol):
    """What an autoregressive law asks of a network, under all that it is conditioned on."""

    shape: tuple[int, ...]
    """Of its images, (B, C, H, W)."""

    def laws(self, value: Tensor) -> Distribution:
        """The law of each value given those before it, all at once."""

    def draw(self, choose: Choose) -> Tensor:
        """Images, each value by `choose` of the law of its pixel once those before it are known."""


class AutoregressivePixels(Distribution):
    r"""$$\log p(x) = \sum_t \log p(x_t \mid x_{<t})$$

    van den Oord et al. 2016, arXiv 1606.05328, eq. (1).  Scored in one pass, (B, C, H, W); drawn value by value.
    `mode` takes the most probable value at each place in turn, which need not be the most probable image; `mean` is the
    mean of each value given the mode of those before it, since the mean of all images has no closed form.  Arguments:
    `pixels`, the network; `density`, of the law of one value; `temperature` of each law.
    """

    has_exact_mean = False

    def __init__(self, pixels: Pixels, *, density: bool, temperature: float = 1.0) -> None:
        self.pixels, self.density, self.temperature = pixels, density, temperature
        self._scored: tuple[Tensor, Tensor] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its values, (B, C, H, W)."""
        return self.pixels.shape

    def sample(self) -> Tensor:
        return self.stepwise(lambda law, at: law.sample()[:, at[1]])

    def log_prob(self, value: Tensor) -> Tensor:
        # A trace is read several times (likelihood, bound, weight), and the network is all that costs.
        if self._scored is None or self._scored[0] is not value:
            self._scored = value, self._tempered(self.pixels.laws(value)).log_prob(value)
        return self._scored[1]

    def mode(self) -> Tensor:
        return self.stepwise(lambda law, at: law.mode()[:, at[1]])

    @torch.no_grad()
    def stepwise(self, choose: Choose) -> Tensor:
        """Images (B, C, H, W), value after value, each by `choose` of the law that those before it leave it."""
        return self.pixels.draw(lambda law, at: choose(self._tempered(law), at))

    def mean(self) -> Tensor:
        return self.pixels.laws(self.mode()).mean()

    def _tempered(self, law: Distribution) -> Distribution:
        return law if self.temperature == 1.0 else law.tempered(self.temperature)

    def tempered(self, t: float) -> AutoregressivePixels:
        return AutoregressivePixels(self.pixels, density=self.density, temperature=self.temperature * t)

    def detach(self) -> AutoregressivePixels:
        return AutoregressivePixels(_Still(self.pixels), density=self.density, temperature=self.temperature)

    def __repr__(self) -> str:
        return f"AutoregressivePixels{self.shape}"


class _Still:
    """The same network without gradients."""

    def __init__(self, pixels: Pixels) -> None:
        self.shape, self.draw, self._moving = pixels.shape, pixels.draw, pixels

    def laws(self, value: Tensor) -> Distribution:
        """Their gradients stopped."""
        return self._moving.laws(value).detach()
