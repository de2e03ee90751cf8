"""Sound by linear prediction as symbols: each sample of a frame given those before it.

Shapes: `B` frames; `M` logistics; `D` samples of a frame; `K` order.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.curves import Floats, Ints
from hvae.coding.entropy.mixtures import Logistics, integers
from hvae.coding.entropy.stack import Stack
from hvae.coding.entropy.steady import steady
from hvae.coding.entropy.symbols import Digits
from hvae.distributions import LinearPrediction


class Samples(Digits):
    """The samples of frames, the first of all frames at once, then the second given those.

    Both sides go sample by sample, in doubles and in the same order of operations: all at once would be other numbers
    in their last bits.
    """

    def __init__(self, law: LinearPrediction) -> None:
        double = law.double()
        self.levels, self.order = law.levels, law.reflection.shape[1]
        self.loc, self.scales, self.weights = double.loc, double.scales.exp(), double.weights.flip(2)
        self.shares = integers(double.logits.softmax(1))  # (B, M)

    def digits(self, symbols: Ints) -> list[tuple[Floats, Ints]]:
        values = symbols.reshape(self.loc.shape)
        return [
            digit
            for i in range(values.shape[1])
            for digit in self._next(values[:, :i]).digits(np.ascontiguousarray(values[:, i]))
        ]

    def pop(self, stack: Stack) -> Ints:
        values = np.zeros((len(self.loc), 0), dtype=np.int64)
        for _ in range(self.loc.shape[1]):
            values = np.concatenate([values, self._next(values).pop(stack)[:, None]], 1)
        return values.reshape(-1)

    def _next(self, earlier: Ints) -> Logistics:
        """The law of the sample after some, (B, i) -> of sample i."""
        i, past = earlier.shape[1], self._past(earlier)
        centre = self.loc[:, i] + (past * self.weights[:, i]).sum(1)
        parts = [steady(centre, scale) for scale in self.scales[:, :, i].unbind(1)]
        return Logistics(self.shares, parts, self.levels)

    def _past(self, earlier: Ints) -> Tensor:
        """The last K samples on the scale [-1, 1], (B, K), the nearest last; zeros before the frame."""
        last = torch.from_numpy(2.0 * earlier[:, -self.order :] / (self.levels - 1) - 1)
        return torch.nn.functional.pad(last, (self.order - last.shape[1], 0))
