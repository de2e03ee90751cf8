r"""A state that goes on as it is while a branch reads its GELU, with one gradient for both.

$$(h, W) \mapsto (h,\ W g(h) + b), \qquad
  \frac{\partial}{\partial h} = \dot h + g'(h) \odot W^\top \dot y$$

Left to autograd, the slope of the GELU is a map of its own, and its sum with that of the state a third; here both are
computed where the product of the slopes lies.

Shapes: `B` batch; `W` channels of the state, `M` of the branch; `h w` space; `N` = B h w rows.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.nn import product


def gelu(h: Tensor) -> Tensor:
    """GELU of a map, asked in the order of memory: of other views the CPU's fast kernel knows nothing (1.6 times)."""
    return F.gelu(h.movedim(1, -1).contiguous()).movedim(-1, 1)


def positionwise(h: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """One linear map at every position: (B, W, h, w) and (M, W) -> (B, M, h, w).

    >>> positionwise(torch.ones(1, 3, 2, 2), torch.ones(5, 3)).shape
    torch.Size([1, 5, 2, 2])
    """
    return product.linear(h.movedim(1, -1), weight, bias).movedim(-1, 1)


def branched(h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    r"""The state h (B, W, h, w), for all that read it later, and $W g(h) + b$ (B, M, h, w).

    >>> h, y = branched(torch.ones(1, 3, 2, 2), torch.zeros(5, 3), torch.ones(5))
    >>> h.shape, y[0, :, 0, 0]
    (torch.Size([1, 3, 2, 2]), tensor([1., 1., 1., 1., 1.]))
    """
    if product.learns(h, weight, bias) and product.quicker(h, weight):
        both: tuple[Tensor, Tensor] = _Branched.apply(h, weight, bias)
        return both
    return h, positionwise(gelu(h), weight, bias)


def rows(h: Tensor) -> Tensor:
    """(B, C, h, w) -> (N, C)."""
    return h.movedim(1, -1).reshape(-1, h.shape[1])


def shaped(some: Tensor, h: Tensor) -> Tensor:
    """Rows (N, C) as a map at the places of h, (B, C, h, w)."""
    return some.view(h.shape[0], *h.shape[2:], some.shape[1]).movedim(-1, 1)


class _Branched(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        a = F.gelu(rows(h))
        ctx.save_for_backward(h, a, weight)
        return h, shaped(product.linear(a, weight, bias), h)

    @staticmethod
    def backward(ctx: Any, on_h: Tensor | None, on_y: Tensor | None) -> tuple[Tensor | None, ...]:
        if on_y is None:
            return on_h, None, None
        h, a, weight = ctx.saved_tensors
        # Of gradients there are gradients only where every number is a function of the inputs again.
        a = F.gelu(rows(h)) if torch.is_grad_enabled() else a
        slopes, *layer = product.gradients((a, weight), rows(on_y), ctx.needs_input_grad)
        return None if slopes is None else _through(slopes, h, on_h), *layer


def _through(slopes: Tensor, h: Tensor, on_h: Tensor | None) -> Tensor:
    """The slopes of h: those of g(h), (N, W), become them where they lie, since nobody else reads them."""
    if torch.is_grad_enabled():
        slopes = torch.ops.aten.gelu_backward(slopes, rows(h))
        return shaped(slopes, h) if on_h is None else shaped(slopes, h) + on_h
    slopes = torch.ops.aten.gelu_backward.grad_input(slopes, rows(h), grad_input=slopes)
    return shaped(slopes if on_h is None else slopes.add_(rows(on_h)), h)
