"""Likelihoods that keep one number a value: binary data, and any value of the grid on its own.

An n-bit datum takes the values k / (L - 1), k = 0 .. L - 1, with L = 2^n `levels`; every discrete likelihood puts
its mass on exactly these values.

Shapes: `B` batch; `L` levels; `...` the event, (C, H, W) or (D,).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.distributions.base import Distribution


def level_of(value: Tensor, levels: int | Tensor) -> Tensor:
    """The integer k of each value k / (levels - 1), kept as a float.

    Rounding, not comparing with a threshold such as 0.999, decides which value is the first or the last.

    >>> level_of(torch.tensor([0.0, 254 / 255, 1.0]), 256)
    tensor([  0., 254., 255.])
    """
    return (value * (levels - 1)).round()


def choose(logits: Tensor) -> Tensor:
    """One index along dimension 1 with probability softmax(logits), (B, L, ...) -> (B, 1, ...).

    Gumbel's trick (argmax of logits plus Gumbel noise) draws every position at once, and the noise of a zero uniform
    is -inf, which never wins, so no clamp is needed.
    """
    gumbel = -torch.rand_like(logits).log().neg().log()
    return (logits + gumbel).argmax(1, keepdim=True)


class Bernoulli(Distribution):
    r"""Independent binary values.

    $$\log p(x) = x\,l - \log(1 + e^l)$$

    with the logit l = log p(1) / p(0).  Argument: `logits`, (B, ...), in nats.

    >>> Bernoulli(torch.zeros(1, 2)).log_prob(torch.tensor([[0.0, 1.0]]))
    tensor([[-0.6931, -0.6931]])
    """

    density = False

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def sample(self) -> Tensor:
        return torch.bernoulli(self.mean())

    def log_prob(self, value: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(self.logits, value.to(self.logits.dtype), reduction="none")

    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits.dtype)

    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    def tempered(self, t: float) -> Bernoulli:
        return Bernoulli(self.logits / t)

    def detach(self) -> Bernoulli:
        return Bernoulli(self.logits.detach())

    def __repr__(self) -> str:
        return f"Bernoulli{tuple(self.logits.shape)}"


class Categorical(Distribution):
    r"""A free probability for each of the L values of the grid, with no notion that near values are alike.

    $$\log p(x = k/(L-1)) = l_k - \log\sum_j e^{l_j}$$

    van den Oord et al. 2016, arXiv 1601.06759 (the 256-way softmax).
    Argument: `logits`, (B, L, ...), in nats; the levels are dimension 1, and the event is what follows.

    >>> import math
    >>> uniform = Categorical(torch.zeros(1, 256, 2))
    >>> uniform.log_prob(torch.tensor([[0.0, 1.0]])) / -math.log(2)
    tensor([[8., 8.]])
    """

    density = False

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self.levels = logits.shape[1]

    def sample(self) -> Tensor:
        return self._value(choose(self.logits))

    def log_prob(self, value: Tensor) -> Tensor:
        return -F.cross_entropy(self.logits, level_of(value, self.levels).long(), reduction="none")

    def mode(self) -> Tensor:
        return self._value(self.logits.argmax(1, keepdim=True))

    def mean(self) -> Tensor:
        grid = torch.linspace(0, 1, self.levels, dtype=self.logits.dtype, device=self.logits.device)
        return torch.einsum("bl...,l->b...", self.logits.softmax(1), grid)

    def _value(self, index: Tensor) -> Tensor:
        return index.squeeze(1).to(self.logits.dtype) / (self.levels - 1)  # (B, 1, ...) -> (B, ...)

    def tempered(self, t: float) -> Categorical:
        return Categorical(self.logits / t)

    def detach(self) -> Categorical:
        return Categorical(self.logits.detach())

    def __repr__(self) -> str:
        return f"Categorical{tuple(self.logits.shape)}"


class Tokens(Distribution):
    r"""Whole numbers 0 .. V - 1 that stand for symbols: no grid, no order.

    $$\log p(x = k) = l_k - \log\sum_j e^{l_j}$$

    Argument: `logits`, (B, V, ...), in nats; a value (B, ...) holds the numbers exactly, as floats.

    >>> Tokens(torch.zeros(1, 8)).log_prob(torch.tensor([5.0])).exp()
    tensor([0.1250])
    """

    density = False
    has_exact_mean = False

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def sample(self) -> Tensor:
        return choose(self.logits).squeeze(1).to(self.logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        return -F.cross_entropy(self.logits, value.long(), reduction="none")

    def mode(self) -> Tensor:
        return self.logits.argmax(1).to(self.logits.dtype)

    def mean(self) -> Tensor:
        """The mode: symbols have no mean."""
        return self.mode()

    def tempered(self, t: float) -> Tokens:
        return Tokens(self.logits / t)

    def detach(self) -> Tokens:
        return Tokens(self.logits.detach())

    def __repr__(self) -> str:
        return f"Tokens{tuple(self.logits.shape)}"
