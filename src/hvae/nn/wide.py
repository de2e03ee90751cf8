r"""Convolutions whose kernel is as wide as the map, of stride 1, by the quickest way there is for them.

Without gradients, and of several data: by the frequencies of the kernel (`hvae.nn.circle`), which serve all data and,
while the weights rest, all batches.  For a step of training with few data they cost more than they spare: there the
library convolves, but for the gradient of the weights, for which it takes five times as long as for either other pass,
and which is one product of rows here:

$$\frac{\partial}{\partial w_{c,a,ij}} = \sum_{b,y,x} g_{b,c,y,x}\, x_{b,a,y+i-\mathrm{top},x+j-\mathrm{left}}$$

96 to 58 channels, a kernel of 16 on 16 x 16 places, milliseconds of one core: two data forward 6.7 by the library and 2
by frequencies that are known; their weight gradient 32 by the library and 9 by products.

Shapes: `B` batch; `A` input and `C` output channels; `k` kernel; `h w` space.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from hvae.nn.circle import Circle
from hvae.nn.product import linear

LEAST = 12
"""Places of a side from which on it pays: below, the calls cost more than the products."""
SEVERAL = 4
"""Data of a step of training from which on the frequencies pay."""


def pays(x: Tensor, weight: Tensor) -> bool:
    """Whether a convolution of stride 1 that keeps the size is quicker here, where that was measured.

    The kernel (C, A, k, k) is as wide as the map (B, A, h, w); single precision on a CPU, neither compiled nor
    exported: the codec, in double precision, never comes here.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.is_autocast_enabled("cpu"):
        return False
    plain = type(x) is Tensor and type(weight) in (Tensor, nn.Parameter)
    single = plain and x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu"
    return single and LEAST <= max(x.shape[2:]) <= weight.shape[-1]


def few(x: Tensor) -> bool:
    """Whether these are too few data of a step of training for frequencies of the kernel to pay."""
    return torch.is_grad_enabled() and x.shape[0] < SEVERAL


def direct(x: Tensor, weight: Tensor, bias: Tensor, at: Circle) -> Tensor:
    """The convolution as the library has it, with the gradient of the weights by rows: (B, A, h, w) -> (B, C, h, w)."""
    y: Tensor = _Direct.apply(x, weight, bias, at)
    return y


class _Direct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, at: Circle) -> Tensor:
        ctx.at = at
        ctx.save_for_backward(x, weight)
        return F.conv2d(_padded(x, at), weight, bias, padding=at.before)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        on_x, on_weight, on_bias, _ = ctx.needs_input_grad
        (h, w), (down, right) = ctx.at.size, _odd(ctx.at)
        whole = (*x.shape[:2], h + down, w + right)
        dx = conv2d_input(whole, weight, g, padding=ctx.at.before)[..., :h, :w] if on_x else None
        dw = weight_gradient(x, g, ctx.at) if on_weight else None
        return dx, dw, g.sum((0, 2, 3)) if on_bias else None, None


def _odd(at: Circle) -> list[int]:
    """How many zeros there are more below than above, and more right than left."""
    return [at.kernel - 1 - 2 * before for before in at.before]


def _padded(x: Tensor, at: Circle) -> Tensor:
    """The map with the odd zeros after it: those that both sides have, the library adds."""
    down, right = _odd(at)
    return F.pad(x, (0, right, 0, down)) if down or right else x


def weight_gradient(x: Tensor, g: Tensor, at: Circle) -> Tensor:
    """The gradient of the weights, (C, A, k, k), from inputs (B, A, h, w) and gradients (B, C, h, w).

    >>> weight_gradient(torch.ones(1, 2, 1, 1), torch.ones(1, 3, 1, 1), Circle((1, 1), 3, (1, 1)))[0, 0]
    tensor([[0., 0., 0.],
            [0., 1., 0.],
            [0., 0., 0.]])
    """
    (_, a, h, _), c, k, (top, left) = x.shape, g.shape[1], at.kernel, at.before
    rows = F.pad(x.permute(2, 0, 3, 1), (0, 0, left, k - 1 - left))  # (h, B, w + k - 1, A)
    patches = rows.unfold(2, k, 1).movedim(-1, -2).reshape(-1, k * a)  # (h B w, k A): what lies beside each place
    tall = F.pad(g.permute(2, 0, 3, 1), (0, 0, 0, 0, 0, 0, k - 1 - top, top))  # (h + k - 1, B, w, C)
    slopes = torch.stack([tall[i : i + h].flatten(0, 2) for i in reversed(range(k))])  # (k, h B w, C)
    total = linear(slopes.mT.flatten(0, 1), patches.t())  # (k C, k A)
    return total.view(k, c, k, a).permute(1, 3, 0, 2)
