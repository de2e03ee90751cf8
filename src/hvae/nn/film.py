"""How a condition enters a feature: codes of what is known, and layers that add, modulate or join.

A code of zeros stands for "nothing known": it is the origin of every embedding here, no layer has a bias, and so it
changes no feature.  A walk without its condition is that of the same model without one, to the last bit.

Shapes: `B` batch; `K` classes; `A` numbers of a vector; `W` width of a code; `C` channels; `...` space, if any.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ClassCode(nn.Module):
    """A learned code for each class; zeros for an unknown one, -1: (B,) int64 -> (B, W).

    >>> ClassCode(10, 4)(torch.tensor([3, -1])).abs().sum(1) > 0
    tensor([ True, False])
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.table = nn.Parameter(torch.randn(classes, width))

    def forward(self, label: Tensor) -> Tensor:
        is_known = (label >= 0).to(self.table)[:, None]
        return F.embedding(label.clamp(min=0), self.table) * is_known

    def prepare(self, label: Tensor) -> None:
        """Nothing of it starts from data."""


class VectorCode(nn.Module):
    r"""Numbers, brought to zero mean and unit scale, through one hidden layer without biases: (B, A) -> (B, W).

    $$c = V\,\mathrm{silu}\big(U\,[m \odot (y - \mu) / \sigma,\; m]\big)$$

    where m is 1 for each number that is known and 0 for NaN; nothing known gives zeros.  `prepare` takes mu and sigma
    from a first batch.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("deviation", torch.ones(numbers))
        self.width = width
        self.hidden = nn.Linear(2 * numbers, width, bias=False)
        self.last = nn.Linear(width, width, bias=False)

    def forward(self, y: Tensor) -> Tensor:
        is_known = ~y.isnan()
        # What is unknown must not reach a product: NaN times zero is NaN.
        plain = torch.where(is_known, (y.nan_to_num() - self.mean) / self.deviation, 0.0)
        both = torch.cat([plain, is_known], 1).to(self.hidden.weight)
        return self.last(F.silu(self.hidden(both)))

    @torch.no_grad()
    def prepare(self, y: Tensor) -> None:
        """Take the mean and the standard deviation of each number from those that are known, (B, A)."""
        is_known = (~y.isnan()).to(self.mean)
        count = is_known.sum(0)
        mean = (y.nan_to_num() * is_known).sum(0) / count.clamp(min=1)
        variance = ((y.nan_to_num() - mean) ** 2 * is_known).sum(0) / count.clamp(min=1)
        self.mean.copy_(mean)
        # A number that does not vary says nothing: it keeps its unit.
        self.deviation.copy_(torch.where(variance > 0, variance.sqrt(), 1.0))


def linear(a: int, b: int, gain: float) -> nn.Linear:
    """A map without bias whose outputs have `gain` times the standard deviation of its inputs."""
    layer = nn.Linear(a, b, bias=False)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(a))
    return layer


def _over_space(c: Tensor, h: Tensor) -> Tensor:
    """One number a channel, (B, C), in the type of h and so that it broadcasts over (B, C, ...)."""
    return c.to(h.dtype).view(*c.shape, *[1] * (h.ndim - 2))


class Entering(nn.Module, ABC):
    """A layer by which a code enters: (B, C, ...), its message (B, N), the code (B, W) -> (B, C, ...)."""

    @property
    @abstractmethod
    def heard(self) -> Tensor:
        """The map of the code alone, (N, W)."""

    @abstractmethod
    def forward(self, h: Tensor, message: Tensor, c: Tensor) -> Tensor:
        """The feature once it has been told."""


def messages(layers: Sequence[Entering], c: Tensor) -> tuple[Tensor, ...]:
    """What each layer hears of a code (B, W), each (B, N): one product for all layers.

    >>> [numbers.shape for numbers in messages([Shift(2, 4, 1.0), FiLM(3, 4, 1.0)], torch.zeros(5, 4))]
    [torch.Size([5, 2]), torch.Size([5, 6])]
    """
    maps = [layer.heard for layer in layers]
    return F.linear(c, torch.cat(maps)).split([len(one) for one in maps], 1)


class Shift(Entering):
    """h + b(c): one number a channel, the same at every place."""

    def __init__(self, channels: int, width: int, gain: float) -> None:
        super().__init__()
        self.shift = linear(width, channels, gain)

    @property
    def heard(self) -> Tensor:
        return self.shift.weight

    def forward(self, h: Tensor, message: Tensor, c: Tensor) -> Tensor:
        return h + _over_space(message, h)


class FiLM(Entering):
    r"""$h \odot (1 + s(c)) + b(c)$: a scale and a shift of each channel.

    Perez et al. 2018, arXiv 1709.07871, eq. (2); with 1 + s, so that it starts near the identity (sec. 7.2).
    """

    def __init__(self, channels: int, width: int, gain: float) -> None:
        super().__init__()
        self.both = linear(width, 2 * channels, gain)

    @property
    def heard(self) -> Tensor:
        return self.both.weight

    def forward(self, h: Tensor, message: Tensor, c: Tensor) -> Tensor:
        shift, scale = _over_space(message, h).chunk(2, 1)
        # One pass over the feature: b + h (1 + s).
        return torch.addcmul(shift, h, 1 + scale)


class Join(Entering):
    """h + f([h, c]): a linear map of both side by side.

    The map reads h only where something is known: of nothing, c = 0, it must leave h as it is.
    """

    def __init__(self, channels: int, width: int, gain: float) -> None:
        super().__init__()
        self.channels, self.joined = channels, linear(channels + width, channels, gain)

    @property
    def heard(self) -> Tensor:
        return self.joined.weight[:, self.channels :]

    def forward(self, h: Tensor, message: Tensor, c: Tensor) -> Tensor:
        is_known = (c != 0).any(1, keepdim=True).to(h)
        # Channels last, as they are where a map is to be quick: a product without a copy.
        mixed = F.linear(h.movedim(1, -1), self.joined.weight[:, : self.channels]).movedim(-1, 1)
        # What is heard of c = 0 is 0, and needs no mask.
        return torch.addcmul(h + _over_space(message, h), _over_space(is_known, h), mixed)


ENTRIES: dict[str, type[Shift] | type[FiLM] | type[Join]] = {"add": Shift, "film": FiLM, "concat": Join}
"""By the name in a configuration."""
