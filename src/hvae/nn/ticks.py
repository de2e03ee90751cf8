"""Clocks of which one ticks every so many steps of another: series in windows, and stretched.

A tick exists where its first step does; the last window may reach beyond the end of a sequence.

Shapes: `n`, `B` rows; `T` steps; `K` ticks; `R` ticks of a quicker clock in one; `U`, `W` width of a series.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.memory import waves


def ticks(steps: int, stride: int) -> int:
    """How many ticks there are in so many steps; the last may reach beyond the end.

    >>> ticks(9, 4)
    3
    """
    return -(-steps // stride)


def windows(series: Tensor, size: int) -> Tensor:
    """`size` neighbours side by side, (B, T, U) -> (B, ceil(T / size), size U), with zeros after the end.

    >>> windows(torch.tensor([[[1.0], [2.0], [3.0]]]), 2)
    tensor([[[1., 2.],
             [3., 0.]]])
    """
    missing = -series.shape[1] % size
    return F.pad(series, (0, 0, 0, missing)).unflatten(1, (-1, size)).flatten(2)


def existing_ticks(count: int, lengths: Tensor | None, stride: int) -> Tensor | None:
    """Which of so many ticks at every `stride`-th step exist, (B, count) bool; None where all do.

    >>> existing_ticks(3, torch.tensor([4, 5]), 2)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """
    return None if lengths is None else stride * torch.arange(count, device=lengths.device) < lengths[:, None]


def only_existing(series: Tensor, lengths: Tensor | None, stride: int) -> Tensor:
    """A series (B, K, U) at every `stride`-th step, with zeros where a sequence has ended."""
    exists = existing_ticks(series.shape[1], lengths, stride)
    return series if exists is None else torch.where(exists[:, :, None], series, 0.0)


def stretched(series: Tensor, ratio: int, count: int) -> Tensor:
    """Each state for as many ticks of a quicker clock as pass until the next one, (B, K, S) -> (B, count, S)."""
    return series.repeat_interleave(ratio, 1)[:, :count]


class Merge(nn.Module):
    """One linear map of each window of `ratio` ticks to a tick, (B, K, W) -> (B, ceil(K / ratio), W)."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.ratio, self.linear = ratio, nn.Linear(ratio * width, width)

    def forward(self, h: Tensor) -> Tensor:
        merged: Tensor = self.linear(windows(h, self.ratio))
        return merged


class Split(nn.Module):
    """The way back: a linear map of each tick for each of its `ratio` places, (B, K, W) -> (B, K ratio, W)."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.ratio, self.linear = ratio, nn.Linear(width, ratio * width)

    def forward(self, h: Tensor) -> Tensor:
        return self.linear(h).unflatten(2, (self.ratio, -1)).flatten(1, 2)


class Numbered(nn.Module):
    """One state as a series of so many ticks, each told which it is by sines and cosines: (n, W) -> (n, K, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.place = nn.Linear(width, width, bias=False)

    def forward(self, state: Tensor, count: int) -> Tensor:
        return state[:, None] + self.place(waves(count, state.shape[1], state))
