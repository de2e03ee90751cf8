r"""Bottleneck blocks, arranged so that no product is computed twice.

    f(h) = W4 g(C3 * g(C2 * g(W1 g(h)))),   g = GELU                   Child 2021, arXiv 2011.10650, fig. 3

There nothing is normalised; a `norm`, if one is given, stands before each GELU.

W1 and W4 act at every position by itself, C2 and C3 are 3x3 convolutions.  Maps lie in memory with the channels last,
where a 1x1 convolution is one matrix product, measured two to three times as fast as the convolution it replaces.
A move of the state is no map of its own: its product, not yet computed, is a `Step`, which adds to the state itself.

Shapes: `B` batch; `W` channels outside a block, `M` inside; `h w` space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hvae.nn.activated import branched, gelu, positionwise, rows, shaped
from hvae.nn.conv import scaled
from hvae.nn.kit import Norm, unnormalised
from hvae.nn.product import added
from hvae.nn.square import SquareConv


def uniform(*shape: int, inputs: int, gain: float = 1.0) -> nn.Parameter:
    r"""Weights from U(-b, b), $b = g/\sqrt{n}$ for n inputs: what published PyTorch code starts from, times a gain."""
    bound = gain / math.sqrt(inputs)
    return nn.Parameter(nn.init.uniform_(torch.empty(shape), -bound, bound))


class Step(NamedTuple):
    """W a + b at every position, not yet computed: `a` (B, M, h, w), `weight` (W, M), `bias` (W,)."""

    a: Tensor
    weight: Tensor
    bias: Tensor

    def value(self) -> Tensor:
        """Computed, (B, W, h, w)."""
        return positionwise(*self)


def onto(h: Tensor, *steps: Step) -> Tensor:
    r"""$h + \sum_i (W_i a_i + b_i)$, where each product adds to what lies there.

    One after another, each product would write its bias and then its outcome, and a sum would read both: for two steps
    twelve passes over a map as large as h, here six.

    >>> step = Step(torch.ones(1, 3, 2, 2), torch.ones(5, 3), torch.zeros(5))
    >>> onto(torch.ones(1, 5, 2, 2), step, step)[0, :, 0, 0]
    tensor([7., 7., 7., 7., 7.])
    """
    if len({h.dtype, *(t.dtype for step in steps for t in step)}) > 1:  # autocast: half products, single sums
        return h + sum(step.value() for step in steps)
    return shaped(added(rows(h), *((rows(step.a), step.weight, step.bias) for step in steps)), h)


def channels_last(h: Tensor) -> Tensor:
    """The same map with its channels side by side in memory."""
    return h.contiguous(memory_format=torch.channels_last)


class Pointwise(nn.Module):
    """One linear map at every position, `a` channels to `b`; the bias starts at zero."""

    def __init__(self, a: int, b: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = uniform(b, a, inputs=a, gain=gain)
        self.bias = nn.Parameter(torch.zeros(b))

    def forward(self, h: Tensor) -> Tensor:
        return positionwise(h, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}"


class Pending(Pointwise):
    """A linear map that waits for the state that it moves: (B, a, h, w) -> Step."""

    def forward(self, h: Tensor) -> Step:  # type: ignore[override]
        return Step(h, self.weight, self.bias)


class Fork(Pointwise):
    """A linear map whose outcomes go different ways: (B, a, h, w) -> steps of `parts` channels.

    A product for each: of one that is cut apart the gradient would have to be put together again, map by map.
    """

    def __init__(self, a: int, parts: Sequence[int], *, gain: float = 1.0) -> None:
        super().__init__(a, sum(parts), gain=gain)
        self.parts = tuple(parts)

    def forward(self, h: Tensor) -> tuple[Step, ...]:  # type: ignore[override]
        if len(self.parts) == 1:  # a split's gradient would be a copy
            return (Step(h, self.weight, self.bias),)
        pairs = zip(self.weight.split(self.parts), self.bias.split(self.parts), strict=True)
        return tuple(Step(h, weight, bias) for weight, bias in pairs)


def square(channels: int, kernel: int) -> nn.Module:
    """A layer that keeps the shape and sees `kernel` x `kernel` positions; the bias starts at zero."""
    if kernel == 1:
        return Pointwise(channels, channels)
    layer = scaled(SquareConv(channels, kernel), 1.0)
    # As the maps are, so that no call re-orders the weights.
    layer.weight.data = channels_last(layer.weight.data)
    return layer


def parted(h: Tensor, norm: nn.Module, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The state, for those that read it later, and the first product of a block, (B, M, h, w)."""
    normed = norm(h)
    same, inside = branched(normed, weight, bias)
    return same if normed is h else h, inside


