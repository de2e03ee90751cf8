r"""DMOL, the discretised mixture of logistics, for any number of channels and levels.

Parameters live on the scale of the papers, x' = 2 x - 1 in [-1, 1]; see `hvae.distributions.logistic`.

Shapes: `B` batch; `M` components of the mixture; `C` channels; `S` the positions, (H, W) for images and (D,) for
vectors, which count as one channel; `P` = C (C - 1) / 2 pairs of channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.discrete import choose
from hvae.distributions.logistic import Mass, bins, log_mass, logistic_noise, on_grid


def _conditional(loc: Sequence[Tensor], coefficients: Sequence[Tensor], earlier: Sequence[Tensor]) -> Tensor:
    """The location of the next channel, given the values of the `earlier` ones on the scale [-1, 1]."""
    c = len(earlier)
    mean = loc[c]
    for j, value in enumerate(earlier):
        mean = torch.addcmul(mean, coefficients[c * (c - 1) // 2 + j], value)
    return mean


class LogisticMixture(Distribution):
    r"""A mixture of M discretised logistics a position, joint over the channels.

    $$p(x) = \sum_m \pi_m \prod_c \mathrm{DLogistic}(x_c;\ \mu_{m,c}, s_{m,c}), \qquad
      \mu_{m,c} = \mathrm{loc}_{m,c} + \sum_{j<c} a_{m,cj}\, x'_j$$

    Salimans et al. 2017, arXiv 1701.05517, eq. (1), (2) and sec. 2.2 (there for three channels and 256 levels).

    Arguments: `logits` (B, M, S); `loc` and `log_scale` (B, M, C, S), log s between -40 and 80 (in float32);
    `coefficients` a, (B, M, P, S), pairs in the order (1,0), (2,0), (2,1), (3,0), ..., P = 0 for one channel;
    `levels` >= 2; `shape` of one datum where it is not (C, S): (D,) for vectors; `mass`, the log-mass of a bin, of
    which some published code has its own.
    `log_prob` is joint over channels, hence (B, S).

    >>> one, two = torch.zeros(1, 1, 2), torch.zeros(1, 1, 2, 2)  # M = 1, C = 2, S = (2,)
    >>> p = LogisticMixture(one, loc=two, log_scale=two, coefficients=one[:, None], levels=2)
    >>> p.log_prob(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])).exp()
    tensor([[0.2500, 0.2500]])
    """

    density = False
    has_exact_mean = False

    def __init__(
        self,
        logits: Tensor,
        *,
        loc: Tensor,
        log_scale: Tensor,
        coefficients: Tensor,
        levels: int,
        shape: Sequence[int] | None = None,
        mass: Mass = log_mass,
    ) -> None:
        self.logits, self.loc, self.log_scale, self.coefficients = logits, loc, log_scale, coefficients
        self.levels, self.shape = levels, tuple(loc.shape[2:] if shape is None else shape)
        self.mass = mass

    def log_prob(self, value: Tensor) -> Tensor:
        value = value.to(self.loc.dtype).reshape(self.loc[:, 0].shape)  # (B, C, S)
        loc, coefficients = self.loc.unbind(2), self.coefficients.unbind(2)
        total = self.logits.log_softmax(1)
        earlier: list[Tensor] = []
        # Channel by channel: every intermediate is a C-th of the parameters and stays in the cache.
        for c, log_scale in enumerate(self.log_scale.unbind(2)):
            where = bins(value[:, None, c], self.levels)  # (B, 1, S)
            total = total + self.mass(_conditional(loc, coefficients, earlier), log_scale, where, self.levels)
            earlier.append(where.centre)
        return total.logsumexp(1)  # (B, M, S) -> (B, S)

    def sample(self) -> Tensor:
        """One draw on the grid: the component at every position at once, then channel after channel."""
        return self._decode(choose(self.logits), logistic_noise(self.loc[:, 0]), self._rounded)

    def unrounded(self) -> Tensor:
        """One draw from the same noise that is clipped to [0, 1] and not rounded: what the published samplers give.

        They then cut it to a byte, v = floor(255 x), which is half a level too dark on average; and no channel of
        `sample` ever depends on a value that data cannot have.
        """
        return self._decode(choose(self.logits), logistic_noise(self.loc[:, 0]), lambda y: (y.clamp(-1, 1) + 1) / 2)

    def _rounded(self, y: Tensor) -> Tensor:
        return on_grid(y, self.levels)

    def mode(self) -> Tensor:
        """The location of the most probable component, rounded to the grid channel after channel.

        It stands in for the true mode, which has no closed form.
        """
        return self._decode(self.logits.argmax(1, keepdim=True), torch.zeros_like(self.loc[:, 0]), self._rounded)

    def _decode(self, component: Tensor, noise: Tensor, place: Callable[[Tensor], Tensor]) -> Tensor:
        """The datum of one component, (B, 1, S), a position, and of standard logistic noise, (B, C, S).

        `place` brings a draw on the scale [-1, 1] to a value in [0, 1], which the channels after it then see.
        """
        loc, log_scale, coefficients = (
            torch.take_along_dim(t, component[:, :, None], 1).squeeze(1).unbind(1)  # each (B, S)
            for t in (self.loc, self.log_scale, self.coefficients)
        )
        values: list[Tensor] = []
        earlier: list[Tensor] = []
        for c in range(len(loc)):
            centre = _conditional(loc, coefficients, earlier)
            values.append(place(torch.addcmul(centre, log_scale[c].exp(), noise[:, c])))
            earlier.append(2 * values[-1] - 1)
        return self._event(values)

    def mean(self) -> Tensor:
        """The mixture of the components' locations, each conditioned on its own earlier ones and clipped to [0, 1].

        Approximate: it leaves out what rounding, the clipped tails and the spread of earlier channels change.
        """
        weights, loc, coefficients = self.logits.softmax(1), self.loc.unbind(2), self.coefficients.unbind(2)
        earlier: list[Tensor] = []
        for _ in loc:
            earlier.append(_conditional(loc, coefficients, earlier).clamp(-1, 1))  # (B, M, S)
        return self._event([((weights * mean).sum(1) + 1) / 2 for mean in earlier])

    def _event(self, channels: list[Tensor]) -> Tensor:
        return torch.stack(channels, 1).reshape(self.logits.shape[0], *self.shape)  # C of (B, S) -> (B, ...)

    def tempered(self, t: float) -> LogisticMixture:
        return self._with(self.logits / t, self.loc, self.log_scale + math.log(t), self.coefficients)

    def detach(self) -> LogisticMixture:
        return self._with(*(t.detach() for t in (self.logits, self.loc, self.log_scale, self.coefficients)))

    def _with(self, logits: Tensor, loc: Tensor, log_scale: Tensor, coefficients: Tensor) -> LogisticMixture:
        return LogisticMixture(
            logits,
            loc=loc,
            log_scale=log_scale,
            coefficients=coefficients,
            levels=self.levels,
            shape=self.shape,
            mass=self.mass,
        )

    def __repr__(self) -> str:
        components = self.logits.shape[1]
        return f"LogisticMixture{(self.logits.shape[0], *self.shape)} of {components} components, {self.levels} levels"
