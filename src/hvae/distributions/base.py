"""The contract of a distribution: a plain object without parameters, vectorised over a batch.

Shapes: `B` batch; `...` whatever the distribution factorises over.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Distribution(ABC):
    """What a visit knows of one variable: how to draw it and how to score it.

    `density` says what `log_prob` is: True for the log of a density (its value depends on the unit of the
    data and may be positive), False for the log of a probability mass.  The two are never compared.

    `has_exact_mean` says whether `mean` is the expected value itself or, as the subclass explains, near it.
    """

    density: bool = True
    has_exact_mean: bool = True

    @abstractmethod
    def sample(self) -> Tensor:
        """One draw, (B, ...); reparameterised where that is possible."""

    @abstractmethod
    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value) in nats, (B, ...): every term that factorises is kept, callers sum after the batch."""

    @abstractmethod
    def mode(self) -> Tensor:
        """The most probable value (or its usual stand-in, which the subclass names)."""

    @abstractmethod
    def mean(self) -> Tensor:
        """The expected value, in the unit of the data: what a picture of this distribution shows."""

    @abstractmethod
    def tempered(self, t: float) -> Distribution:
        """The distribution at temperature `t`: 1 leaves it, below 1 narrows it."""

    @abstractmethod
    def detach(self) -> Distribution:
        """The same distribution with stopped gradients."""

    def penalty(self) -> Tensor:
        """What this distribution adds to a loss beside its probability, (B,) or by element as its nats, (B, ...); zero
        unless it says otherwise."""
        mode = self.mode()
        return mode.new_zeros(mode.shape[0])

    def commitment(self) -> Tensor | None:
        """The part of the penalty that pulls an encoder to its codes, shaped alike; None where nothing does."""
        return None


class LocationScale(Distribution):
    r"""A distribution of $\mu + \sigma \epsilon$, where $\epsilon$ has one law whatever the location and the scale.

    `loc` and `scale` (> 0) are both (B, ...), in the unit of the value.  What moves a value with its distribution, or a
    distribution by parameters of its own, serves each of this kind.
    """

    loc: Tensor
    scale: Tensor

    @abstractmethod
    def at(self, loc: Tensor, scale: Tensor) -> LocationScale:
        """The distribution of the same kind at another location and scale, both (B, ...)."""

    def tempered(self, t: float) -> LocationScale:
        return self.at(self.loc, self.scale * t)

    def detach(self) -> LocationScale:
        return self.at(self.loc.detach(), self.scale.detach())


def sum_rest(t: Tensor) -> Tensor:
    """Sum over everything but the batch: (B, ...) -> (B,).

    >>> sum_rest(torch.ones(2, 3, 4))
    tensor([12., 12.])
    """
    return t if t.ndim == 1 else t.flatten(1).sum(1)


def full(t: Tensor) -> Tensor:
    """At least float32.  KL and likelihood subtract numbers of like size, which bf16 (8 bits) cannot hold."""
    return t.float() if t.dtype in (torch.bfloat16, torch.float16) else t
