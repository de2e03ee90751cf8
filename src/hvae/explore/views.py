"""Data of one and of three axes as pictures: the curve of a signal, the middle slice of a volume.

Shapes: `...` any leading axes; `C` channels; `T` samples; `D H W` space; `S` rows of a picture of a curve.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ROWS = 48
"""Rows of a picture of a curve: what stands for 0 is at the bottom, what stands for 1 at the top."""
NOTES = {
    1: "Of each signal its curve is shown, 0 at the bottom and 1 at the top. ",
    3: "Of each volume the middle slice is shown. ",
}
"""What a picture shows of data, by their axes of space."""


def viewed(data: Tensor, leading: int) -> Tensor:
    """Data in [0, 1] with so many leading axes as pictures (..., C, H, W); images are as they are.

    >>> viewed(torch.zeros(5, 1, 8, 4, 6), 1).shape, viewed(torch.zeros(5, 1, 30), 1).shape
    (torch.Size([5, 1, 4, 6]), torch.Size([5, 1, 48, 30]))
    """
    if data.ndim == leading + 4:
        return data[..., data.shape[-3] // 2, :, :]
    return _curve(data) if data.ndim == leading + 2 else data


def view_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of a datum as a picture, (C, H, W); of a vector (D,) as it is.

    >>> view_shape((1, 8, 4, 6)), view_shape((2, 30)), view_shape((9,))
    ((1, 4, 6), (2, 48, 30), (9,))
    """
    by_axes = {2: (shape[0], ROWS, shape[-1]), 4: (shape[0], *shape[-2:])}
    return by_axes.get(len(shape), tuple(shape))


def _curve(data: Tensor) -> Tensor:
    """(..., C, T) -> (..., C, S, T): each column lit from half-way to the sample before to half-way to the next."""
    height = (1 - data.detach().float().clamp(0, 1)) * (ROWS - 1)  # (..., C, T), from the top
    halfway = (height[..., 1:] + height[..., :-1]) / 2
    before, after = (torch.cat(pair, -1) for pair in ((height[..., :1], halfway), (halfway, height[..., -1:])))
    ends = torch.stack([before, height, after])
    rows = torch.arange(ROWS, device=data.device)[:, None]
    low, high = ends.amin(0).round()[..., None, :], ends.amax(0).round()[..., None, :]
    return ((rows >= low) & (rows <= high)).to(height.dtype)
