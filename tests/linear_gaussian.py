"""Linear-Gaussian hierarchies, whose log p(x) and exact posterior are known: the yardstick of every bound.

    z_L ~ N(0, 1),   z_l = a_l z_{l+1} + T eps,   x = W z_1 + S eps

W has orthogonal columns of norms w (`width`) and a is a number for each coordinate, so that the posterior factorises
over coordinates and diagonal Gaussians can be exact.  `TopDownGaussian` infers q(z_L given x), q(z_l given z_{l+1}, x);
`BottomUpGaussian` infers q(z_1 given x), q(z_l given z_{l-1}).  Both are the same exact posterior, visited in another
order.  `shift` and `spread` (parameters, one entry a level, zero at first) move its means and its log-scales.

Shapes: `B` batch; `D` coordinates of each latent; `X` data.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Normal
from hvae.site import Site
from hvae.walk import Evidence, Model, Visit

S, T = 0.5, 0.6


class LinearGaussian(Model):
    """A chain of `depth` latents of `latent` coordinates under `data` dimensions; float64."""

    def __init__(self, depth: int = 2, *, latent: int = 2, data: int = 5) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(depth)
        basis = torch.linalg.qr(torch.randn(data, latent, generator=random, dtype=torch.float64))[0]
        self.shape, self.names = (data,), [f"z{l}" for l in range(1, depth + 1)]
        self.register_buffer("basis", basis)  # (X, D)
        self.width = nn.Parameter(torch.linspace(0.8, 1.6, latent, dtype=torch.float64))
        self.gain = self._for_each(self.names[:-1], 0.9, latent)
        self.shift = self._for_each(self.names, 0.0, latent)
        self.spread = self._for_each(self.names, 0.0, latent)

    @staticmethod
    def _for_each(names: list[str], value: float, latent: int) -> nn.ParameterDict:
        return nn.ParameterDict({n: nn.Parameter(torch.full((latent,), value, dtype=torch.float64)) for n in names})

    def loosened(self, shift: float = 0.3, spread: float = 0.2) -> LinearGaussian:
        """This model with a posterior that is off by so much at every level."""
        for name in self.names:
            nn.init.constant_(self.shift[name], shift)
            nn.init.constant_(self.spread[name], spread)
        return self

    def weight(self) -> Tensor:
        return self.basis * self.width  # (X, D)

    def variances(self) -> dict[str, Tensor]:
        """The marginal variance of each latent, (D,)."""
        variances = {self.names[-1]: torch.ones_like(self.width)}
        for name, above in reversed(list(pairwise(self.names))):
            variances[name] = self.gain[name] ** 2 * variances[above] + T**2
        return variances

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x), exactly, (B,)."""
        w = self.weight()
        cov = (w * self.variances()["z1"]) @ w.T + S**2 * torch.eye(len(w), dtype=w.dtype)
        return torch.distributions.MultivariateNormal(torch.zeros(len(w), dtype=w.dtype), cov).log_prob(x)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"projected": datum.x @ self.basis}  # (B, D): width * z1 + S eps, all that datum.x says of z

    def p(self, name: str, above: Tensor | None, n: int) -> Normal:
        """p(z_l given z_{l+1})."""
        if above is None:
            zeros = self.width.new_zeros(n, len(self.width))
            return Normal(zeros, torch.ones_like(zeros))
        return Normal(self.gain[name] * above, torch.full_like(above, T))

    def off(self, name: str, q: Normal) -> Normal:
        """The exact posterior q, moved by the errors of this model."""
        return Normal(q.loc + self.shift[name], q.scale * self.spread[name].exp())

    def emit(self, visit: Visit, z: Tensor, evidence: Evidence) -> Tensor:
        loc = z @ self.weight().T
        return visit(evidence.site(Normal(loc, torch.full_like(loc, S))))

    @abstractmethod
    def walk(self, visit: Visit, evidence: Evidence) -> Tensor: ...


class TopDownGaussian(LinearGaussian):
    """p and q of each level are known at once, top first."""

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        z = None
        for name in reversed(self.names):
            p = self.p(name, z, evidence.n)
            q = None if evidence.x is None else self.off(name, self._q(name, p, evidence.features["projected"]))
            z = visit(Site(name, p, q))
        return self.emit(visit, z, evidence)

    def _q(self, name: str, p: Normal, projected: Tensor) -> Normal:
        # projected = width z1 + S eps, and z1 = gain z_l + noise that gathered on the way down from z_l.
        gain, noise = torch.ones_like(self.width), torch.zeros_like(self.width)
        for below in self.names[: self.names.index(name)]:
            noise, gain = noise + gain**2 * T**2, gain * self.gain[below]
        return fuse(p, self.width * gain, self.width**2 * noise + S**2, projected)


class BottomUpGaussian(LinearGaussian):
    """q climbs from the data, p descends to it: each latent is visited twice, but the top, whose p is known at once."""

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        top = self.names[-1]
        q = None if evidence.x is None else self._climb(visit, evidence.features["projected"])
        z = visit(Site(top, self.p(top, None, evidence.n), q))
        for name in reversed(self.names[:-1]):
            z = visit(Site(name, p=self.p(name, z, evidence.n)))
        return self.emit(visit, z, evidence)

    def _climb(self, visit: Visit, below: Tensor) -> Normal:
        """Draw all levels but the top from their q; the q of the top."""
        gain, noise = self.width, S**2
        for name in self.names[:-1]:
            below = visit(Site(name, q=self._q(name, gain, noise, below)))
            gain, noise = self.gain[name], T**2
        return self._q(self.names[-1], gain, noise, below)

    def _q(self, name: str, gain: Tensor, noise: float, below: Tensor) -> Normal:
        marginal = Normal(torch.zeros_like(below), self.variances()[name].sqrt().expand_as(below))
        return self.off(name, fuse(marginal, gain, noise, below))


def fuse(prior: Normal, gain: Tensor, variance: Tensor | float, data: Tensor) -> Normal:
    """The posterior of z under a Gaussian prior, having seen gain z + noise of a variance."""
    precision = prior.scale**-2 + gain**2 / variance
    return Normal((prior.loc * prior.scale**-2 + gain * data / variance) / precision, precision**-0.5)
