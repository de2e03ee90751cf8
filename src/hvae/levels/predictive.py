"""The likelihood of sound: linear prediction within a frame, whose filter and loudness the network says.

Shapes: as in `heads`; `D` samples of a frame; `K` order.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.distributions import LinearPrediction
from hvae.distributions.predicted import reflections
from hvae.errors import HvaeError
from hvae.levels.heads import Head, Shape, at_least, at_least_two
from hvae.levels.logisticheads import CEILING, LOGISTIC_OF_UNIT_VARIANCE, START, floor_of

LIMIT = 0.999
"""Of a reflection coefficient, so that no gain is infinite."""


class PredictiveHead(Head):
    """A frame (D,) as what drives a filter of the frame's own: source and filter, as in a voice (Fant 1960).

    Raw numbers, in this order: D locations of the innovations, in units of their scale; the log-scale at the start and
    at the end of the frame, straight in between; M logits and M log-ratios of the scales of the logistics; K reflection
    coefficients (before tanh).  Log-ratios start at halves, since equal logistics would get equal gradients for ever.
    What all samples share is one number, for the gradients of single samples are nearly all noise; and locations in
    units of the data would drown what is quiet.

    Raises HvaeError for data that are no frames (D,).
    """

    halves: Tensor
    along: Tensor

    def __init__(self, shape: Shape, levels: int, *, mixtures: int, order: int) -> None:
        if len(shape) != 1:
            raise HvaeError(f"predictive is a likelihood of frames of sound (D,), got data of shape {tuple(shape)}")
        m = at_least("mixtures", mixtures, 1, "3 is enough")
        self.parts = [shape[0], 2, m, m, at_least("order", order, 1, "8 is usual at 8 kHz")]
        super().__init__(shape, sum(self.parts))
        self.levels, self.floor = at_least_two(levels), floor_of(levels)
        self.register_buffer("halves", -math.log(2) * torch.arange(m).float(), persistent=False)
        self.register_buffer("along", torch.linspace(0, 1, shape[0]), persistent=False)

    def read(self, raw: Tensor) -> LinearPrediction:
        loc, ends, logits, ratio, reflection = raw.split(self.parts, 1)
        log_scale = (torch.lerp(ends[:, :1], ends[:, 1:], self.along) + START).clamp(self.floor, CEILING / 2)
        return LinearPrediction(
            loc * log_scale.exp(),
            log_scale,
            logits=logits,
            ratio=(ratio + self.halves).clamp(-CEILING / 8, CEILING / 8),
            reflection=LIMIT * reflection.tanh(),
            levels=self.levels,
        )

    def marginal(self, x: Tensor) -> Tensor:
        """One filter for all frames, each counted alike however loud, and the middle of their log-scales."""
        order, grain = self.parts[-1], 2 / (self.levels - 1)
        signal = 2 * x - 1
        signal = signal - signal.mean()
        loudness = signal.square().mean(1, keepdim=True).clamp_min(grain**2).sqrt()
        ahead = F.pad(signal / loudness, (0, order))  # (N, D + K)
        correlation = (ahead.unfold(1, len(x[0]), 1) * ahead[:, None, : len(x[0])]).mean((0, 2))  # (K + 1,)
        # A trace of white noise: a pure tone would have a filter without any innovation.
        white = F.one_hot(correlation.new_zeros((), dtype=torch.long), order + 1) * 1e-4
        k = reflections(correlation + white).clamp(-(LIMIT**2), LIMIT**2)  # of a long slow tone it is 1 but for that
        rest = loudness.log().mean() + 0.5 * torch.log1p(-(k**2)).sum()
        ends = (rest + LOGISTIC_OF_UNIT_VARIANCE - START).expand(2)
        return torch.cat([x.new_zeros(x.shape[1]), ends, x.new_zeros(2 * len(self.halves)), (k / LIMIT).atanh()])
