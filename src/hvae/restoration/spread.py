r"""The variance of a value given the latents: what a pixel keeps to itself once its mean is known.

Shapes: `B` batch; `...` a datum.
"""

from __future__ import annotations

import math
from functools import singledispatch

import torch
from torch import Tensor

from hvae.distributions import (
    Bernoulli,
    Camera,
    Categorical,
    DiscretizedLogistic,
    Distribution,
    LogisticMixture,
    Normal,
)

LOGISTIC = math.pi**2 / 3 / 4
"""The variance of a logistic of scale 1, which lives on [-1, 1], in units of data in [0, 1]."""


@singledispatch
def variance(law: Distribution) -> Tensor:
    """The variance of each value, (B, ...); of a law that nobody has told it of, none: its mean counts as certain."""
    return torch.zeros_like(law.mean())


@variance.register
def _(law: Normal) -> Tensor:
    return law.scale**2


@variance.register
def _(law: Camera) -> Tensor:
    """Of the noise before it is rounded and clipped."""
    return law.scale**2


def signal(law: Distribution) -> Tensor:
    """What lies under a noise, (B, ...): of a camera's law the signal itself, of others their mean."""
    return law.signal if isinstance(law, Camera) else law.mean()


@variance.register
def _(law: Bernoulli) -> Tensor:
    mean = law.mean()
    return mean * (1 - mean)


@variance.register
def _(law: Categorical) -> Tensor:
    grid = torch.linspace(0, 1, law.levels, dtype=law.logits.dtype, device=law.logits.device)
    mean, square = (torch.einsum("bl...,l->b...", law.logits.softmax(1), power) for power in (grid, grid**2))
    return (square - mean**2).clamp_min(0)


@variance.register
def _(law: DiscretizedLogistic) -> Tensor:
    """Of the logistic before it is rounded, its tails not clipped."""
    return LOGISTIC * (2 * law.log_scale).exp()


@variance.register
def _(law: LogisticMixture) -> Tensor:
    """Within the components, on average; the distance between them is left out."""
    within = (law.logits.softmax(1)[:, :, None] * (2 * law.log_scale).exp()).sum(1)  # (B, C, S)
    return LOGISTIC * within.reshape(len(within), *law.shape)