class Tail(nn.Module):
    """All of a block after its first product: (B, M, h, w) -> steps of `parts` channels; `gain` is that of the last."""

    def __init__(self, middle: int, *parts: int, kernel: int, gain: float = 1.0, norm: Norm = unnormalised) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norm(middle) for _ in range(3))
        self.second, self.third = square(middle, kernel), square(middle, kernel)
        self.last = Fork(middle, parts, gain=gain)

    def forward(self, h: Tensor) -> tuple[Step, ...]:
        first, second, third = self.norms
        forked: tuple[Step, ...] = self.last(gelu(third(self.third(gelu(second(self.second(gelu(first(h)))))))))
        return forked


class Bottleneck(nn.Module):
    """h + f(h) with `middle` channels inside; h itself first moves by the steps that come with it."""

    def __init__(self, width: int, middle: int, *, kernel: int, gain: float, norm: Norm = unnormalised) -> None:
        super().__init__()
        self.norm, self.first = norm(width), Pointwise(width, middle)
        self.tail = Tail(middle, width, kernel=kernel, gain=gain, norm=norm)

    def forward(self, h: Tensor, *steps: Step) -> Tensor:
        h = onto(h, *steps) if steps else h
        h, inside = parted(h, self.norm, self.first.weight, self.first.bias)
        return onto(h, *self.tail(inside))


class Twin(nn.Module):
    r"""Two blocks that read the same state, f(h) and f'([h, e]), as published with e stacked under h.

    $$W_1' g([h, e]) = W_h\, g(h) + W_e\, g(e)$$

    so g(h) and one product with W1 and W_h serve both, and the products of all levels with one e are made in one, by
    `Fan`, whose outcome is the `e` of `forward`.  The last layer of f starts at zero.

    Arguments: `width` and `middle` channels; `numbers`, the channels of f' and of the first part of f, whose second
    is a step of the state.
    """

    def __init__(self, width: int, middle: int, numbers: int, *, kernel: int, norm: Norm = unnormalised) -> None:
        super().__init__()
        self.middle, self.norm = middle, norm(width)
        rows = [uniform(middle, width, inputs=width), uniform(middle, width, inputs=2 * width)]
        self.weight = nn.Parameter(torch.cat([row.data for row in rows]))  # (2 M, W): of f, then of f'
        self.bias = nn.Parameter(torch.zeros(2 * middle))
        self.alone = Tail(middle, numbers, width, kernel=kernel, gain=0.0, norm=norm)
        self.joint = Tail(middle, numbers, kernel=kernel, norm=norm)

    def forward(self, h: Tensor, e: Tensor | None = None) -> tuple[Tensor, tuple[Tensor, Step], Tensor | None]:
        """The state, for those that read it later, numbers and step of f(h), and f'([h, e]) where there is an e."""
        if e is None:
            h, inside = parted(h, self.norm, self.weight[: self.middle], self.bias[: self.middle])
            return h, self._alone(inside), None
        h, inside = parted(h, self.norm, self.weight, self.bias)
        alone, joint = inside.split(self.middle, 1)  # each (B, M, h, w)
        (inferred,) = self.joint(joint + e)
        return h, self._alone(alone), inferred.value()

    def _alone(self, h: Tensor) -> tuple[Tensor, Step]:
        numbers, step = self.alone(h)
        return numbers.value(), step


class Fan(nn.Module):
    """The half of each twin's first product that sees the evidence, for all of the named twins at once.

    (B, W, h, w) -> {name: (B, M, h, w)}.  Split and not sliced: the gradient is then one concatenation.
    """

    def __init__(self, width: int, middle: int, names: Sequence[str], norm: Norm = unnormalised) -> None:
        super().__init__()
        self.middle, self.names, self.norm = middle, tuple(names), norm(width)
        self.weight = uniform(middle * len(names), width, inputs=2 * width)  # the bias is the twin's

    def forward(self, e: Tensor) -> dict[str, Tensor]:
        halves = positionwise(gelu(self.norm(e)), self.weight).split(self.middle, 1)
        return dict(zip(self.names, halves, strict=True))

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.middle}, of {self.names[0]} to {self.names[-1]}"


class OneForAll(nn.Module):
    """The same where all of the named twins are one: a single half, which each of them reads."""

    def __init__(self, width: int, middle: int, names: Sequence[str], norm: Norm = unnormalised) -> None:
        super().__init__()
        self.names, self.norm = tuple(names), norm(width)
        self.weight = uniform(middle, width, inputs=2 * width)

    def forward(self, e: Tensor) -> dict[str, Tensor]:
        half = positionwise(gelu(self.norm(e)), self.weight)
        return {name: half for name in self.names}

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}, of {self.names[0]} to {self.names[-1]}"


class Fanned(nn.Module):
    """One feature a resolution, fanned out to the levels there: x -> {level name: (B, M, h, w)}.

    Arguments: `up`, x -> {key: feature}; `fans`, one for each key that is used.
    """

    def __init__(self, up: nn.Module, fans: Mapping[str, Fan | OneForAll]) -> None:
        super().__init__()
        self.up, self.fans = up, nn.ModuleDict(fans)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.up(x)
        return {name: e for key, fan in self.fans.items() for name, e in fan(features[key]).items()}
