"""Adam in one pass over memory, whatever the order in which the weights lie.

PyTorch's fused Adam goes through the numbers of a weight, its gradient and its moments as they lie.  It asks for a
plain copy of every gradient whose channels are last, which it does not read; and moments that lie in another order than
their weight, as those of a checkpoint may, it adds to the wrong numbers, without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer


def as_they_lie(weight: Tensor, *others: Tensor) -> list[Tensor]:
    """A weight, its gradient and moments, in the order of memory where all of them lie with the channels last.

    >>> kernel = torch.ones(5, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    >>> [t.is_contiguous() for t in as_they_lie(kernel, kernel, kernel)]
    [True, True, True]
    """
    every = [weight, *others]
    if weight.is_contiguous():
        return every
    ordered = [t.movedim(1, -1) for t in every]
    return ordered if all(t.is_contiguous() for t in ordered) else every


def _order(some: Sequence[list[Tensor]]) -> None:
    """In place: weights, gradients and two moments, one list of each."""
    for n, row in enumerate(zip(*some, strict=True)):
        for tensors, ordered in zip(some, as_they_lie(*row), strict=True):
            tensors[n] = ordered


class _Ordered(Optimizer):
    """What both have in common: tensors in the order of memory, and moments that lie as their weight does."""

    def _init_group(self, group: dict[str, Any], *lists: Any) -> bool:
        has_complex: bool = super()._init_group(group, *lists)  # type: ignore[misc]
        _order(lists[:4])
        return has_complex

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for weight, state in self.state.items():
            for name, value in state.items():
                if value.shape == weight.shape and value.stride() != weight.stride():
                    state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


class FusedAdamW(_Ordered, AdamW):
    """Loshchilov and Hutter 2019, arXiv 1711.05101."""


class FusedAdam(_Ordered, Adam):
    """Kingma and Ba 2015, arXiv 1412.6980, algorithm 1."""
