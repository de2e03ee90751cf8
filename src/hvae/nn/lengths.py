r"""Weight normalisation with the logarithm of the length as a parameter, and its gradient in one pass over the rows.

$$w_c = s_c v_c, \qquad s_c = \frac{e^{g_c}}{\lVert v_c \rVert + \epsilon}$$

Salimans and Kingma 2016, arXiv 1602.07868, eq. (2), in the form of Vahdat and Kautz 2020, arXiv 2007.03898, released
code.  Left to autograd, the gradient of the length alone writes three maps as large as the weights.

Shapes: `C` output channels, or rows; `A/G` inputs of one; `k` kernel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from hvae.nn.product import learns

# Added to a length before dividing by it, as published.  At the usual lengths of 0.5 to 1 it is seen in float32.
EPSILON = 1e-5


class Factors(NamedTuple):
    """A kernel as what it is made of: rows (C, ...), and the logarithm of the length of each, (C, 1, 1, 1), or None for
    rows as they are."""

    direction: Tensor
    log_length: Tensor | None = None


def first_length(v: Tensor) -> Tensor:
    """The logarithm of the length of each row at the start, (C, 1, 1, 1); 0.01 keeps it finite for a row of zeros."""
    return (_length(v.detach()) + 0.01).log()


def lengthened(v: Tensor, log_length: Tensor) -> Tensor:
    """The kernel of direction v, (C, A/G, k, k), and given length, (C, 1, 1, 1).

    >>> lengthened(torch.full((1, 1, 2, 2), 3.0), torch.zeros(1, 1, 1, 1)).norm()
    tensor(1.0000)
    """
    if not learns(v, log_length) or torch.compiler.is_compiling():
        return v * scale(_length(v), log_length)
    kernel: Tensor = _Lengthened.apply(v, log_length)
    return kernel


def _length(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=(1, 2, 3), keepdim=True)


def scale(length: Tensor, log_length: Tensor) -> Tensor:
    """What a row of the one length is multiplied by to have the other, of any shape."""
    return log_length.exp() / (length + EPSILON)


def along(length: Tensor, on_log_length: Tensor) -> Tensor:
    """The slope of a row along itself, from that of the logarithm of the length it is given; 0 for a row of zeros."""
    divisor = (length + EPSILON) * length
    return -on_log_length / divisor.where(length > 0, torch.ones_like(divisor))


class _Lengthened(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, log_length: Tensor) -> Tensor:
        length = _length(v)
        ctx.save_for_backward(v, log_length, length)
        return v * scale(length, log_length)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        v, log_length, length = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return _quick(g, v, log_length, length)
        # Of gradients there are gradients only where every number is a function of the inputs again.
        length = _length(v)
        factor = scale(length, log_length)
        on_log_length = (g * v).sum((1, 2, 3), keepdim=True) * factor
        return g * factor + v * along(length, on_log_length), on_log_length


def _quick(g: Tensor, v: Tensor, log_length: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """The slopes of both by the kernel of torch's own weight normalisation, which reads each row once.

    That kernel divides by one length; for the geometric mean of |v| and |v| + epsilon its two terms are ours.
    """
    mean = (length * (length + EPSILON)).sqrt()
    mean = mean.where(length > 0, torch.ones_like(mean))
    total = mean * scale(length, log_length)
    backward = torch.ops.aten._weight_norm_interface_backward
    on_v, on_total = backward(g.contiguous(), v.contiguous(), total, mean, 0)
    return on_v, on_total * total
