r"""What has been seen of a picture: all but some of its values, or a blurred, grey or noisy version of it.

Seen values are a masked likelihood, exact for every law that factorises over them:

    log p(x_seen | z) = sum over seen values of log p(x_i | z)        Rezende et al. 2014, arXiv 1401.4082, app. F

A linear observation with Gaussian noise is a factor on top of the decoder, y = A x + sigma eps.  With mu and v the mean
and variance of each value given z, matched in these two moments,

    p(y | z) = N(y; A mu, sigma^2 + A v A^T)                                  exact where p(x | z) is Gaussian
    x | z, y = x' + v A^T (sigma^2 + A v A^T)^-1 (y - A x' - sigma eps'),     x' ~ p(x | z)

The rows of A share no value (a pixel, a box of pixels, the channels of a pixel), so that A v A^T is diagonal.

Shapes: `B` pictures; `C H W` a picture; `K` factor; `...` a datum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.datum import filled
from hvae.distributions import Distribution, Normal, sum_rest
from hvae.restoration.spread import signal, variance
from hvae.trace import Record

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey: Rec. ITU-R BT.601, as pictures are turned grey everywhere else here."""
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Observation(ABC):
    """What is known of B pictures, as a likelihood of their latents.  Tensors are (B, ...)."""

    def mapped(self, change: Change) -> Self:
        """The same of other pictures: its tensors after a change."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: change(t) for name, t in values.items() if isinstance(t, Tensor)})

    def __getitem__(self, rows: slice) -> Self:
        """Some of the pictures."""
        return self.mapped(lambda t: t[rows])

    def to(self, like: Tensor) -> Self:
        """The same on the device and in the floating type of a tensor."""
        return self.mapped(lambda t: t.to(like.device, like.dtype if t.is_floating_point() else t.dtype))

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def start(self) -> Tensor:
        """A first guess of the pictures, (B, ...): what inference reads before anything better is known."""

    @abstractmethod
    def nats(self, law: Distribution) -> Tensor:
        """log p(what is seen | z), (B,), where `law` is p(x | z)."""

    @abstractmethod
    def mean(self, law: Distribution) -> Tensor:
        """E[x | z, what is seen], (B, ...)."""

    @abstractmethod
    def sample(self, law: Distribution) -> Tensor:
        """One draw of x | z, what is seen, (B, ...)."""


@dataclass(frozen=True, eq=False)
class Exact(Observation):
    """The values `x` (B, ...) where `seen` (B, ...) bool; what x holds elsewhere is never read."""

    x: Tensor
    seen: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def each(self, law: Distribution) -> Tensor:
        """log p(x_i | z) in nats, as it factorises, (B, ...); 0 where nothing is seen."""
        value = torch.where(self.seen, self.x, 0.0)
        return Record("x", law, value=value, observed=self.seen, data=True).log_probs()

    def nats(self, law: Distribution) -> Tensor:
        return sum_rest(self.each(law))

    def mean(self, law: Distribution) -> Tensor:
        return torch.where(self.seen, self.x, law.mean())

    def sample(self, law: Distribution) -> Tensor:
        return torch.where(self.seen, self.x, law.sample())


@dataclass(frozen=True, eq=False)
class Seen(Exact):
    """Values of pictures."""

    def start(self) -> Tensor:
        """What is not seen at the mean of what is, for each picture its own."""
        return filled(self.x, self.seen)


@dataclass(frozen=True, eq=False)
class Cells(Exact):
    """Cells of a table, whose columns have no mean in common."""

    def start(self) -> Tensor:
        """0 where nothing is seen, which is how inference reads a cell that is not known."""
        return torch.where(self.seen, self.x, 0.0)


@dataclass(frozen=True, eq=False)
class Linear(Observation):
    """y = A x + sigma eps, for an A whose rows share no value."""

    y: Tensor
    sigma: float

    def __len__(self) -> int:
        return len(self.y)

    @abstractmethod
    def seen(self, x: Tensor) -> Tensor:
        """A x."""

    @abstractmethod
    def noise(self, v: Tensor) -> Tensor:
        """A v A^T, of the shape of y, for variances v of the shape of x."""

    @abstractmethod
    def back(self, y: Tensor) -> Tensor:
        """A^T y, of the shape of x."""

    def nats(self, law: Distribution) -> Tensor:
        return sum_rest(Normal(self.seen(law.mean()), self._variance(law).sqrt()).log_prob(self.y))

    def mean(self, law: Distribution) -> Tensor:
        return self._settled(law.mean(), self.y, law)

    def sample(self, law: Distribution) -> Tensor:
        return self._settled(law.sample(), self.y - self.sigma * torch.randn_like(self.y), law)

    def _variance(self, law: Distribution) -> Tensor:
        return self.noise(variance(law)) + self.sigma**2

    def _settled(self, x: Tensor, y: Tensor, law: Distribution) -> Tensor:
        off = (y - self.seen(x)) / self._variance(law).clamp_min(torch.finfo(x.dtype).tiny)
        return x + variance(law) * self.back(off)


@dataclass(frozen=True, eq=False)
class Noisy(Linear):
    """The picture with Gaussian noise of one standard deviation, in units of data in [0, 1]."""

    def start(self) -> Tensor:
        return self.y

    def seen(self, x: Tensor) -> Tensor:
        return x

    def noise(self, v: Tensor) -> Tensor:
        return v

    def back(self, y: Tensor) -> Tensor:
        return y


@dataclass(frozen=True, eq=False)
class Shrunk(Linear):
    """The means of boxes of K x K pixels, (B, C, H / K, W / K)."""

    factor: int

    def start(self) -> Tensor:
        size = [self.factor * side for side in self.y.shape[2:]]
        return F.interpolate(self.y, size=size, mode="bilinear")

    def seen(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.factor)

    def noise(self, v: Tensor) -> Tensor:
        return F.avg_pool2d(v, self.factor) / self.factor**2

    def back(self, y: Tensor) -> Tensor:
        return F.interpolate(y, scale_factor=self.factor, mode="nearest") / self.factor**2


@dataclass(frozen=True, eq=False)
class Grey(Linear):
    """The grey of a picture in red, green and blue, (B, 1, H, W)."""

    def start(self) -> Tensor:
        return self.y.expand(-1, 3, -1, -1)

    def _weights(self) -> Tensor:
        return self.y.new_tensor(GREY).view(3, 1, 1)

    def seen(self, x: Tensor) -> Tensor:
        return (self._weights() * x).sum(1, keepdim=True)

    def noise(self, v: Tensor) -> Tensor:
        return (self._weights() ** 2 * v).sum(1, keepdim=True)

    def back(self, y: Tensor) -> Tensor:
        return self._weights() * y


@dataclass(frozen=True, eq=False)
class OwnNoise(Observation):
    """Noisy pictures before a model that was trained on nothing else: its likelihood is their noise.

    Prakash, Krull and Jug 2021, arXiv 2006.06072: the noise model as the likelihood of a VAE.
    """

    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def start(self) -> Tensor:
        return self.y

    def nats(self, law: Distribution) -> Tensor:
        return sum_rest(law.log_prob(self.y))

    def mean(self, law: Distribution) -> Tensor:
        return signal(law)

    def sample(self, law: Distribution) -> Tensor:
        """The clean picture has no noise of its own."""
        return signal(law)
