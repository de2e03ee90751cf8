"""A diffusion model as a hierarchy of T levels with a fixed q: Kingma et al. 2021, arXiv 2107.00630, as one's own.

z_t = a_t x + s_t noise, with a_t^2 + s_t^2 = 1.  Level s costs KL(q(z_s | z_t, x) || q(z_s | z_t, x = denoised(z_t))).
Training visits a few random levels of every datum, each with the weight T / K; evaluation and sampling walk them all.

    python examples/own/diffusion.py [--steps 300] [--out runs/own-diffusion]
"""

from __future__ import annotations

import torch
from demo import demo
from torch import Tensor, nn

from hvae import Datum, Evidence, HvaeError, Model, Site, thin
from hvae.distributions import Bernoulli, Normal, Steps, standard_normal
from hvae.site import Visit


class Diffusion(Model):
    """T levels of the size of the data; one denoiser for all of them."""

    def __init__(self, shape: tuple[int, ...], levels: int = 20, hidden: int = 128) -> None:
        super().__init__()
        self.shape, self.levels, self.pixels = tuple(shape), levels, torch.Size(shape).numel()
        self.net = nn.Sequential(nn.Linear(self.pixels + 1, hidden), nn.SiLU(), nn.Linear(hidden, self.pixels))
        self.register_buffer("snr", torch.logspace(1, -2.5, levels + 1))  # of z_0 (least noise) to z_T

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"x": 2 * datum.x.flatten(1) - 1}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        x, like = evidence.feature("x"), self.snr.new_zeros(evidence.n, self.pixels)
        levels = visit(Site("t", Steps(like, self.levels), auxiliary=True))  # (n, K)
        z0 = self.chain(visit, x, like) if levels.shape[1] == self.levels else self.thinned(visit, x, like, levels)
        # Bayes for x = -1 or 1: log p(z0 | x = 1) - log p(z0 | x = -1) = 2 a z0 / s^2.
        logits = 2 * (self.snr[0] * (1 + self.snr[0])).sqrt() * z0
        return visit(evidence.site(Bernoulli(logits.unflatten(1, self.shape))))

    def chain(self, visit: Visit, x: Tensor | None, like: Tensor) -> Tensor:
        """Every level from z_T to z_0, each drawn from the one above."""
        top = torch.full((len(like),), self.levels, device=like.device)
        z = visit(Site("zT", standard_normal(like, (self.pixels,)), None if x is None else self.noised(x, top)))
        for t in reversed(range(self.levels)):
            z = visit(self.site(z, x, torch.full_like(top, t), step=t))
        return z

    def thinned(self, visit: Visit, x: Tensor | None, like: Tensor, levels: Tensor) -> Tensor:
        """Some levels, each below a z_t that is drawn from q(z_t | x) at once; z_0 at the end."""
        if x is None:
            raise HvaeError("levels that are drawn from one another cannot be left out: thin() needs data")
        top, weight = torch.full((len(x),), self.levels, device=like.device), self.levels / levels.shape[1]
        visit(Site("zT", standard_normal(like, (self.pixels,)), self.noised(x, top)))
        for k, t in enumerate(levels.unbind(1)):
            above = self.noised(x, t + 1)
            z = visit(Site("above", above, above, step=k, auxiliary=True))
            visit(self.site(z, x, t, step=k, weight=weight))
        first = self.noised(x, torch.zeros_like(top))
        return visit(Site("first", first, first, auxiliary=True))

    def site(self, z: Tensor, x: Tensor | None, t: Tensor, *, step: int, weight: float = 1.0) -> Site:
        """Level t below z = z_{t+1}."""
        guess = self.net(torch.cat([z, t[:, None] / self.levels], 1)).tanh()
        return Site("z", self.below(z, guess, t), None if x is None else self.below(z, x, t), step=step, weight=weight)

    def noised(self, x: Tensor, t: Tensor) -> Normal:
        """q(z_t | x)."""
        snr = self.snr[t][:, None]
        return Normal((snr / (1 + snr)).sqrt() * x, (1 / (1 + snr)).sqrt().expand_as(x))

    def below(self, z: Tensor, x: Tensor, t: Tensor) -> Normal:
        """q(z_t | z_{t+1} = z, x): a product of two Gaussians."""
        near, far = self.snr[t][:, None], self.snr[t + 1][:, None]
        ratio = ((far / (1 + far)) / (near / (1 + near))).sqrt()  # z_{t+1} = ratio z_t + noise
        noise, own = 1 / (1 + far) - ratio**2 / (1 + near), 1 / (1 + near)
        loc = ratio * own * (1 + far) * z + (near / (1 + near)).sqrt() * noise * (1 + far) * x
        return Normal(loc, (noise * own * (1 + far)).sqrt().expand_as(x))


if __name__ == "__main__":
    demo(Diffusion((1, 8, 8)), "own-diffusion", draw=thin(2))
