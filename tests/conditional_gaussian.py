"""A linear-Gaussian model given its class, whose log p(x given y) is known; float64.

    z ~ N(b_y, T^2),   x = w z + S eps,   b = 0 where y is unknown

The state is b_y, and q is the exact posterior, moved by `shift`.  Shapes: `B` batch; `D` coordinates of z and x.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hvae.condition import Condition
from hvae.distributions import Normal
from hvae.levels import Level, Replace
from hvae.levels.likelihoods import head
from hvae.models import TopDown
from hvae.models.conditioning import Conditioned
from hvae.nn import BottomUp, Constant
from hvae.nn.film import ClassCode, Shift

S, T, W = 0.5, 0.7, 1.3
DIMS, CLASSES = 2, 3


class GivenClass(nn.Module):
    """h = b_y, which the state is made of: p(z given y) = N(b_y, T^2)."""

    def forward(self, h: Tensor) -> tuple[Normal, Tensor]:
        return Normal(h, torch.full_like(h, T)), h


class Exact(nn.Module):
    """The exact q(z given x, y), moved by `shift`."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, h: Tensor, e: Tensor, p: Normal) -> Normal:
        variance = 1 / (1 / T**2 + W**2 / S**2)
        loc = variance * (h / T**2 + W * e / S**2) + self.shift
        return Normal(loc, torch.full_like(loc, math.sqrt(variance)))


class Raw(nn.Module):
    """What the head reads as the mean w z."""

    def forward(self, z: Tensor) -> Tensor:
        return 2 * W * z - 1


def linear_gaussian(shift: float = 0.0) -> TopDown:
    torch.manual_seed(0)
    code = ClassCode(CLASSES, 4)
    level = Level("z1", prior=GivenClass(), posterior=Exact(shift), absorb=Replace(Raw()))
    return TopDown(
        (DIMS,),
        bottom_up=BottomUp({"z1": nn.Identity()}),
        start=Constant((DIMS,)),
        levels=[level],
        leave=nn.Identity(),
        head=head("gaussian", (DIMS,), 256, mixtures=1, sigma=S),
        condition=Conditioned(
            "label",
            Condition(classes=CLASSES, optional=True),
            code=code,
            networks={"state": {"z1": Shift(DIMS, 4, 1.0)}, "evidence": {}, "value": {}},
            drop=0.1,
        ),
    ).double()


def means(model: TopDown, label: Tensor) -> Tensor:
    """b_y, 0 where y is unknown, by matrices alone."""
    state = model.state_dict()
    table = state["condition.code.table"] @ state["condition.networks.state.z1.shift.weight"].T
    return torch.cat([table, torch.zeros(1, DIMS).double()])[label]


def log_evidence(model: TopDown, x: Tensor, label: Tensor) -> Tensor:
    law = torch.distributions.Normal(W * means(model, label), math.sqrt(W**2 * T**2 + S**2))
    return law.log_prob(x).sum(1)
