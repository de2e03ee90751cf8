"""A vector-quantised VAE with a uniform prior: van den Oord et al. 2017, arXiv 1711.00937, as a model of one's own.

The site's value is the code vector; q puts all its mass on the nearest code, so that a code costs log K nats exactly.

    python examples/own/vqvae.py [--steps 300] [--out runs/own-vqvae]
"""

from __future__ import annotations

import math

import torch
from demo import demo
from torch import Tensor, nn

from hvae import Datum, Evidence, Model, Site
from hvae.distributions import Bernoulli, Distribution
from hvae.site import Visit


class Codes(Distribution):
    """A law over the K rows of a codebook (K, D), alike at each of P positions: uniform, or all mass on `chosen`."""

    density = False

    def __init__(self, book: Tensor, like: Tensor, index: Tensor | None = None, loss: Tensor | None = None) -> None:
        self.book, self.like, self.chosen, self.loss = book, like, index, loss  # like (B, P, D)

    def sample(self) -> Tensor:
        if self.chosen is not None:
            return self.chosen
        return self.book[torch.randint(len(self.book), self.like.shape[:2], device=self.like.device)]

    def log_prob(self, value: Tensor) -> Tensor:
        nats = 0.0 if self.chosen is not None else -math.log(len(self.book))
        return value.new_full(value.shape[:2], nats)  # (B, P)

    def mode(self) -> Tensor:
        return self.sample() if self.chosen is not None else self.book[:1].expand_as(self.like)

    mean = mode

    def tempered(self, t: float) -> Codes:
        return self

    def detach(self) -> Codes:
        return Codes(self.book.detach(), self.like, None if self.chosen is None else self.chosen.detach())

    def penalty(self) -> Tensor:
        return self.like.new_zeros(len(self.like)) if self.loss is None else self.loss


class VQVAE(Model):
    """One level of P codes, each of D numbers."""

    def __init__(self, shape: tuple[int, ...], codes: int = 32, places: int = 8, dims: int = 4) -> None:
        super().__init__()
        self.shape, self.places, self.dims = tuple(shape), places, dims
        pixels = torch.Size(shape).numel()
        self.read = nn.Sequential(nn.Linear(pixels, 64), nn.SiLU(), nn.Linear(64, places * dims))
        self.write = nn.Sequential(nn.Linear(places * dims, 64), nn.SiLU(), nn.Linear(64, pixels))
        self.book = nn.Parameter(torch.randn(codes, dims))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"z1": self.read(datum.x.flatten(1)).unflatten(1, (self.places, self.dims))}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        e = evidence.feature("z1")
        like = self.book.new_zeros(evidence.n, self.places, self.dims)
        z = visit(Site("z1", Codes(self.book, like), None if e is None else self.quantise(e)))
        return visit(evidence.site(Bernoulli(self.write(z.flatten(1)).unflatten(1, self.shape))))

    def quantise(self, e: Tensor) -> Codes:
        code = self.book[torch.cdist(e, self.book.expand(len(e), -1, -1)).argmin(2)]
        loss = ((code - e.detach()) ** 2 + 0.25 * (e - code.detach()) ** 2).flatten(1).sum(1)
        return Codes(self.book, e, e + (code - e).detach(), loss)


if __name__ == "__main__":
    demo(VQVAE((1, 8, 8)), "own-vqvae")
