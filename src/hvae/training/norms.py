"""Norms of gradients, and their bound."""

from __future__ import annotations

from math import hypot

import torch
from torch import Tensor


def shorten(gradients: list[Tensor], norm: float, bound: float) -> None:
    r"""Multiply gradients of a given norm in place, where they exceed the bound: $g \leftarrow g\, c / \lVert g\rVert$.

    Pascanu et al. 2013, arXiv 1211.5063, algorithm 1.  Within the bound nothing is read or written.

    >>> gradients = [torch.tensor([3.0]), torch.tensor([0.0, -4.0])]
    >>> shorten(gradients, norm=5.0, bound=2.5)
    >>> [round(g.norm().item(), 3) for g in gradients]
    [1.5, 2.0]
    """
    factor = bound / (norm + 1e-6)
    if factor < 1:
        torch._foreach_mul_(gradients, factor)


def long_norm(gradients: list[Tensor]) -> float:
    """The norm of gradients whose squares may lie beyond float32; infinite or NaN if one of their numbers is.

    A loss of 1e20 nats, which one outlier makes in a deep hierarchy, has such a gradient: finite, and as good as any
    other once it is clipped.

    >>> gradients = [torch.tensor([3e30]), torch.tensor([0.0, -4e30])]
    >>> torch.nn.utils.get_total_norm(gradients).item(), f"{long_norm(gradients):.3g}"
    (inf, '5e+30')
    """
    largest = torch.stack(torch._foreach_norm(gradients, float("inf"))).max()
    return float(largest) * hypot(*(float(n) for n in torch._foreach_norm(torch._foreach_div(gradients, largest))))
