r"""Convolutions of one size as products in the frequencies of a circle.

$$y = \mathcal F^{-1}\big(\mathcal F x \odot \overline{\mathcal F w}\big)$$

On a circle of N places a correlation is a product at each frequency.  A map of h places that is padded by a zeros
before and b after has its h answers on a circle of N = h + max(a, b): the zeros behind the map lie before it, too.  A
kernel of 16 on 16 x 16 places takes 24 x 24, of which 24 x 13 frequencies tell all of a real map.

A pair of channels takes B h^2 k^2 multiplications directly.  Here it takes 2 N (N / 2 + 1) k^2 for the kernel, once for
all data of the batch, and 4 N (N / 2 + 1) for each datum; the transforms are matrix products, forwards and backwards.

Shapes: `B` batch; `A` input and `C` output channels; `k` kernel; `h w` space; `F` frequencies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from hvae.nn.product import linear


class Circle(NamedTuple):
    """Maps of `size` (h, w), a kernel of `kernel` x `kernel`, and the zeros before either axis."""

    size: tuple[int, int]
    kernel: int
    before: tuple[int, int]

    @property
    def places(self) -> tuple[int, int]:
        """N of each axis."""
        rows, columns = (h + max(a, self.kernel - 1 - a) for h, a in zip(self.size, self.before, strict=True))
        return rows, columns


def spectrum(weight: Tensor, circle: Circle) -> Tensor:
    """The frequencies of a kernel, (C, A, k, k) -> (2, F, C, A): real and imaginary parts."""
    c, a, k, _ = weight.shape
    return linear(_matrix(_waves, circle, weight.dtype), weight.reshape(c * a, k * k)).view(2, -1, c, a)


def correlate(x: Tensor, frequencies: Tensor, bias: Tensor, circle: Circle) -> Tensor:
    """The convolution with the kernel of these frequencies, (B, A, h, w) -> (B, C, h, w).

    >>> from torch.nn.functional import conv2d, pad
    >>> x, weight = torch.randn(2, 3, 4, 4), torch.randn(5, 3, 4, 4)
    >>> circle = Circle((4, 4), 4, (1, 1))
    >>> y = correlate(x, spectrum(weight, circle), torch.zeros(5), circle)
    >>> torch.allclose(y, conv2d(pad(x, (1, 2, 1, 2)), weight), atol=1e-5)
    True
    """
    b, a, *size = x.shape
    pairs = linear(_matrix(_pairs, circle, x.dtype), x.reshape(b * a, -1)).view(2, -1, 2 * b, a)
    y: Tensor = _Products.apply(pairs, frequencies)  # (F, 2 B, C)
    c = y.shape[-1]
    image = linear(y.view(-1, b * c).t(), _matrix(_back, circle, x.dtype))  # (B C, h w)
    return image.view(b, c, *size) + bias[:, None, None]


class _Products(torch.autograd.Function):
    """The sum of two products at each frequency: (2, F, 2 B, A), (2, F, C, A) -> (F, 2 B, C)."""

    @staticmethod
    def forward(ctx: Any, pairs: Tensor, frequencies: Tensor) -> Tensor:
        ctx.save_for_backward(pairs, frequencies)
        return torch.baddbmm(torch.bmm(pairs[0], frequencies[0].mT), pairs[1], frequencies[1].mT)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]  # torch has no types for it
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        pairs, frequencies = ctx.saved_tensors
        on_pairs, on_frequencies = ctx.needs_input_grad
        # Written where they belong: to stack the halves would copy as much as the kernel has frequencies.
        on_x = _halves(g, frequencies) if on_pairs else None
        return on_x, _halves(g.mT, pairs) if on_frequencies else None


def _halves(g: Tensor, both: Tensor) -> Tensor:
    """g times each half, (F, n, m) and (2, F, m, p) -> (2, F, n, p)."""
    out = g.new_empty(2, *g.shape[:2], both.shape[-1])
    for half, matrix in zip(out, both, strict=True):
        torch.bmm(g, matrix, out=half)
    return out


Matrix = NDArray[np.float64]


Make = Callable[[Circle], Matrix]


def _matrix(make: Make, circle: Circle, dtype: torch.dtype) -> Tensor:
    # An array is cached, not a tensor: one made in inference mode could not serve in training.
    return torch.from_numpy(_cached(make, circle, str(dtype).removeprefix("torch.")))


@cache
def _cached(make: Make, circle: Circle, dtype: str) -> Matrix:
    return np.ascontiguousarray(make(circle), dtype=dtype)


def _angles(circle: Circle, size: Sequence[int], shift: Sequence[int]) -> Matrix:
    """2 pi times frequency times place, (F, places of a map of this size), the first place at -shift."""
    (rows, columns), half = circle.places, circle.places[1] // 2 + 1
    one = np.multiply.outer(np.arange(rows), np.arange(size[0]) - shift[0]) / rows
    other = np.multiply.outer(np.arange(half), np.arange(size[1]) - shift[1]) / columns
    return 2 * np.pi * (one[:, None, :, None] + other[None, :, None, :]).reshape(rows * half, -1)


def _waves(circle: Circle) -> Matrix:
    """A kernel to its frequencies, real parts before imaginary ones: (2 F, k^2)."""
    angles = _angles(circle, (circle.kernel, circle.kernel), (0, 0))
    return np.concatenate([np.cos(angles), -np.sin(angles)])


def _pairs(circle: Circle) -> Matrix:
    """A map x to what is multiplied with Re w and with Im w for the real and for the imaginary part of x conj(w).

    (4 F, h w): of each frequency first (Re x, Im x), then (Im x, -Re x).
    """
    angles = _angles(circle, circle.size, (0, 0))
    real, imaginary = np.cos(angles), -np.sin(angles)
    pairs = np.stack([np.stack([real, imaginary], 1), np.stack([imaginary, -real], 1)])  # (2, F, 2, h w)
    return pairs.reshape(-1, angles.shape[1])


def _back(circle: Circle) -> Matrix:
    """Frequencies, real and imaginary part of each beside each other, to a map: (h w, 2 F)."""
    rows, columns = circle.places
    angles = _angles(circle, circle.size, circle.before)
    # A frequency v and its mirror N - v are conjugate: what is not its own mirror counts twice.
    v = np.arange(columns // 2 + 1)
    twice = np.where((2 * v) % columns == 0, 1.0, 2.0) / (rows * columns)
    weight = np.tile(twice, rows)[:, None]
    return np.stack([weight * np.cos(angles), -weight * np.sin(angles)], 1).reshape(-1, angles.shape[1]).T
