"""Rate filters: the weighting of each level's rate in the loss.

A filter maps {level name: (B, ...) nats, element by element} and the training step to another such mapping.  Whatever
a filter returns is read the same way, mean over the first axis and sum over the rest, so that filters compose; one
that works on the batch mean returns a first axis of length 1.

Shapes: `B` batch; `C` channels of a latent; `...` the latent's own shape; `G` groups (levels, channels or dimensions).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.config.objective import Over, Per
from hvae.distributions import sum_rest
from hvae.errors import unknown
from hvae.objectives.schedule import Shape, linear

Rates = Mapping[str, Tensor]
PerLevel = float | Mapping[str, float]
"""One number for every level, or one for each level by name."""
Average = Callable[[Tensor], Tensor]
"""The mean of a tensor over all processes that share a batch."""


def alone(t: Tensor) -> Tensor:
    """The mean over one process: the tensor itself."""
    return t


def by_level(value: PerLevel, names: Iterable[str], otherwise: float) -> dict[str, float]:
    """The number of each level; `otherwise` for levels that a mapping does not name.

    Raises HvaeError when it names a level that the walk does not visit.

    >>> by_level({"z2": 4.0}, ["z2", "z1"], 1.0)
    {'z2': 4.0, 'z1': 1.0}
    """
    names = list(names)
    if not isinstance(value, Mapping):
        return dict.fromkeys(names, value)
    for name in value:
        if name not in names:
            raise unknown("level", name, names)
    return {name: value.get(name, otherwise) for name in names}


class RateFilter(ABC):
    """Reweights the rates."""

    @abstractmethod
    def __call__(self, rates: Rates, step: int) -> Rates: ...


@dataclass(frozen=True)
class Beta(RateFilter):
    r"""A constant weight for each level: $\beta_l\, KL_l$.

    Higgins et al. 2017, "beta-VAE", ICLR.  Levels without a number of their own keep weight 1.

    >>> Beta({"z2": 4.0})({"z2": torch.ones(1, 2), "z1": torch.ones(1, 2)}, 0)
    {'z2': tensor([[4., 4.]]), 'z1': tensor([[1., 1.]])}
    """

    beta: PerLevel

    def __call__(self, rates: Rates, step: int) -> Rates:
        beta = by_level(self.beta, rates, 1.0)
        return {name: _weighted(beta[name], nats) for name, nats in rates.items()}


@dataclass(frozen=True)
class WarmUp(RateFilter):
    r"""A weight that grows with the step, each level with its own start and length.

    $$\max(\mathrm{floor}, w_l(t))\; KL_l$$

    Sonderby et al. 2016, arXiv 1602.02282, "warm-up from deterministic to variational autoencoder".  `shape` is a
    function (step, start, length) -> [0, 1] of `hvae.objectives.schedule`; `start` and `length` are in steps, and 0
    for a level that a mapping does not name: its weight is 1 from the beginning.

    >>> WarmUp(length={"z2": 100}).weights(["z2", "z1"], 25)
    {'z2': 0.25, 'z1': 1.0}
    """

    shape: Shape = linear
    start: PerLevel = 0
    length: PerLevel = 0
    floor: float = 0.0

    def weights(self, names: Iterable[str], step: int) -> dict[str, float]:
        """The weight of each level at a step."""
        spans = self._spans(names)
        return {name: max(self.floor, self.shape(step, *span)) for name, span in spans.items()}

    def warmed(self, names: Iterable[str]) -> list[str]:
        """The levels that have a warm-up."""
        return [name for name, span in self._spans(names).items() if any(span)]

    def _spans(self, names: Iterable[str]) -> dict[str, tuple[float, float]]:
        names = list(names)
        start, length = by_level(self.start, names, 0), by_level(self.length, names, 0)
        return {name: (start[name], length[name]) for name in names}

    def __call__(self, rates: Rates, step: int) -> Rates:
        weights = self.weights(rates, step)
        return {name: _weighted(weights[name], nats) for name, nats in rates.items()}


def _weighted(weight: float, nats: Tensor) -> Tensor:
    # A product with one is a pass over memory, and gives the gradient the plain order where channels lie last.
    return nats if weight == 1 else weight * nats


def _level(nats: Tensor) -> Tensor:
    return sum_rest(nats)[:, None]  # (B, 1)


def _channel(nats: Tensor) -> Tensor:
    return _dimension(nats).flatten(2).sum(2) if nats.ndim > 2 else _dimension(nats)  # (B, C)


def _dimension(nats: Tensor) -> Tensor:
    # A flow scores its event as one number: its only group is the level.
    return nats[:, None] if nats.ndim == 1 else nats


_GROUPS: dict[str, Callable[[Tensor], Tensor]] = {"level": _level, "channel": _channel, "dimension": _dimension}


@dataclass(frozen=True)
class FreeBits(RateFilter):
    r"""A floor under the rate of each group, below which it has no gradient.

    $$\sum_{g} \max\big(\lambda, E_B[KL_g]\big) \;\text{ over the batch},\qquad
      E_B \sum_g \max\big(\lambda, KL_g\big) \;\text{ for each sample}$$

    Kingma et al. 2016, arXiv 1606.04934, whose groups are channels, summed over space.  `nats` is lambda,
    for each group; `per` says what a group g is: a level, a channel (axis 1 of the latent) or a single dimension.
    `average` is the mean over processes, so that the floor sees the whole batch when several share it.

    >>> FreeBits(0.5)({"z1": torch.tensor([[0.1, 0.2], [0.3, 0.2]])}, 0)["z1"]
    tensor([[0.5000]])
    """

    nats: PerLevel
    per: Per = "level"
    over: Over = "batch"
    average: Average = alone

    def __call__(self, rates: Rates, step: int) -> Rates:
        floors = by_level(self.nats, rates, 0.0)
        return {name: self._floored(nats, floors[name]) for name, nats in rates.items()}

    def _floored(self, nats: Tensor, floor: float) -> Tensor:
        if not floor:
            return nats
        groups = _GROUPS[self.per](nats)  # (B, G)
        if self.over == "sample":
            return _at_least(groups, groups, floor)
        mean = groups.mean(0, keepdim=True)  # (1, G)
        return _at_least(mean, self.average(mean.detach()), floor)


def _at_least(charged: Tensor, rate: Tensor, floor: float) -> Tensor:
    # where, not maximum: at a tie maximum passes half the gradient, and a level at exactly its floor should rest.
    return torch.where(rate > floor, charged, torch.full_like(charged, floor))


@dataclass(frozen=True)
class Balance(RateFilter):
    r"""During warm-up, levels of above-average rate have larger weights, so that none collapses early.

    $$\gamma_l = \frac{c_l / \alpha_l}{\frac1L \sum_m c_m / \alpha_m},\qquad c_l = E_B|KL_l| + 0.01,\qquad
      \alpha_l \propto \frac{\text{dimensions of } z_l}{\text{levels of its resolution}}$$

    Vahdat and Kautz 2020, arXiv 2007.03898 ("balancing the KL terms"), in the form of the authors' code
    (whose further factor, the sum of all c, cancels).  gamma has mean 1 and no gradient.  It acts while any weight of
    `warmup` is below 1.  `average` is the mean over processes.

    >>> rates = {"z2": torch.full((1, 1), 0.09), "z1": torch.full((1, 1), 0.29)}
    >>> Balance(WarmUp(length=10))(rates, 0)
    {'z2': tensor([[0.0450]]), 'z1': tensor([[0.4350]])}
    """

    warmup: WarmUp
    average: Average = alone

    def __call__(self, rates: Rates, step: int) -> Rates:
        if not rates or min(self.warmup.weights(rates, step).values()) >= 1:
            return rates
        cost = torch.stack([sum_rest(nats.detach()).abs().mean() for nats in rates.values()])  # (L,)
        share = (self.average(cost) + 0.01) / cost.new_tensor(_sizes(rates))
        gamma = share / share.mean()
        return {name: gamma[l] * nats for l, (name, nats) in enumerate(rates.items())}


def _sizes(rates: Rates) -> list[float]:
    """alpha_l up to a factor, which cancels: the dimensions of a level over the number of levels of its resolution."""
    resolution = {name: tuple(nats.shape[2:]) for name, nats in rates.items()}
    levels = Counter(resolution.values())
    return [nats[0].numel() / levels[resolution[name]] for name, nats in rates.items()]
