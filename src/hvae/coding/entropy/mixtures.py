"""Mixtures of logistics as symbols: their cumulative distribution function in integers, and channels one by one.

Shapes: `B` batch; `N` all elements, (B, ...) flattened; `L` levels of data; `M` components; `C` channels;
`S` positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.curves import UNIT_BITS, Floats, Ints, logistic
from hvae.coding.entropy.stack import Stack
from hvae.coding.entropy.steady import Parameters, flat, steady
from hvae.coding.entropy.symbols import Cumulative, Digits
from hvae.distributions import LogisticMixture
from hvae.distributions.logistic import bins as places
from hvae.distributions.logistic import log_mass

WEIGHT_BITS = 20
TO_UNIT = UNIT_BITS - WEIGHT_BITS
assert UNIT_BITS + WEIGHT_BITS < 63, "sums of weighted masses must fit 64-bit integers"


class Logistics(Cumulative):
    """A mixture of logistics, rounded to the grid of L levels on the scale [-1, 1].

    Arguments: `weights` (N, M) in units of 2^-20; `parts`, M of them, each (N,); `levels` L.
    """

    def __init__(self, weights: Ints, parts: Sequence[Parameters], levels: int) -> None:
        self.weights, self.parts, self.size = weights, parts, levels
        self.total = weights.sum(1) << TO_UNIT

    def cumulative(self, index: Ints) -> Ints:
        edges = (2 * index - 1) / (self.size - 1) - 1.0
        edges[index >= self.size] = np.inf
        total = np.zeros(index.shape, dtype=np.int64)
        for m, part in enumerate(self.parts):
            t = edges - part.loc[:, None]
            t /= part.scale[:, None]
            total += self.weights[:, m, None] * logistic()(t)
        return total >> WEIGHT_BITS


class Channels(Digits):
    """A mixture of logistics joint over channels: each channel given the values of those before it.

    Always with the masses that sum to one, also for a law whose `mass` is that of published code and does not.
    """

    def __init__(self, law: LogisticMixture) -> None:
        self.law = law
        self.batch, _, self.channels, *self.space = law.loc.shape

    def digits(self, symbols: Ints) -> list[tuple[Floats, Ints]]:
        values = torch.from_numpy(symbols.reshape(self.batch, self.channels, *self.space))  # (B, C, S)
        return [
            digit
            for c in range(self.channels)
            for digit in self._channel(list(values[:, :c].unbind(1))).digits(values[:, c].reshape(-1).numpy())
        ]

    def pop(self, stack: Stack) -> Ints:
        values: list[Tensor] = []
        for _ in range(self.channels):
            symbols = self._channel(values).pop(stack)
            values.append(torch.from_numpy(symbols.reshape(self.batch, *self.space)))
        return torch.stack(values, 1).reshape(-1).numpy()

    def _channel(self, earlier: list[Tensor]) -> Logistics:
        """The law of the next channel, whose components count by how well they foresaw the `earlier` ones, (B, S)."""
        law, levels = self.law, self.law.levels
        logits = law.logits.double().log_softmax(1)  # (B, M, S)
        colours = [places(k.double()[:, None] / (levels - 1), levels) for k in earlier]
        for c, where in enumerate(colours):
            logits = logits + log_mass(self._loc(colours, c), law.log_scale[:, :, c].double(), where, levels)
        loc, scale = self._loc(colours, len(earlier)), law.log_scale[:, :, len(earlier)].double().exp()
        return Logistics(
            integers(logits.softmax(1)), [steady(loc[:, m], scale[:, m]) for m in range(loc.shape[1])], levels
        )

    def _loc(self, colours: Sequence[tuple[Tensor, ...]], c: int) -> Tensor:
        """The locations (B, M, S) of channel c given the values of those before it."""
        loc = self.law.loc[:, :, c].double()
        for j in range(c):
            loc = loc + self.law.coefficients[:, :, c * (c - 1) // 2 + j].double() * colours[j][0]
        return loc


def integers(probabilities: Tensor) -> Ints:
    """Probabilities (B, K, ...) in units of 2^-20, (N, K)."""
    rows = probabilities.movedim(1, -1).reshape(-1, probabilities.shape[1])
    return np.rint(flat(rows) * (1 << WEIGHT_BITS)).astype(np.int64).reshape(rows.shape)
