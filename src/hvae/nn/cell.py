r"""Residual cells of NVAE: a branch, a gate and a skip connection that follows any change of size.

$$\mathrm{cell}(h) = \mathrm{skip}(h) + 0.1\; \mathrm{gate}(f(h)) \odot f(h)$$

Vahdat and Kautz 2020, arXiv 2007.03898, sec. 3.1 and fig. 3; constants from the released code.

Shapes: `B` batch; `A` channels in, `C` channels out; `H W` space.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.batchnorm import BatchNorm
from hvae.nn.folding import Chain
from hvae.nn.kernels import LengthConv, PlainConv
from hvae.nn.kit import Norm

# Of the branch, so that a deep stack starts near the identity.
BRANCH = 0.1
# Slow statistics: with batches as small as large models allow, those of single batches vary too much.
MOMENTUM = 0.05


def batchnorm(channels: int) -> BatchNorm:
    """Batch normalisation with the published momentum."""
    return BatchNorm(channels, eps=1e-5, momentum=MOMENTUM)


class Gate(nn.Module):
    r"""Squeeze and excitation: a factor in (0, 1) for each channel of each datum, (B, C, H, W) -> (B, C, 1, 1).

    $$\sigma(W_2 \max(0, W_1 \bar h)), \qquad \bar h = \text{mean of } h \text{ over space}$$

    Hu et al. 2017, arXiv 1709.01507, eq. (2)-(3), squeezed to a sixteenth of the channels, but at least 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 16, 4)
        self.squeeze, self.excite = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, h: Tensor) -> Tensor:
        return self.excite(self.squeeze(h.mean((2, 3))).relu()).sigmoid()[:, :, None, None]  # (B, C, 1, 1)


class Cell(nn.Module):
    """A branch beside a skip connection; with a gate if there is one."""

    def __init__(self, branch: nn.Module, skip: nn.Module, gate: Gate | None) -> None:
        super().__init__()
        self.branch, self.skip, self.gate = branch, skip, gate

    def forward(self, h: Tensor) -> Tensor:
        image = self.branch(h)
        if self.gate is None:
            return torch.add(self.skip(h), image, alpha=BRANCH)
        # Gate, factor and sum in one pass over memory.
        return torch.addcmul(self.skip(h), image, self.gate(image), value=BRANCH)


class Halve(nn.Module):
    """Half the resolution without losing a pixel: a quarter of the channels from each of four interleaved grids."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        sizes = [b // 4] * 3 + [b - 3 * (b // 4)]
        self.grids = nn.ModuleList(LengthConv(a, size, 1, stride=2) for size in sizes)

    def forward(self, h: Tensor) -> Tensor:
        h = F.silu(h)
        starts = (h, h[:, :, 1:, 1:], h[:, :, :, 1:], h[:, :, 1:])
        return torch.cat([grid(start) for grid, start in zip(self.grids, starts, strict=True)], 1)  # (B, C, H/2, W/2)


def double(a: int, b: int) -> nn.Module:
    """Twice the resolution by linear interpolation that keeps the corners.

    The map of the channels comes first: interpolation commutes with it, and it costs a quarter there.
    """
    return nn.Sequential(
        LengthConv(a, b, 1, bias=False), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    )


def _gate(channels: int, gated: bool) -> Gate | None:
    return Gate(channels) if gated else None


def _two(a: int, b: int, stride: int, norm: Norm) -> nn.Module:
    """Two 3x3 convolutions, each behind a norm and SiLU."""
    first = [norm(a), nn.SiLU(), LengthConv(a, b, 3, stride=stride)]
    return Chain(*first, norm(b), nn.SiLU(), LengthConv(b, b, 3))


def residual(channels: int, *, gated: bool, norm: Norm = batchnorm) -> Cell:
    """The cell of the way up: two 3x3 convolutions."""
    return Cell(_two(channels, channels, 1, norm), nn.Identity(), _gate(channels, gated))


def residual_down(a: int, b: int, *, gated: bool, norm: Norm = batchnorm) -> Cell:
    """The cell that halves the resolution."""
    return Cell(_two(a, b, 2, norm), Halve(a, b), _gate(b, gated))


def _inverted(a: int, b: int, expansion: int, norm: Norm) -> list[nn.Module]:
    """Expand by a linear map, 5x5 on each channel alone, contract: a wide view for few weights."""
    e = expansion * a
    return [
        norm(a),
        *(PlainConv(a, e, 1, bias=False), norm(e), nn.SiLU()),
        *(PlainConv(e, e, 5, groups=e, bias=False), norm(e), nn.SiLU()),
        *(PlainConv(e, b, 1, bias=False), norm(b)),
    ]


def inverted(channels: int, expansion: int, *, gated: bool, norm: Norm = batchnorm) -> Cell:
    """The cell of the way down: an inverted bottleneck.  Sandler et al. 2018, arXiv 1801.04381."""
    return Cell(Chain(*_inverted(channels, channels, expansion, norm)), nn.Identity(), _gate(channels, gated))


def inverted_up(a: int, b: int, expansion: int, *, gated: bool, norm: Norm = batchnorm) -> Cell:
    """The cell that doubles the resolution: neighbours are copied, then the bottleneck."""
    branch = Chain(nn.Upsample(scale_factor=2), *_inverted(a, b, expansion, norm))
    return Cell(branch, double(a, b), _gate(b, gated))
