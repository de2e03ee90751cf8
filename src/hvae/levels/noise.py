r"""Likelihood heads that are the law of a noise: raw outputs are the clean signal, and what is noisy is scored by it.

    s = (raw + 1) / 2,   p(x | z) = the camera's law of s:  sqrt(g s + sigma^2) eps, rounded and clipped

A model under one of them learns from noisy data alone, and its posterior draws of s are clean: Prakash, Krull and Jug
2021, arXiv 2006.06072 (DivNoising); Prakash et al. 2022, arXiv 2104.01374 (with a ladder of latents).

Shapes: `B` batch; `C` channels, `H W` space; `D` coordinates of a vector.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from hvae.distributions import Camera, full
from hvae.errors import HvaeError
from hvae.levels.heads import Head, Shape, at_least_two

LEAST = 1e-4
"""The least standard deviation: a sixth of a 12-bit level's own rounding."""


class CameraHead(Head):
    """A signal for each value, under noise whose variance is a number and another one times the signal."""

    def __init__(self, shape: Shape, levels: int) -> None:
        super().__init__(shape, shape[0])
        self.levels = at_least_two(levels)

    def read(self, raw: Tensor) -> Camera:
        signal = (raw + 1) / 2
        variance, gain = self.noise()
        # Photons are never fewer than none; the network may say so while it learns.
        spread = (variance + gain * signal.clamp_min(0)).clamp_min(LEAST**2).sqrt()
        return Camera(signal, spread.expand_as(signal), self.levels)

    @abstractmethod
    def noise(self) -> tuple[Tensor | float, Tensor | float]:
        """sigma^2 and g, in units of data in [0, 1]."""

    def marginal(self, x: Tensor) -> Tensor:
        """The mean of the data, which the noise leaves where it is but for clipping."""
        return 2 * x.mean(0) - 1


class NoiseHead(CameraHead):
    """Noise of a known size: `sigma` without light, and `gain` of variance for each unit of signal."""

    def __init__(self, shape: Shape, levels: int, *, sigma: float = 0.1, gain: float = 0.0) -> None:
        super().__init__(shape, levels)
        self.sizes = _checked(sigma, gain)

    def noise(self) -> tuple[float, float]:
        return self.sizes[0] ** 2, self.sizes[1]


class NoiseGlobalHead(CameraHead):
    """Noise of an unknown size, learned with all else from `sigma` and `gain`; a gain of 0 stays 0."""

    def __init__(self, shape: Shape, levels: int, *, sigma: float = 0.1, gain: float = 0.0) -> None:
        super().__init__(shape, levels)
        sigma, gain = _checked(sigma, gain)
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))
        self.log_gain = nn.Parameter(torch.tensor(math.log(gain))) if gain else None

    def noise(self) -> tuple[Tensor, Tensor | float]:
        gain = 0.0 if self.log_gain is None else full(self.log_gain).exp()
        return (2 * full(self.log_sigma)).exp(), gain


def _checked(sigma: float, gain: float) -> tuple[float, float]:
    if not sigma > 0:
        raise HvaeError(f"expected sigma above 0, got {sigma}; it is in units of data in [0, 1]: 25 of 255 is 0.098")
    if not gain >= 0:
        raise HvaeError(f"expected a gain of 0 or more, got {gain}; it is 1 / (photons of the brightest value)")
    return sigma, gain
