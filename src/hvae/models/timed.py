"""What all walks in time share.

Shapes: `B` batch; `T` steps; `N` steps of all sequences together; `...` one step of the data.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.levels.heads import Head
from hvae.nn.mlp import begin
from hvae.nn.steps import begin_centred


def existing(datum: Datum) -> Tensor:
    """Every step of every sequence that is no padding, (N, ...)."""
    steps = datum.x.flatten(0, 1)
    if datum.lengths is None:
        return steps
    step = torch.arange(datum.x.shape[1], device=steps.device)
    return steps[(step < datum.lengths[:, None]).flatten()]


def begin_steps(datum: Datum, embed: nn.Module, leave: nn.Module, head: Head) -> None:
    """Start a likelihood from the marginal of all steps, and what reads a step from data around their mean."""
    steps = existing(datum)
    begin(leave, head.marginal(steps))
    begin_centred(embed, steps)


def at_all_steps(enter: Callable[[str, Tensor], Tensor | None], name: str, series: Tensor) -> Tensor:
    """What enters a feature of each row, at all its steps: (B, T, C) -> (B, T, C)."""
    entered = enter(name, series.movedim(1, 2))
    assert entered is not None, "a series is there"
    return entered.movedim(1, 2)


def embedded(embed: nn.Module, x: Tensor) -> Tensor:
    """Every step by itself, (B, T, ...) -> (B, T, W)."""
    return embed(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # type: ignore[no-any-return]
