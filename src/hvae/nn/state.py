"""The state of a walk before its first level, and features on their way up.

Shapes: `B` batch; `...` a feature's shape; `D` a vector's width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hvae.nn.kit import Shape
from hvae.nn.mlp import near_one


class Start(nn.Module):
    """A learned first state, the same for every datum: n -> (n, *shape)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        # Not zeros: from them the first layer of the top level would learn nothing in the first step.
        self.state = nn.Parameter(torch.randn(shape))

    def forward(self, n: int) -> Tensor:
        return self.state.expand(n, *self.state.shape)  # (n, *shape)


class Constant(nn.Module):
    """A first state of zeros, for walks whose top level is a standard normal."""

    state: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.register_buffer("state", torch.zeros(shape), persistent=False)

    def forward(self, n: int) -> Tensor:
        return self.state.expand(n, *self.state.shape)  # (n, *shape)


class BottomUp(nn.Module):
    """A chain of networks from the data up that leaves one feature a level: x -> {name: (B, ...)}."""

    def __init__(self, blocks: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict(blocks)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = {}
        h = x
        for name, block in self.blocks.items():
            h = block(h)
            features[name] = h
        return features


class Recomputed(nn.Module):
    """A network whose activations are computed again in the backward pass instead of being kept.

    Only ever around a network, never around a level: on recomputation a site would already be known.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *args: Tensor) -> Tensor:
        # Dropout must silence the same channels again, so the generator's state is kept and restored.
        return checkpoint(self.network, *args, use_reentrant=False, preserve_rng_state=True)


def to_gaussian(a: Shape, dims: int) -> nn.Module:
    """One linear map from all of a feature to the raw parameters of a vector's Gaussian: (B, *a) -> (B, 2 dims)."""
    return nn.Sequential(nn.Flatten(), near_one(nn.Linear(math.prod(a), 2 * dims)))


def from_vector(dims: int, b: Shape) -> nn.Module:
    """One linear map from a vector to all of a feature: (B, dims) -> (B, *b)."""
    return nn.Sequential(nn.Linear(dims, math.prod(b)), nn.Unflatten(1, b))
