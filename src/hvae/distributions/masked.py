"""Two distributions side by side, chosen by a mask: in-painting, and levels pinned in a region.

Shapes: `B` batch; `...` the event; the mask broadcasts to (B, ...).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hvae.distributions.base import Distribution


class Masked(Distribution):
    """`a` where the mask is true, `b` elsewhere; None stands for a given value, which costs nothing.

    Both must factorise over the same elements: latents do, a likelihood that is joint over channels does not.
    """

    def __init__(self, mask: Tensor, a: Distribution | None, b: Distribution | None) -> None:
        assert a is not None or b is not None
        self.mask, self.a, self.b = mask, a, b
        self.has_exact_mean = all(d.has_exact_mean for d in (a, b) if d is not None)

    def _where(self, ask: Callable[[Distribution], Tensor]) -> Tensor:
        a = None if self.a is None else ask(self.a)
        b = None if self.b is None else ask(self.b)
        either = b if a is None else a
        assert either is not None
        zero = torch.zeros_like(either)
        return torch.where(self.mask, zero if a is None else a, zero if b is None else b)

    def _each(self, change: Callable[[Distribution], Distribution]) -> Masked:
        a, b = (None if d is None else change(d) for d in (self.a, self.b))
        return Masked(self.mask, a, b)

    def sample(self) -> Tensor:
        return self._where(lambda d: d.sample())

    def log_prob(self, value: Tensor) -> Tensor:
        return self._where(lambda d: d.log_prob(value))

    def mode(self) -> Tensor:
        return self._where(lambda d: d.mode())

    def mean(self) -> Tensor:
        return self._where(lambda d: d.mean())

    def tempered(self, t: float) -> Masked:
        return self._each(lambda d: d.tempered(t))

    def detach(self) -> Masked:
        return self._each(lambda d: d.detach())
