r"""Convolutions whose kernel is a function of their weights, and the two things that make them quick.

Shapes: `B` batch; `A` input and `C` output channels; `G` groups; `k` kernel; `H W` space.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.lengths import Factors, first_length, lengthened
from hvae.nn.product import pointwise
from hvae.nn.square import square


class Convolution(nn.Module, ABC):
    """A convolution of odd kernel `size` that keeps the resolution, or divides it by `stride`.

    A subclass says what its `kernel` is: what is convolved with, and, as `factors`, what spectral regularisation looks
    at.
    Initialised as torch initialises its own.
    """

    bias: nn.Parameter | None

    def __init__(self, a: int, b: int, size: int, *, stride: int = 1, groups: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.stride, self.groups = stride, groups
        self.weight = nn.Parameter(torch.empty(b, a // groups, size, size))  # (C, A/G, k, k)
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        bound = 1 / math.sqrt(self.weight[0].numel())
        self.register_parameter("bias", nn.Parameter(torch.empty(b).uniform_(-bound, bound)) if bias else None)

    @abstractmethod
    def kernel(self) -> Tensor:
        """What the input is convolved with, (C, A/G, k, k)."""

    @abstractmethod
    def factors(self) -> Factors:
        """What the kernel is the product of."""

    def forward(self, h: Tensor) -> Tensor:
        return convolve(h, self.kernel(), self.bias, self.stride, self.groups)

    def extra_repr(self) -> str:
        c, a, k, _ = self.weight.shape
        return f"{a * self.groups}, {c}, {k}x{k}, stride={self.stride}, groups={self.groups}"


class PlainConv(Convolution):
    """The weights are the kernel: for layers that batch norm follows, which forgets their length."""

    def kernel(self) -> Tensor:
        return self.weight

    def factors(self) -> Factors:
        return Factors(self.weight)


class LengthConv(Convolution):
    r"""Weight normalisation with the logarithm of the length as a parameter: $w = e^g v / (\lVert v \rVert + 10^{-5})$.

    Salimans and Kingma 2016, arXiv 1602.07868, eq. (2), in the form of Vahdat and Kautz 2020, arXiv 2007.03898,
    released code: it starts at (almost) the kernel that torch would have drawn.
    """

    def __init__(self, a: int, b: int, size: int, *, stride: int = 1, bias: bool = True) -> None:
        super().__init__(a, b, size, stride=stride, bias=bias)
        self.log_length = nn.Parameter(first_length(self.weight))  # (C, 1, 1, 1)
        self.cache: WeightCache[Tensor] = WeightCache()

    def kernel(self) -> Tensor:
        return self.cache(lambda: lengthened(self.weight, self.log_length), self.weight, self.log_length)

    def factors(self) -> Factors:
        return Factors(self.weight, self.log_length)


T = TypeVar("T")


class WeightCache(Generic[T]):
    """A function of weights, cached until they change.

    Without gradients only: a cached result would hold on to its graph.  Weights are unchanged while they are the same
    tensors at the same version, which every change in place increments: steps of an optimiser or an average, and
    loading.  Writing to `weight.data` does not, and cannot be detected.

    >>> w, cache = torch.ones(1), WeightCache()
    >>> with torch.no_grad():
    ...     cache(lambda: 2 * w, w) is cache(lambda: 2 * w, w), cache(lambda: 2 * w, w.add_(1))
    (True, tensor([4.]))
    """

    def __init__(self) -> None:
        self.value: T | None = None
        # References, not ids: the id of a deleted tensor is given to another.
        self.weights: tuple[Tensor, ...] = ()
        self.states: tuple[Any, ...] = ()

    def __call__(self, make: Callable[[], T], *weights: Tensor) -> T:
        # A compiler decides for itself what is constant; tensors made in inference mode have no version.
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or any(w.is_inference() for w in weights):
            self.value, self.weights = None, ()
            return make()
        states = tuple((w._version, w.dtype, w.device) for w in weights)
        same = len(weights) == len(self.weights) and all(a is b for a, b in zip(weights, self.weights, strict=True))
        if self.value is None or not same or states != self.states:
            self.weights, self.states, self.value = weights, states, make()
        return self.value

    def __reduce__(self) -> tuple[type[WeightCache[T]], tuple[()]]:
        # A copied module has weights of its own, so its cache starts empty.
        return WeightCache, ()


def convolve(h: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, groups: int) -> Tensor:
    """A convolution with an odd kernel, padded by half of it; the fastest way there is for its shape."""
    depthwise = groups == h.shape[1] == kernel.shape[0] and stride == 1
    if depthwise and h.device.type == "cpu" and not torch.compiler.is_compiling():
        half = torch.is_autocast_enabled("cpu") and h.dtype == torch.float32
        image: Tensor = _Depthwise.apply(h.to(torch.get_autocast_dtype("cpu")) if half else h, kernel, bias)
        return image
    if groups == stride == 1 < kernel.shape[-1]:
        return square(h, kernel, bias)
    if groups == stride == kernel.shape[-1]:
        return pointwise(h, kernel, bias)
    return F.conv2d(h, kernel, bias, stride, kernel.shape[-1] // 2, groups=groups)


class _Depthwise(torch.autograd.Function):
    r"""A depthwise convolution on a CPU, with its weight gradient as another one, both in at least single precision.

    $$\frac{\partial}{\partial w_{c,ij}} = \sum_{b,h,w} x_{b,c,h+i,w+j}\, g_{b,c,h,w}$$

    is the image of every channel of every datum convolved with its own gradient: B C groups, a kernel of H x W, an
    output of k x k.  On one core, 192 channels of 16 x 16, batch 16, it takes 2 to 6 ms, the library's own 25 to 43.
    The library's half precision is slower still (2 to 40 times single precision, there and back again counted in).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, kernel)
        return _depthwise(x, kernel, bias).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, kernel = ctx.saved_tensors
        on_x, on_kernel, on_bias = ctx.needs_input_grad
        dx = _depthwise(g, kernel.flip(2, 3), None).to(x.dtype) if on_x else None  # (B, C, H, W)
        dk = _kernel_gradient(x, kernel, g).to(kernel.dtype) if on_kernel else None  # (C, 1, k, k)
        return dx, dk, _wide(g).sum((0, 2, 3)) if on_bias else None


def _depthwise(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        bias = None if bias is None else _wide(bias)
        return F.conv2d(_wide(x), _wide(kernel), bias, padding=kernel.shape[-1] // 2, groups=len(kernel))


def _kernel_gradient(x: Tensor, kernel: Tensor, g: Tensor) -> Tensor:
    b, c, k = len(x), len(kernel), kernel.shape[-1]
    images = _wide(x).reshape(1, b * c, *x.shape[2:])
    gradients = _wide(g).reshape(b * c, 1, *g.shape[2:])
    with torch.autocast("cpu", enabled=False):
        each = F.conv2d(images, gradients, padding=k // 2, groups=b * c)  # (1, B C, k, k)
    return each.view(b, c, k, k).sum(0)[:, None]  # (C, 1, k, k)


def _wide(t: Tensor) -> Tensor:
    return t.float() if t.dtype in (torch.bfloat16, torch.float16) else t
