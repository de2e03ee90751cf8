"""A mixture of Gaussians over whole vectors: motion, handwriting, speech in frames.

Shapes: `B` batch; `M` components; `D` coordinates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.distributions.base import Distribution
from hvae.distributions.discrete import choose
from hvae.distributions.normal import Normal


class NormalMixture(Distribution):
    r"""M diagonal Gaussians, one of which a whole vector comes from.

    $$p(x) = \sum_m \pi_m \prod_d N(x_d;\ \mu_{m,d}, \sigma_{m,d}^2)$$

    Graves 2013, arXiv 1308.0850, sec. 4.1; Chung et al. 2015, arXiv 1506.02216, sec. 5.  Arguments: `logits` (B, M) of
    the weights; `loc` and `scale` (> 0), (B, M, D), in the unit of the value.  `log_prob` is joint over D, hence (B,).

    >>> one = torch.ones(1, 2, 3)
    >>> NormalMixture(torch.zeros(1, 2), 0 * one, one).log_prob(torch.zeros(1, 3))
    tensor([-2.7568])
    """

    def __init__(self, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits, self.loc, self.scale = logits, loc, scale

    def sample(self) -> Tensor:
        return self._component(choose(self.logits)).sample()

    def log_prob(self, value: Tensor) -> Tensor:
        each = Normal(self.loc, self.scale).log_prob(value[:, None]).sum(2)  # (B, M)
        return (self.logits.log_softmax(1) + each).logsumexp(1)

    def mode(self) -> Tensor:
        """The middle of the most probable component, which stands in for the true mode."""
        return self._component(self.logits.argmax(1, keepdim=True)).loc

    def mean(self) -> Tensor:
        return torch.einsum("bm,bmd->bd", self.logits.softmax(1), self.loc)

    def tempered(self, t: float) -> NormalMixture:
        return NormalMixture(self.logits / t, self.loc, self.scale * t)

    def detach(self) -> NormalMixture:
        return NormalMixture(self.logits.detach(), self.loc.detach(), self.scale.detach())

    def _component(self, which: Tensor) -> Normal:
        """One component (B, 1) a row, over (B, D)."""
        loc, scale = (t.take_along_dim(which[:, :, None], 1)[:, 0] for t in (self.loc, self.scale))
        return Normal(loc, scale)

    def __repr__(self) -> str:
        return f"NormalMixture{tuple(self.loc.shape)}"
