"""Three-level toys, untrained: a top-down ladder that joins every level, and a bottom-up chain.

Shapes: `B` batch; `C H W` an image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Bernoulli, Normal, standard_normal
from hvae.site import Site
from hvae.walk import Evidence, Model, Visit

GREY, RGB = (1, 8, 8), (3, 16, 16)
SIZES = {"z3": 2, "z2": 3, "z1": 4}


def normal(raw: Tensor) -> Normal:
    loc, log_scale = raw.chunk(2, 1)
    return Normal(loc, torch.exp(0.5 * torch.tanh(log_scale)))


class Toy(Model):
    """Features of the data for all levels, and a picture read from a state; large weights, so that levels matter."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.shape = shape
        self.read = nn.ModuleDict({name: nn.Linear(math.prod(shape), 2 * size) for name, size in SIZES.items()})
        self.dropout = nn.Dropout(0.9)
        self.out = nn.Linear(self.width, math.prod(shape))
        nn.init.normal_(self.out.weight)

    width: int

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {name: network(self.dropout(2 * datum.x - 1).flatten(1)) for name, network in self.read.items()}

    def picture(self, visit: Visit, state: Tensor, evidence: Evidence) -> Tensor:
        p = Bernoulli(self.out(state).unflatten(1, self.shape))
        return visit(Site("x", p, value=evidence.x, data=True))


class Ladder(Toy):
    """Top-down: each prior and the data depend on all levels above."""

    width = sum(SIZES.values())

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.expect = nn.ModuleDict({"z2": nn.Linear(2, 6), "z1": nn.Linear(5, 8)})

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        h = next(self.parameters()).new_zeros(evidence.n, 0)
        for name, size in SIZES.items():
            p = standard_normal(h, (size,)) if name == "z3" else normal(self.expect[name](h))
            q = None if evidence.x is None else normal(evidence.features[name])
            h = torch.cat([h, visit(Site(name, p, q))], 1)
        return self.picture(visit, h, evidence)


class Chain(Toy):
    """Bottom-up inference: q climbs from z1 to z3, p descends, the data depend on z1 alone."""

    width = SIZES["z1"]

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.up = nn.ModuleDict({"z2": nn.Linear(4, 6), "z3": nn.Linear(3, 4)})
        self.down = nn.ModuleDict({"z2": nn.Linear(2, 6), "z1": nn.Linear(3, 8)})

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        if evidence.x is not None:
            z1 = visit(Site("z1", q=normal(evidence.features["z1"])))
            z2 = visit(Site("z2", q=normal(self.up["z2"](z1))))
            visit(Site("z3", q=normal(self.up["z3"](z2))))
        z3 = visit(Site("z3", standard_normal(next(self.parameters()).new_zeros(evidence.n, 0), (2,))))
        z2 = visit(Site("z2", normal(self.down["z2"](z3))))
        return self.picture(visit, visit(Site("z1", normal(self.down["z1"](z2)))), evidence)


def images(shape: tuple[int, ...], n: int = 6) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(5))
