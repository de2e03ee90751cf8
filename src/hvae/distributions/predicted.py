r"""Linear prediction: each sample of a frame around what those before it in the frame foretell, with the tails of a
mixture of logistics.

$$\hat x_i = \mu_i + \sum_{j=1}^{\min(i, K)} a^{(i)}_j\, x'_{i-j}, \qquad
  p(x_i \mid x_{<i}) = \sum_m \pi_m\, \mathrm{DLogistic}(x_i;\ \hat x_i, s_i r_m)$$

on the scale x' = 2 x - 1 in [-1, 1].  The first samples have fewer before them: sample i is foretold by the predictor
of order min(i, K), all of which the K reflection coefficients k_j of a frame hold (Levinson and Durbin's recursion;
Makhoul 1975, "Linear prediction: a tutorial review", Proc. IEEE 63 (4), eq. (38)-(42) with signs turned),

$$a^{(i)}_i = k_i, \qquad a^{(i)}_j = a^{(i-1)}_j - k_i\, a^{(i-1)}_{i-j}, \qquad
  \mathrm{Var}_i = \mathrm{Var}_K \prod_{j=i+1}^{K} (1 - k_j^2)^{-1}$$

and |k_j| < 1 keeps every one of them stable: no sample of a model grows without bound.

Shapes: `B` batch; `M` logistics; `D` samples of a frame; `K` order.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.discrete import choose
from hvae.distributions.logistic import bins, log_mass, logistic_noise, on_grid


def predictors(reflection: Tensor) -> Tensor:
    """The predictors of all orders 0 to K, (B, K) -> (B, K + 1, K): of each the weights of 1 to K samples before.

    >>> predictors(torch.tensor([[0.8, -0.5]]))
    tensor([[[ 0.0000,  0.0000],
             [ 0.8000,  0.0000],
             [ 1.2000, -0.5000]]])
    """
    order = reflection.shape[1]
    rows = [reflection.new_zeros(len(reflection), 0)]
    for k in reflection.split(1, 1):
        rows.append(torch.cat([rows[-1] - k * rows[-1].flip(1), k], 1))
    return torch.stack([F.pad(row, (0, order - row.shape[1])) for row in rows], 1)


def reflections(correlation: Tensor) -> Tensor:
    """The reflection coefficients (K,) of a signal whose autocorrelation at lags 0 to K is (K + 1,): Levinson, Durbin.

    >>> reflections(torch.tensor([1.0, 0.8, 0.65])).round(decimals=3)  # nearly x_t = 0.8 x_{t-1} + noise
    tensor([0.8000, 0.0280])
    """
    a, error, ks = correlation.new_zeros(0), correlation[0], list[Tensor]()
    for i in range(1, len(correlation)):
        k = (correlation[i] - (a * correlation[1:i].flip(0)).sum()) / error
        a, error = torch.cat([a - k * a.flip(0), k[None]]), error * (1 - k**2)
        ks.append(k)
    return torch.stack(ks)


class LinearPrediction(Distribution):
    """The law above.

    Arguments: `loc` mu and `log_scale` log s, (B, D), on the scale [-1, 1], log s without what the first samples add to
    it; `logits` log pi and `ratio` log r, (B, M); `reflection` k, (B, K), each between -1 and 1; `levels` >= 2.

    >>> zero = torch.zeros(1, 2)
    >>> p = LinearPrediction(zero, zero - 9, logits=zero, ratio=zero, reflection=torch.tensor([[0.5]]), levels=256)
    >>> p.mode()  # of nothing the middle; from there on half of what was
    tensor([[0.5020, 0.5020]])
    """

    density = False
    has_exact_mean = False

    def __init__(
        self, loc: Tensor, log_scale: Tensor, *, logits: Tensor, ratio: Tensor, reflection: Tensor, levels: int
    ) -> None:
        self.loc, self.log_scale, self.levels = loc, log_scale, levels
        self.logits, self.ratio, self.reflection = logits, ratio, reflection

    @property
    def weights(self) -> Tensor:
        """What each sample takes of those 1 to K before it, (B, D, K): none of what lies before the frame."""
        rows, order = predictors(self.reflection), self.reflection.shape[1]
        first = rows[:, : self.loc.shape[1]]
        return torch.cat([first, rows[:, -1:].expand(-1, max(0, self.loc.shape[1] - order - 1), -1)], 1)

    @property
    def scales(self) -> Tensor:
        """The log-scale of each logistic at each sample, (B, M, D): the first samples are foretold less well."""
        order, size = self.reflection.shape[1], self.loc.shape[1]
        gain = -0.5 * torch.log1p(-(self.reflection**2))  # (B, K)
        missing = gain.flip(1).cumsum(1).flip(1)[:, :size]  # of sample i, those of orders i + 1 to K
        log_scale = self.log_scale + F.pad(missing, (0, max(0, size - order)))
        return log_scale[:, None] + self.ratio[:, :, None]

    def centres(self, value: Tensor) -> Tensor:
        """Where each sample is expected, given those before it, (B, D) in [0, 1] -> (B, D) on the scale [-1, 1]."""
        order, size = self.reflection.shape[1], value.shape[1]
        past = F.pad(bins(value.to(self.loc.dtype), self.levels).centre, (order, 0))  # (B, K + D)
        before = past.unfold(1, order, 1)[:, :size].flip(2)  # (B, D, K), the nearest first
        return self.loc + (self.weights * before).sum(2)

    def log_prob(self, value: Tensor) -> Tensor:
        where = bins(value.to(self.loc.dtype)[:, None], self.levels)  # (B, 1, D)
        mass = log_mass(self.centres(value)[:, None], self.scales, where, self.levels)  # (B, M, D)
        return (self.logits.log_softmax(1)[:, :, None] + mass).logsumexp(1)

    def sample(self) -> Tensor:
        """One draw on the grid, sample after sample; which logistic, at each sample anew."""
        m = choose(self.logits[:, :, None].expand(-1, -1, self.loc.shape[1]))
        return self._after(torch.take_along_dim(self.scales, m, 1)[:, 0].exp() * logistic_noise(self.loc))

    def mode(self) -> Tensor:
        """The expected value of each sample after those, rounded to the grid: it stands in for the true mode."""
        return self._after(torch.zeros_like(self.loc))

    def mean(self) -> Tensor:
        """Of a signal that is neither rounded nor clipped it is the mode before it is rounded; it stands in for it."""
        return self.mode()

    def _after(self, noise: Tensor) -> Tensor:
        """Samples in [0, 1] whose innovations are `noise`, (B, D), on the scale [-1, 1]."""
        order = self.reflection.shape[1]
        past, weights = [torch.zeros_like(noise[:, 0])] * order, self.weights.flip(2)  # of the last K, the nearest last
        for i in range(noise.shape[1]):
            foretold = (torch.stack(past[-order:], 1) * weights[:, i]).sum(1)
            past.append(2 * on_grid(self.loc[:, i] + foretold + noise[:, i], self.levels) - 1)
        return (torch.stack(past[order:], 1) + 1) / 2

    def tempered(self, t: float) -> LinearPrediction:
        law = self._each(lambda number: number)
        law.log_scale, law.logits = self.log_scale + math.log(t), self.logits / t
        return law

    def detach(self) -> LinearPrediction:
        return self._each(Tensor.detach)

    def double(self) -> LinearPrediction:
        """The same law in double precision."""
        return self._each(Tensor.double)

    def _each(self, change: Callable[[Tensor], Tensor]) -> LinearPrediction:
        return LinearPrediction(
            change(self.loc),
            change(self.log_scale),
            logits=change(self.logits),
            ratio=change(self.ratio),
            reflection=change(self.reflection),
            levels=self.levels,
        )

    def __repr__(self) -> str:
        return f"LinearPrediction{tuple(self.loc.shape)} of order {self.reflection.shape[1]}, {self.levels} levels"
