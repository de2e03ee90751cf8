"""Rounding of parameters to a coarse grid, so that rounding errors of networks do not affect coding.

A network's outputs differ in their last bits between machines, between numbers of threads and batch sizes, and between
a walk that only generates and one that also infers.  In double precision that is one part in 1e15; rounded to a
thousandth of a standard deviation, two such outputs are the same number unless they straddle a boundary, about once in
1e11 parameters.  (In single precision it would be once in a few hundred: no rounding could save it.)  What is lost is
about 1e-7 nats a parameter.

Shapes: `N` all elements of a value, (B, ...) flattened.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from hvae.coding.entropy.curves import Floats
from hvae.errors import HvaeError

_BITS = 10


class Uncodable(HvaeError):
    """A distribution that cannot be turned into symbols."""


class Parameters(NamedTuple):
    """Location and scale, each (N,), of doubles that other machines have too."""

    loc: Floats
    scale: Floats


def steady(loc: Tensor, scale: Tensor) -> Parameters:
    """Scales to 10 bits, and locations to a thousandth of their scale or a little finer.

    Raises HvaeError when a number is not finite.

    >>> import torch
    >>> steady(torch.tensor([0.1]), torch.tensor([1.0])).loc
    array([0.09960938])
    """
    mu, sigma = flat(loc), flat(scale)
    if not (sigma > 0).all():
        raise HvaeError("a scale of the model is not above zero; it cannot be coded: train again with another variance")
    mantissa, exponent = np.frexp(sigma)
    unit = np.ldexp(1.0, exponent - 1 - _BITS)
    return Parameters(np.rint(mu / unit) * unit, np.ldexp(np.rint(np.ldexp(mantissa, _BITS)), exponent - _BITS))


def flat(t: Tensor) -> Floats:
    """A tensor as doubles, (N,).  Raises HvaeError when a number is not finite."""
    numbers: Floats = np.ascontiguousarray(t.detach().double().numpy()).reshape(-1)
    if not np.isfinite(numbers).all():
        raise HvaeError("the model gives numbers that are not finite for these data; they cannot be coded")
    return numbers
