"""Recurrences whose state goes on from piece to piece, while gradients stop at the start of each.

Back-propagation through time, truncated: no number changes on the way forward, and on the way back a piece depends on
the one before it only through a state that is a constant.

Shapes: `B` batch; `T` steps; `U` inputs; `H` hidden.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


def over_pieces(network: nn.Module, u: Tensor, time: Tensor, size: int, carry: Any = None) -> Tensor:
    """A recurrence over u (B, T, U), as `over_time` has it, to h (B, T, H).

    `time` (T,) or (B, T) is the moment at which a step takes up the state of its neighbour: where it is a multiple of
    `size`, that state is a constant (0: nowhere).  A row may have its pieces at other places than its neighbours.

    >>> network = nn.GRU(1, 2, batch_first=True)
    >>> u = torch.ones(1, 5, 1, requires_grad=True)
    >>> over_pieces(network, u, torch.arange(5), 3)[:, -1].sum().backward()
    >>> [bool(g) for g in u.grad.flatten()]
    [False, False, False, True, True]
    """
    if size == 0:
        h: Tensor = network(u, carry)[0]
        return h
    stops = torch.atleast_2d((time > 0) & (time % size == 0))
    cuts = [step for step in stops.any(0).nonzero().flatten().tolist() if step > 0]
    parts = []
    for first, end in pairwise([0, *cuts, u.shape[1]]):
        part, carry = network(u[:, first:end], constant(carry, stops[:, first]) if first else carry)
        parts.append(part)
    return torch.cat(parts, 1)


def constant(carry: Any, rows: Tensor) -> Any:
    """A carry, (1, B, H) or a tuple of such, that is a constant in some rows (B,), or in all of them by rows (1,)."""
    if carry is None:
        return None
    if isinstance(carry, Tensor):
        return torch.where(rows[:, None], carry.detach(), carry)
    return tuple(constant(part, rows) for part in carry)
