"""Two distributions side by side, chosen by a mask: in-painting, and levels pinned in a region.

Shapes: `B` batch; `...` the event; the mask broadcasts to (B, ...).
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.distributions.base import Distribution


class Masked(Distribution):
    """`a` where the mask is true, `b` elsewhere; None stands for a given value, which costs nothing.

    Raises AssertionError if both are None.
    """

    def __init__(self, mask: Tensor, a: Distribution | None, b: Distribution | None) -> None:
        assert a is not None or b is not None
        self.mask, self.a, self.b = mask, a, b

    def _where(self, a: Tensor | None, b: Tensor | None) -> Tensor:
        zero = torch.zeros_like(b if a is None else a)
        return torch.where(self.mask, zero if a is None else a, zero if b is None else b)

    def sample(self) -> Tensor:
        return self._where(self.a and self.a.sample(), self.b and self.b.sample())

    def log_prob(self, value: Tensor) -> Tensor:
        return self._where(self.a and self.a.log_prob(value), self.b and self.b.log_prob(value))

    def mode(self) -> Tensor:
        return self._where(self.a and self.a.mode(), self.b and self.b.mode())

    def mean(self) -> Tensor:
        return self._where(self.a and self.a.mean(), self.b and self.b.mean())

    def tempered(self, t: float) -> Masked:
        return Masked(self.mask, self.a and self.a.tempered(t), self.b and self.b.tempered(t))

    def detach(self) -> Masked:
        return Masked(self.mask, self.a and self.a.detach(), self.b and self.b.detach())
