"""Pixelwise fidelity of reconstructions.

Shapes: `B` batch; `C` channels; `H W` space.
"""

from __future__ import annotations

import math

from torch import Tensor

from hvae.distributions import full
from hvae.errors import HvaeError


def psnr(a: Tensor, b: Tensor, peak: float = 1.0) -> Tensor:
    r"""Peak signal-to-noise ratio of two batches of pictures, in dB, (B,); equal pictures have infinity.

    $$10 \log_{10} \frac{\mathrm{peak}^2}{\mathrm{MSE}}$$

    Arguments: `a` and `b`, (B, C, H, W), whose largest possible value is `peak`.  Raises HvaeError if shapes differ.

    >>> import torch
    >>> psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1))
    tensor([20.])
    """
    if a.shape != b.shape:
        raise HvaeError(f"expected two batches of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    mean_square = ((full(a) - full(b)) ** 2).flatten(1).mean(1)
    return 20 * math.log10(peak) - 10 * mean_square.log10()
