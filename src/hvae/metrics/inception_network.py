"""The Inception graph of 2015-12-05: a stem of convolutions, then blocks of parallel branches.

Written as a table with the names of the published file of weights.

Shapes: `B` pictures; `N` in all; `D` = 2048 features; `K` = 1008 classes; `H W` space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE, FEATURES, CLASSES = 299, 2048, 1008
"""Pixels a side, features, and classes: the 1,000 of ImageNet and eight unused ones."""


@dataclass(frozen=True)
class Conv:
    """A convolution of so many output channels, with its kernel, stride and padding (high, wide)."""

    width: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: tuple[int, int] = (0, 0)


def _same(width: int, high: int = 1, wide: int = 0) -> Conv:
    """A convolution that keeps the size."""
    wide = wide or high
    return Conv(width, (high, wide), padding=(high // 2, wide // 2))


def _less(width: int, size: int, stride: int = 1) -> Conv:
    """A convolution without padding."""
    return Conv(width, (size, size), stride)


Step = Conv | tuple[Conv, Conv]
"""One convolution, or two of the same input, side by side."""
Branches = Mapping[str, Sequence[Step]]
POOLED = "branch_pool"
"""The branch whose input is pooled."""


@dataclass(frozen=True)
class Block:
    """The branches of a block by name, and the pooling of the last."""

    branches: Branches
    pool: nn.Module


# TensorFlow divides by the pixels that there are: what is beyond the edge does not count.
AVERAGE = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
LARGEST = nn.MaxPool2d(3, 1, 1)
HALVED = nn.MaxPool2d(3, 2)


def _squares(pooled: int) -> Block:
    branches: Branches = {
        "branch1x1": [_same(64)],
        "branch5x5": [_same(48), _same(64, 5)],
        "branch3x3dbl": [_same(64), _same(96, 3), _same(96, 3)],
        POOLED: [_same(pooled)],
    }
    return Block(branches, AVERAGE)


def _strips(inner: int) -> Block:
    lying, standing = _same(inner, 1, 7), _same(inner, 7, 1)
    branches: Branches = {
        "branch1x1": [_same(192)],
        "branch7x7": [_same(inner), lying, _same(192, 7, 1)],
        "branch7x7dbl": [_same(inner), standing, lying, standing, _same(192, 1, 7)],
        POOLED: [_same(192)],
    }
    return Block(branches, AVERAGE)


def _forks(pool: nn.Module) -> Block:
    fork = (_same(384, 1, 3), _same(384, 3, 1))
    branches: Branches = {
        "branch1x1": [_same(320)],
        "branch3x3": [_same(384), fork],
        "branch3x3dbl": [_same(448), _same(384, 3), fork],
        POOLED: [_same(192)],
    }
    return Block(branches, pool)


STEM = {
    "Conv2d_1a_3x3": _less(32, 3, 2),
    "Conv2d_2a_3x3": _less(32, 3),
    "Conv2d_2b_3x3": _same(64, 3),
    "Conv2d_3b_1x1": _less(80, 1),
    "Conv2d_4a_3x3": _less(192, 3),
}
THEN_HALVED = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")
_FEWER: Branches = {"branch3x3": [_less(384, 3, 2)], "branch3x3dbl": [_same(64), _same(96, 3), _less(96, 3, 2)]}
_FEWEST: Branches = {
    "branch3x3": [_same(192), _less(320, 3, 2)],
    "branch7x7x3": [_same(192), _same(192, 1, 7), _same(192, 7, 1), _less(192, 3, 2)],
}
BLOCKS = {
    **{"Mixed_5b": _squares(32), "Mixed_5c": _squares(64), "Mixed_5d": _squares(64)},
    "Mixed_6a": Block({**_FEWER, POOLED: []}, HALVED),
    **{"Mixed_6b": _strips(128), "Mixed_6c": _strips(160), "Mixed_6d": _strips(160), "Mixed_6e": _strips(192)},
    "Mixed_7a": Block({**_FEWEST, POOLED: []}, HALVED),
    # The last block of this one file takes the largest where every other Inception takes the average.
    **{"Mixed_7b": _forks(AVERAGE), "Mixed_7c": _forks(LARGEST)},
}


class Unit(nn.Module):
    """Convolution, batch norm, rectifier."""

    def __init__(self, width: int, of: Conv) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, of.width, of.kernel, of.stride, of.padding, bias=False)
        self.bn = nn.BatchNorm2d(of.width, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """The branches of a block on one input, joined along the channels: `width` of them."""

    def __init__(self, width: int, block: Block) -> None:
        super().__init__()
        self.pool, self.width = block.pool, 0
        self.paths = {name: self._laid(name, width, steps) for name, steps in block.branches.items()}

    def _laid(self, name: str, width: int, steps: Sequence[Step]) -> list[list[str]]:
        """Create the units of one branch; return the names of each step's parallel units."""
        path = []
        for number, step in enumerate(steps, 1):
            fork = step if isinstance(step, tuple) else (step,)
            numbered = f"{name}_{number}" if len(steps) > 1 else name
            path.append([numbered + (letter if len(fork) > 1 else "") for letter in "ab"[: len(fork)]])
            for key, conv in zip(path[-1], fork, strict=True):
                self.add_module(key, Unit(width, conv))
            width = sum(conv.width for conv in fork)
        self.width += width
        return path

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._through(path, self.pool(x) if n == POOLED else x) for n, path in self.paths.items()], 1)

    def _through(self, path: list[list[str]], x: Tensor) -> Tensor:
        for keys in path:
            x = torch.cat([self.get_submodule(key)(x) for key in keys], 1)
        return x


class InceptionV3(nn.Module):
    """Pictures (B, 3, 299, 299) in [0, 1] to features (B, 2048): the mean over space of the last block.

    Szegedy et al. 2016, arXiv 1512.00567, as in the graph of 2015-12-05, whose pooling differs from the paper.

    >>> with torch.device("meta"):
    ...     network = InceptionV3()
    >>> sum(weight.numel() for weight in network.parameters())
    23850960
    """

    def __init__(self) -> None:
        super().__init__()
        width = 3
        for name, conv in STEM.items():
            self.add_module(name, Unit(width, conv))
            width = conv.width
        for name, block in BLOCKS.items():
            self.add_module(name, mixed := Mixed(width, block))
            width = mixed.width
        assert width == FEATURES
        self.fc = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x.to(self.fc.weight.device) - 1
        for name in STEM:
            x = self.get_submodule(name)(x)
            x = HALVED(x) if name in THEN_HALVED else x  # to (B, 64, 73, 73), (B, 192, 35, 35)
        for name in BLOCKS:
            x = self.get_submodule(name)(x)
        return x.mean((2, 3))  # (B, 2048)

    def classify(self, features: Tensor) -> Tensor:
        """The probability of each class, (N, K), of features (N, D): without the bias, as the inception score has it.

        Salimans et al. 2016, arXiv 1606.03498; their code rebuilds the softmax from the matrix alone.
        """
        return (features @ self.fc.weight.T.to(features)).softmax(1)
