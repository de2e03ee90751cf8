"""Likelihood heads of what only sequences have: tokens, and real-valued data that were standardised.

Of real-valued data raw 0 is a standard normal, or as wide as one.  They are densities: their nats move with the unit of
the data, by log(scale) a number.

Shapes: `B` batch; `V` tokens; `D` coordinates of a vector; `M` components.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.distributions import Normal, NormalMixture, Student, Tokens
from hvae.errors import HvaeError
from hvae.levels.heads import Head, Shape
from hvae.levels.scale import gaussian, softplus


class TokenHead(Head):
    """One of V symbols: V logits, of data of shape (), raw (B, V)."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__((), vocabulary)

    def read(self, raw: Tensor) -> Tokens:
        return Tokens(raw)

    def marginal(self, x: Tensor) -> Tensor:
        """The logits of how often each occurs, with one more of every symbol: none is impossible."""
        return (torch.bincount(x.long(), minlength=self.width) + 1.0).log().to(x.dtype)


class NormalHead(Head):
    """A Gaussian with a location and a scale for every value, the locations first."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, 2 * shape[0])

    def read(self, raw: Tensor) -> Normal:
        return gaussian(raw, softplus)


class StudentHead(Head):
    """Student's t with a location and a scale for every value, the locations first.

    How far it jumps is a property of the number, not of the moment: one learned freedom a channel, never below 3, where
    the variance is three squared scales; below 2 it would be infinite, and no free run would stay near the data.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, 2 * shape[0])
        self.freedom = nn.Parameter(torch.zeros(shape[0], *(1 for _ in shape[1:])))

    def read(self, raw: Tensor) -> Student:
        normal = gaussian(raw, softplus)
        return Student(normal.loc, normal.scale, LEAST_FREEDOM + F.softplus(self.freedom))


LEAST_FREEDOM = 3.0


class NormalMixtureHead(Head):
    """A mixture of M Gaussians over a whole vector: M logits, M D locations, M D raw scales, the component slower.

    Raises HvaeError for data that are no vectors.
    """

    def __init__(self, shape: Shape, mixtures: int) -> None:
        if len(shape) != 1:
            raise HvaeError(f"normal-mixture is a likelihood of vectors (D,), got data of shape {tuple(shape)}")
        super().__init__(shape, mixtures * (1 + 2 * shape[0]))
        self.mixtures = mixtures

    def read(self, raw: Tensor) -> NormalMixture:
        m, d = self.mixtures, self.shape[0]
        logits, loc, scale = raw.split([m, m * d, m * d], 1)
        return NormalMixture(logits, loc.unflatten(1, (m, d)), softplus(scale).unflatten(1, (m, d)))


REAL: dict[str, Callable[[Shape, int], Head]] = {
    "normal": lambda shape, mixtures: NormalHead(shape),
    "student": lambda shape, mixtures: StudentHead(shape),
    "normal-mixture": NormalMixtureHead,
}
"""By the name of the likelihood: (shape of a step, components) -> head."""
