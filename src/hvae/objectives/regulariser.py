"""Penalties on the weights, independent of the trace.

The terms are the model's (`Model.regularisers()`) or those of its linear maps, their weight is the objective's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hvae.objectives.rates import WarmUp


@dataclass(frozen=True)
class Regulariser:
    r"""The weight of a model's regularisers, which may move while the rates are warmed up.

    $$\lambda_t = \lambda_0^{1 - w_t}\, \lambda_1^{w_t}$$

    with w the smallest weight of a level's rate; Vahdat and Kautz 2020, arXiv 2007.03898.  `weight` is
    lambda_1, `start` is lambda_0, and 0 for `start` leaves the weight where it is.

    `maps`, weights of penalties on the linear maps of any model by their names in `hvae.objectives.maps`; they stay.

    >>> anneal = Regulariser(0.01, start=1.0, warmup=WarmUp(length=10))
    >>> [round(anneal(["z2", "z1"], step), 3) for step in (0, 5, 10)]
    [1.0, 0.1, 0.01]
    """

    weight: float = 1.0
    start: float = 0.0
    warmup: WarmUp = field(default_factory=WarmUp)
    maps: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, levels: Iterable[str], step: int) -> float:
        """The weight at a training step of a model with these levels."""
        if not self.start:
            return self.weight
        w = min(self.warmup.weights(levels, step).values(), default=1.0)
        return self.start ** (1 - w) * self.weight**w


AS_IS = Regulariser()
"""Weight 1: regularisers as a model gives them."""
