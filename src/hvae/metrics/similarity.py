"""Structural similarity of two pictures, over several scales.

Shapes: `B` batch; `C` channels; `H W` space.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.distributions import full
from hvae.errors import HvaeError

WINDOW, SIGMA = 11, 1.5
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales, finest first: Wang, Simoncelli and Bovik 2003."""
STEADY = (0.01**2, 0.03**2)


def scales(height: int, width: int) -> int:
    """Number of scales, 1 to 5: each halves the picture, and 11 pixels a side must remain.  Raises HvaeError for fewer.

    >>> scales(28, 28), scales(64, 64), scales(256, 256)
    (2, 3, 5)
    """
    side, count = min(height, width), 0
    while side >= WINDOW and count < len(WEIGHTS):
        side, count = side // 2, count + 1
    if not count:
        raise HvaeError(f"expected pictures of {WINDOW}x{WINDOW} or more for MS-SSIM, got {height}x{width}")
    return count


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    r"""Multi-scale structural similarity of two batches of pictures in [0, 1], (B,); equal pictures have 1.

    $$l_M^{w_M} \prod_{j=1}^M (c_j s_j)^{w_j}$$

    Wang, Simoncelli and Bovik 2003, "Multi-scale structural similarity for image quality assessment".  Small
    pictures have fewer than five scales (see `scales`), whose weights are then rescaled to sum to 1: such numbers are
    comparable only with those of pictures of the same size.  Each factor is the mean over places and channels of a
    picture, as in their code; a negative mean is clamped to 0, since fractional powers need it.

    Arguments: `a` and `b`, (B, C, H, W).  Raises HvaeError if shapes differ or pictures are smaller than 11 x 11.

    >>> x = torch.rand(2, 1, 32, 32)
    >>> bool((ms_ssim(x, x) > 0.9999).all())
    True
    """
    if a.shape != b.shape or a.ndim != 4:
        raise HvaeError(f"expected two batches of pictures of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    count = scales(*a.shape[2:])
    weights = torch.tensor(WEIGHTS[:count], dtype=torch.float64)
    a, b, total = full(a), full(b), torch.ones(len(a), dtype=full(a).dtype, device=a.device)
    for j, weight in enumerate((weights / weights.sum()).tolist()):
        light, structure = _ssim(a, b)
        last = j == count - 1
        total = total * (light * structure if last else structure).mean((1, 2, 3)).clamp_min(0) ** weight
        if not last:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return total


def _ssim(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure terms at every position where the window fits, (B, C, H', W') each."""
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a, var_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    shared = _blurred(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + STEADY[0]) / (mean_a**2 + mean_b**2 + STEADY[0])
    return light, (2 * shared + STEADY[1]) / (var_a + var_b + STEADY[1])


def _blurred(x: Tensor) -> Tensor:
    place = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    bell = torch.exp(-(place**2) / (2 * SIGMA**2))
    kernel = (bell / bell.sum()).expand(x.shape[1], 1, 1, -1)
    across = F.conv2d(x, kernel, groups=x.shape[1])
    return F.conv2d(across, kernel.transpose(2, 3), groups=x.shape[1])
