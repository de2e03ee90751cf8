"""Toy models, each here once: two levels to train, three to look at, one that says nothing, one in time.

Exact hierarchies stand in linear_gaussian.py, each family at toy size in families.py.

Shapes: `B` batch; `C H W` an image; `D` coordinates of a latent; `X` data of a step; `K` steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Bernoulli, Distribution, Normal, standard_normal
from hvae.site import Site
from hvae.walk import Evidence, Model, Trace, Visit

Law = Callable[[Tensor], Distribution]
S, T = 0.5, 0.6

GREY, RGB = (1, 8, 8), (3, 16, 16)
SIZES = {"z3": 2, "z2": 3, "z1": 4}


def softplus_normal(raw: Tensor) -> Normal:
    loc, scale = raw.float().chunk(2, -1)
    return Normal(loc, nn.functional.softplus(scale) + 1e-3)


class Pair(Model):
    """z2 -> z1 -> x, all Gaussian, and a buffer beside the weights: hundreds of training steps a second."""

    def __init__(self, size: int = 6, width: int = 3) -> None:
        super().__init__()
        self.shape, self.width = (size,), width
        self.q1, self.q2 = nn.Linear(size, 2 * width), nn.Linear(size, 2 * width)
        self.p1, self.px = nn.Linear(width, 2 * width), nn.Linear(width, size)
        self.register_buffer("seen", torch.zeros(()))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"x": datum.x}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        x = evidence.feature("x")
        top = Normal(self.px.weight.new_zeros(evidence.n, self.width), self.px.weight.new_ones(evidence.n, self.width))
        z2 = visit(Site("z2", p=top, q=None if x is None else softplus_normal(self.q2(x))))
        z1 = visit(Site("z1", p=softplus_normal(self.p1(z2)), q=None if x is None else softplus_normal(self.q1(x))))
        loc = torch.sigmoid(self.px(z1)).float()
        value = evidence.x
        return visit(Site("x", p=Normal(loc, torch.full_like(loc, 0.3)), value=value, data=True))


def tanh_normal(raw: Tensor) -> Normal:
    loc, log_scale = raw.chunk(2, 1)
    return Normal(loc, torch.exp(0.5 * torch.tanh(log_scale)))


class Picture(Model):
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

    def drawn(self, visit: Visit, state: Tensor, evidence: Evidence) -> Tensor:
        return visit(evidence.site(Bernoulli(self.out(state).unflatten(1, self.shape))))


class Ladder(Picture):
    """Top-down: each prior and the data depend on all levels above."""

    width = sum(SIZES.values())

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.expect = nn.ModuleDict({"z2": nn.Linear(2, 6), "z1": nn.Linear(5, 8)})

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        h = next(self.parameters()).new_zeros(evidence.n, 0)
        for name, size in SIZES.items():
            p = standard_normal(h, (size,)) if name == "z3" else tanh_normal(self.expect[name](h))
            q = None if evidence.x is None else tanh_normal(evidence.features[name])
            h = torch.cat([h, visit(Site(name, p, q))], 1)
        return self.drawn(visit, h, evidence)


class Chain(Picture):
    """Bottom-up inference: q climbs from z1 to z3, p descends, the data depend on z1 alone."""

    width = SIZES["z1"]

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.up = nn.ModuleDict({"z2": nn.Linear(4, 6), "z3": nn.Linear(3, 4)})
        self.down = nn.ModuleDict({"z2": nn.Linear(2, 6), "z1": nn.Linear(3, 8)})

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        if evidence.x is not None:
            z1 = visit(Site("z1", q=tanh_normal(evidence.features["z1"])))
            z2 = visit(Site("z2", q=tanh_normal(self.up["z2"](z1))))
            visit(Site("z3", q=tanh_normal(self.up["z3"](z2))))
        z3 = visit(Site("z3", standard_normal(next(self.parameters()).new_zeros(evidence.n, 0), (2,))))
        z2 = visit(Site("z2", tanh_normal(self.down["z2"](z3))))
        return self.drawn(visit, visit(Site("z1", tanh_normal(self.down["z1"](z2)))), evidence)


def images(shape: tuple[int, ...], n: int = 6) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(5))


class Idle(Model):
    """A level that the data do not depend on, under a law of the data that is the same for all: `law(zeros)`."""

    def __init__(self, shape: tuple[int, ...], law: Law) -> None:
        super().__init__()
        self.shape, self.law = shape, law

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        zeros = torch.zeros(evidence.n, *self.shape, dtype=torch.float64)
        p = standard_normal(zeros, (2,))
        visit(Site("z1", p, None if evidence.x is None else p))
        return visit(Site("x", self.law(zeros), value=evidence.x, data=True))


def near(loc: Tensor) -> Normal:
    return Normal(loc, torch.full_like(loc, S))


class StateSpace(Model):
    """A linear-Gaussian walk in time whose log p(x) and exact posterior are known; "z" and "x" recur, step by step.

        z_0 ~ N(0, 1),   z_t = gain z_{t-1} + T eps,   x_t = B (width z_t) + S eps

    B has orthonormal columns, so that coordinates never meet.  q(z_t given z_{t-1}, x_t, x_{t+1}, ...) is that
    posterior, moved by `shift` and `spread`.  Another `law` of the data, such as Bernoulli, makes it an approximation.
    """

    steps, latent = 3, 2

    def __init__(self, shape: tuple[int, ...] = (3, 4), law: Law = near) -> None:
        super().__init__()
        self.shape, self.law = shape, law
        noise = torch.randn(math.prod(shape) // self.steps, self.latent, generator=torch.Generator().manual_seed(2))
        self.register_buffer("basis", torch.linalg.qr(noise.double())[0])  # (X, D)
        self.width = nn.Parameter(torch.linspace(0.8, 1.6, self.latent, dtype=torch.float64))
        self.gain = nn.Parameter(torch.full_like(self.width, 0.9))
        self.shift, self.spread = (nn.Parameter(torch.zeros_like(self.width)) for _ in range(2))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        """What x_t and all that follow say of z_t: a precision, and it times a mean, (B, K, D) each."""
        projections = datum.x.reshape(datum.x.shape[0], self.steps, -1) @ self.basis * self.width / S**2
        precision, mean = torch.zeros_like(self.width), torch.zeros_like(projections[:, 0])
        precisions, means = [], []
        for t in reversed(range(self.steps)):
            precision, mean = precision + self.width**2 / S**2, mean + projections[:, t]
            precisions, means = [precision, *precisions], [mean, *means]
            through = self.gain / (1 + T**2 * precision)
            precision, mean = self.gain * through * precision, through * mean
        rows = torch.stack(precisions).expand(datum.x.shape[0], -1, -1)
        return {"precision": rows, "mean": torch.stack(means, 1)}

    def q(self, p: Normal, precision: Tensor, mean: Tensor) -> Normal:
        total = p.scale**-2 + precision
        return Normal((p.loc * p.scale**-2 + mean) / total + self.shift, total**-0.5 * self.spread.exp())

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        data = None if evidence.x is None else evidence.x.reshape(evidence.n, self.steps, -1)
        zeros = self.width.new_zeros(evidence.n, len(self.width))
        p, steps = Normal(zeros, torch.ones_like(zeros)), []
        for t in range(self.steps):
            message = None if evidence.x is None else [evidence.features[name][:, t] for name in ("precision", "mean")]
            z = visit(Site("z", p, None if message is None else self.q(p, *message), step=t))
            law, value = self.law(z * self.width @ self.basis.T), None if data is None else data[:, t]
            steps.append(visit(Site("x", law, value=value, step=t, data=True)))
            p = Normal(self.gain * z, torch.full_like(z, T))
        return torch.stack(steps, 1).reshape(evidence.n, *self.shape)

    def picture(self, trace: Trace) -> Tensor:
        steps = torch.stack([record.law.mean() for record in trace.observed], 1)
        return steps.reshape(steps.shape[0], *self.shape)

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) of data around their means, exactly, (B,): the covariance of all steps is written down."""
        step = torch.arange(self.steps, dtype=torch.float64)
        variances = [torch.ones_like(self.width)]
        for _ in range(1, self.steps):
            variances.append(self.gain**2 * variances[-1] + T**2)
        first = torch.minimum(step[:, None], step).long()  # cov(z_s, z_t) = gain^|s - t| var(z_min(s, t))
        lag = (step[:, None] - step).abs()[..., None]
        of_z = torch.stack(variances)[first] * self.gain**lag  # (K, K, D)
        weight = self.basis * self.width
        cov = torch.einsum("xd,std,yd->sxty", weight, of_z, weight).reshape(x[0].numel(), -1)
        cov = cov + S**2 * torch.eye(len(cov), dtype=cov.dtype)
        return torch.distributions.MultivariateNormal(torch.zeros_like(cov[0]), cov).log_prob(x.flatten(1))
