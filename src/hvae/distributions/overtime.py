"""A law of all steps of a batch at once, where a head has read every step as a datum of its own.

Shapes: `B` batch; `T` steps; `...` the event of one step.
"""

from __future__ import annotations

from torch import Tensor

from hvae.distributions.base import Distribution


class OverTime(Distribution):
    """A law over (B T, ...) as a law over (B, T, ...): row b, step t is row b T + t.

    >>> import torch
    >>> from hvae.distributions import Bernoulli
    >>> OverTime(Bernoulli(torch.zeros(6, 4)), 3).mean().shape
    torch.Size([2, 3, 4])
    """

    def __init__(self, each: Distribution, steps: int) -> None:
        self.each, self.steps = each, steps
        self.density, self.has_exact_mean = each.density, each.has_exact_mean

    def _unfolded(self, t: Tensor) -> Tensor:
        return t.unflatten(0, (-1, self.steps))

    def sample(self) -> Tensor:
        return self._unfolded(self.each.sample())

    def log_prob(self, value: Tensor) -> Tensor:
        return self._unfolded(self.each.log_prob(value.flatten(0, 1)))

    def mode(self) -> Tensor:
        return self._unfolded(self.each.mode())

    def mean(self) -> Tensor:
        return self._unfolded(self.each.mean())

    def tempered(self, t: float) -> OverTime:
        return OverTime(self.each.tempered(t), self.steps)

    def detach(self) -> OverTime:
        return OverTime(self.each.detach(), self.steps)

    def penalty(self) -> Tensor:
        return self._unfolded(self.each.penalty()).sum(1)

    def __repr__(self) -> str:
        return f"OverTime({self.each!r}, {self.steps} steps)"
