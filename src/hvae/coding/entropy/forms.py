r"""What a law of a continuous variable is to a coder: a standard distribution moved and scaled, or one to be rounded.

Shapes: `B` batch; `N` all elements of a value, (B, ...) flattened.
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from hvae.coding.entropy.curves import Curve, Floats, logistic, normal
from hvae.coding.entropy.steady import Parameters, steady

_REACH = 6.0


class Form(ABC):  # noqa: B024, its kinds share nothing but that a law has one of them
    """What a law is to a coder: `Continuous`, `Rounded` or `Discrete`."""


@dataclass(frozen=True)
class Standard:
    """A symmetric distribution of location 0 and scale 1.

    Arguments: `curve`, its cumulative distribution function as a table that is the same on every machine; `density`,
    by which bins are chosen once, so that its last bits do not count.
    """

    curve: Callable[[], Curve]
    density: Callable[[Floats], Floats]


def _normal_density(distance: Floats) -> Floats:
    # Beyond the reach a bin would be wider than any that is used.
    return np.asarray(np.exp(-0.5 * np.minimum(distance, _REACH) ** 2) / math.sqrt(2 * math.pi))


def _logistic_density(distance: Floats) -> Floats:
    return np.asarray(np.exp(-distance) / (1 + np.exp(-distance)) ** 2)


GAUSSIAN = Standard(normal, _normal_density)
LOGISTIC = Standard(logistic, _logistic_density)


@dataclass(frozen=True, eq=False)
class Continuous(Form):
    r"""A latent $z = \mu + \sigma \epsilon$, coded over bins: `loc` and `scale` (B, ...), and the law of $\epsilon$."""

    loc: Tensor
    scale: Tensor
    standard: Standard = GAUSSIAN

    @cached_property
    def parameters(self) -> Parameters:
        """Location and scale, each (N,), with the last bits rounded off."""
        return steady(self.loc, self.scale)


@dataclass(frozen=True, eq=False)
class Rounded(Form):
    """A latent of the lossy codec: integers around `loc`, with the masses of a Gaussian of `scale`, both (B, ...)."""

    loc: Tensor
    scale: Tensor

    @cached_property
    def parameters(self) -> Parameters:
        """Location and scale, each (N,), with the last bits rounded off."""
        return steady(self.loc, self.scale)
