"""Posteriors of a level: how the bottom-up evidence e and the top-down state h (with its prior p) merge into q.

Shapes: `B` batch; `H` state; `E` evidence; `D` latent channels; `...` space, if any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from hvae.distributions import Normal
from hvae.errors import unknown
from hvae.levels.scale import Positive, gaussian


class DataOnly(nn.Module):
    """q(z given e): the evidence alone.  The flat VAE, VLAE, and the top of a ladder."""

    def __init__(self, network: nn.Module, positive: Positive) -> None:
        super().__init__()
        self.network, self.positive = network, positive

    def forward(self, h: Tensor, e: Tensor, p: Normal) -> Normal:
        return gaussian(self.network(e), self.positive)


class PrecisionWeighted(nn.Module):
    r"""A Gaussian message from below times the prior from above.

    $$\sigma^2 = \frac{1}{\hat\sigma^{-2} + \sigma_p^{-2}}, \qquad
      \mu = \sigma^2 (\hat\mu\,\hat\sigma^{-2} + \mu_p\,\sigma_p^{-2})$$

    Sonderby et al. 2016, arXiv 1602.02282, sec. 2.1: q is never wider than p.
    """

    def __init__(self, network: nn.Module, positive: Positive) -> None:
        super().__init__()
        self.network, self.positive = network, positive

    def forward(self, h: Tensor, e: Tensor, p: Normal) -> Normal:
        m = gaussian(self.network(e), self.positive)
        # The weight of the message, in [0, 1], avoids squaring and inverting precisions that may be extreme.
        w = p.scale**2 / (p.scale**2 + m.scale**2)
        return Normal(torch.lerp(p.loc, m.loc, w), m.scale * w.sqrt())


class Concat(nn.Module):
    """q(z given [h, e]): a network of both.  With one linear map it is the literal LadderLevel."""

    def __init__(self, network: nn.Module, positive: Positive) -> None:
        super().__init__()
        self.network, self.positive = network, positive

    def forward(self, h: Tensor, e: Tensor, p: Normal) -> Normal:
        return gaussian(self.network(torch.cat([h, e], 1)), self.positive)


class Residual(nn.Module):
    r"""q relative to p: $\mu = \mu_p + \Delta\mu$, $\sigma = \sigma_p\, e^{\Delta\log\sigma}$.

    Vahdat and Kautz 2020, arXiv 2007.03898, sec. 3.2: when the prior moves, the posterior moves along, and a network
    that says nothing gives a KL of exactly zero.
    """

    def __init__(self, network: nn.Module, positive: Positive) -> None:
        super().__init__()
        self.network, self.positive = network, positive

    def forward(self, h: Tensor, e: Tensor, p: Normal) -> Normal:
        delta = gaussian(self.network(torch.cat([h, e], 1)), self.positive)
        return Normal(p.loc + self.step(delta.loc, p), p.scale * delta.scale)

    def step(self, delta: Tensor, p: Normal) -> Tensor:
        """How far the mean is from the prior's, (B, D, ...)."""
        return delta


class BoundedResidual(Residual):
    r"""`Residual` whose mean stays within five standard deviations of the prior's.

    $$\mu = \mu_p + 5\sigma_p\tanh\frac{\Delta\mu}{5\sigma_p}, \qquad \sigma = \sigma_p\, e^{\Delta\log\sigma}$$

    Near the prior it is `Residual`; far from it the mean costs at most $5^2/2$ nats a dimension, whatever the state
    above and however narrow the prior: no datum can have a rate that is out of all proportion.
    """

    def step(self, delta: Tensor, p: Normal) -> Tensor:
        return 5 * p.scale * torch.tanh(delta / (5 * p.scale))


class ResidualMean(nn.Module):
    r"""q whose mean alone is relative to p: $\mu = \mu_p + \Delta\mu$, $\sigma = \sigma(h, e)$.

    Fraccaro et al. 2016, arXiv 1605.07571, sec. 3.2: in time, where the prior of a step already knows most of it.
    """

    def __init__(self, network: nn.Module, positive: Positive) -> None:
        super().__init__()
        self.network, self.positive = network, positive

    def forward(self, h: Tensor, e: Tensor, p: Normal) -> Normal:
        own = gaussian(self.network(torch.cat([h, e], 1)), self.positive)
        return Normal(p.loc + own.loc, own.scale)


Networks = Mapping[str, Callable[[], nn.Module]]
MERGES: dict[str, tuple[type[nn.Module], str]] = {
    "precision": (PrecisionWeighted, "message"),
    "concat": (Concat, "joint"),
    "linear": (Concat, "linear"),
    "residual": (Residual, "joint"),
    "residual-bounded": (BoundedResidual, "joint"),
    "residual-mean": (ResidualMean, "joint"),
}


def merge(kind: str, positive: Positive, networks: Networks) -> nn.Module:
    """The named posterior; only the network it needs is made.

    `networks` makes a "message" of e alone, a "joint" network of [h, e], or one "linear" map of [h, e], each with
    2 D output channels.  Raises HvaeError for an unknown name.
    """
    if kind not in MERGES:
        raise unknown("posterior", kind, MERGES)
    posterior, network = MERGES[kind]
    return posterior(networks[network](), positive)
