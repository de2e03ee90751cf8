r"""How a raw network output becomes a standard deviation: positive, finite, and 1 at raw 0.

Unbounded exponentials are where deep hierarchies diverge.  Each choice here but above-one maps 0 to about 1, so that it
serves both as a scale of its own and as the factor $e^{\Delta\log\sigma}$ of a residual posterior.

Shapes: `B` batch; `D` latent channels; `...` space, if any.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.distributions import Normal, full
from hvae.errors import unknown

Positive = Callable[[Tensor], Tensor]

# `hardtanh` and not `clamp`: the same numbers, but its gradient is one pass over memory where clamp's takes four.

FLOOR = 1e-3
_AT_ZERO = math.log(math.expm1(1 - FLOOR))  # softplus of it is 1 - FLOOR


def softclamp(raw: Tensor) -> Tensor:
    r"""$\exp(5\tanh(r/5))$: between 0.0067 and 148, with a gradient everywhere.

    Vahdat and Kautz 2020, arXiv 2007.03898, released code (the bound of 5 on log sigma).
    """
    return (5 * torch.tanh(raw / 5)).exp()


def clamp(raw: Tensor) -> Tensor:
    """exp(r) with the log-variance 2 r cut to [-7, 7]; outside it the gradient is zero."""
    return F.hardtanh(raw, -3.5, 3.5).exp()


def clamp_sigma(raw: Tensor) -> Tensor:
    """exp(r) with log sigma, r itself, cut to [-7, 7]: between 0.0009 and 1097; outside it the gradient is zero."""
    return F.hardtanh(raw, -7, 7).exp()


def softplus(raw: Tensor) -> Tensor:
    """softplus above a floor of 0.001: grows linearly, so one large output cannot blow up the scale."""
    return FLOOR + F.softplus(raw + _AT_ZERO)


def softplus_raw(value: Tensor) -> Tensor:
    """The raw number whose `softplus` is a value, which must be above the floor.

    >>> float(softplus_raw(torch.tensor(1.0)).abs()) < 1e-6
    True
    """
    above = value - FLOOR
    return above + (-torch.expm1(-above)).log() - _AT_ZERO


def exp(raw: Tensor) -> Tensor:
    """exp(r) as the first papers have it, cut at r = -40 and 40 only to keep squares of it within float32."""
    return F.hardtanh(raw, -40, 40).exp()


def above_one(raw: Tensor) -> Tensor:
    r"""$\sqrt{1 + e^r}$: never below one.

    Maaloe et al. 2019, arXiv 1902.02102, released code, which takes the softplus of the log-variance.  It costs nothing
    where p has a scale of its own, since only the ratio of q's to p's counts; at raw 0 it is 1.41.  Cut at r = 80, to
    keep squares of it within float32.
    """
    return (0.5 * F.softplus(raw.clamp(max=80))).exp()


def below_two(raw: Tensor) -> Tensor:
    r"""`softclamp` below raw 0 and $2 - e^{-r}$ above: never above two, smooth at 0.

    The scale of a prior is free where a level says nothing (q = p whatever it is): a `softclamp` then lets a level that
    has no rate put noise 148 times as large into a few data, which the levels below multiply.  That a scale has an
    upper end costs nothing, since only the ratio of q's to p's counts.
    """
    return torch.where(raw < 0, softclamp(raw), 2 - (-raw.clamp(min=0)).exp())


VARIANCES: dict[str, Positive] = {
    "softclamp": softclamp,
    "clamp": clamp,
    "clamp-sigma": clamp_sigma,
    "softplus": softplus,
    "exp": exp,
    "above-one": above_one,
    "below-two": below_two,
}


def variance(kind: str) -> Positive:
    """The named choice.  Raises HvaeError for an unknown name.

    >>> variance("softclamp")(torch.zeros(1))
    tensor([1.])
    """
    if kind not in VARIANCES:
        raise unknown("variance", kind, VARIANCES)
    return VARIANCES[kind]


def gaussian(raw: Tensor, positive: Positive) -> Normal:
    """Raw outputs, (B, 2 D, ...), to a Gaussian over (B, D, ...): locations first, then scales."""
    loc, scale = full(raw).chunk(2, 1)
    return Normal(loc, positive(scale))


def clamped_gaussian(raw: Tensor) -> Normal:
    r"""Raw outputs, (B, 2 D, ...), to NVAE's Gaussian: $\mu = 5\tanh(r/5)$, $\sigma = e^{5\tanh(s/5)} + 0.01$.

    Vahdat and Kautz 2020, arXiv 2007.03898, released code.  At raw 0 the scale is 1.01, which makes that of the
    published "standard" prior.

    >>> clamped_gaussian(torch.zeros(1, 2)).scale
    tensor([[1.0100]])
    """
    loc, log_scale = (5 * torch.tanh(full(raw) / 5)).chunk(2, 1)
    return Normal(loc, log_scale.exp() + 0.01)
