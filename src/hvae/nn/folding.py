r"""A chain of layers whose batch norms, once their statistics rest, join the convolutions beside them.

Shapes: `A` input and `C` output channels; `k` kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.kernels import Convolution, WeightCache, convolve

Step = Callable[[Tensor], Tensor]


class Chain(nn.Module):
    """Layers one after another, named as in a `Sequential`.

    Without gradients and in evaluation mode a batch norm is a factor and a summand for each channel, which a
    convolution before it, or one of a single pixel after it, can have in its kernel and bias.  The result is the same
    up to rounding, at a third of the passes over memory.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        for place, layer in enumerate(layers):
            self.add_module(str(place), layer)
        self.cache: WeightCache[list[Step]] = WeightCache()

    def forward(self, h: Tensor) -> Tensor:
        for step in self._steps():
            h = step(h)
        return h

    def _steps(self) -> Iterable[Step]:
        layers = list(self.children())
        if torch.is_grad_enabled() or any(_moving(layer) for layer in layers):
            return layers
        # The count of batches is among them, and counts when the statistics, which carry no version, have moved.
        tensors = chain.from_iterable((*layer._parameters.values(), *layer._buffers.values()) for layer in layers)
        return self.cache(lambda: folded(layers), *(t for t in tensors if t is not None))


def _moving(layer: nn.Module) -> bool:
    return isinstance(layer, nn.BatchNorm2d) and (layer.training or layer.running_mean is None)


@dataclass(frozen=True, eq=False)
class Convolved:
    """A convolution by numbers that are known: `kernel` (C, A/G, k, k), `bias` (C,)."""

    kernel: Tensor
    bias: Tensor | None
    stride: int
    groups: int

    def __call__(self, h: Tensor) -> Tensor:
        return convolve(h, self.kernel, self.bias, self.stride, self.groups)

    @property
    def pointwise(self) -> bool:
        return self.kernel.shape[-1] == 1 and self.groups == 1

    def then(self, norm: nn.BatchNorm2d) -> Convolved:
        """This, and the norm after it."""
        factor, summand = affine(norm)
        bias = summand if self.bias is None else self.bias * factor + summand
        return Convolved(self.kernel * factor[:, None, None, None], bias, self.stride, self.groups)

    def after(self, norm: nn.BatchNorm2d) -> Convolved:
        """The norm before it, and this; only where there is no margin that the norm would have to reach."""
        factor, summand = affine(norm)
        # Not a matrix product: autocast would keep a bias of half precision for everyone who asks later.
        bias = (self.kernel[:, :, 0, 0] * summand).sum(1)
        bias = bias if self.bias is None else self.bias + bias
        return Convolved(self.kernel * factor[:, None, None], bias, self.stride, self.groups)


def affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a batch norm at rest multiplies with and adds, each (C,)."""
    assert norm.running_mean is not None and norm.running_var is not None
    factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return factor, norm.bias - norm.running_mean * factor


def folded(layers: Iterable[nn.Module]) -> list[Step]:
    """The steps that are left of some layers."""
    steps: list[Step] = []
    late: list[Step] = []
    for layer in layers:
        if isinstance(layer, nn.Upsample) and layer.mode == "nearest":
            # Copies of a pixel stay copies until a kernel looks at neighbours: a quarter of the work till then.
            late.append(layer)
        elif isinstance(layer, nn.BatchNorm2d) and steps and isinstance(steps[-1], Convolved):
            steps[-1] = steps[-1].then(layer)
        elif isinstance(layer, Convolution):
            bias = layer.bias
            step = Convolved(layer.kernel(), None if bias is None else bias.detach(), layer.stride, layer.groups)
            if step.pointwise and steps and isinstance(steps[-1], nn.BatchNorm2d):
                step = step.after(steps.pop())  # type: ignore[arg-type]
            if not (step.pointwise and step.stride == 1):
                steps, late = steps + late, []
            steps.append(step)
        elif isinstance(layer, nn.SiLU) and steps and isinstance(steps[-1], Convolved | nn.BatchNorm2d | nn.GroupNorm):
            steps.append(silu_in_place)
        else:
            steps.append(layer)
    return steps + late


def silu_in_place(h: Tensor) -> Tensor:
    """In the memory of its argument, which is the step's before and nobody else's."""
    return F.silu(h, inplace=True)
