"""The state of a walk before its first level, and features on their way up.

Shapes: `B` batch; `...` a feature's shape; `D` a vector's width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from hvae.nn.kit import Shape
from hvae.nn.mlp import near_one
from hvae.nn.product import Linear


class Start(nn.Module):
    """A learned first state, the same for every datum: n -> (n, *shape); `layout`, its order in memory if not plain."""

    def __init__(self, shape: Shape, layout: nn.Module | None = None) -> None:
        super().__init__()
        self.layout = nn.Identity() if layout is None else layout
        # Not zeros: from them the first layer of the top level would learn nothing in the first step.
        self.state = nn.Parameter(torch.randn(shape))

    def forward(self, n: int) -> Tensor:
        # Whole in memory: sums with it must be of the same order, to the last bit, whether or not something was added.
        return self.layout(self.state.expand(n, *self.state.shape).contiguous())  # type: ignore[no-any-return]


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
        self._learns = any(isinstance(m, _BatchNorm) for m in network.modules())

    def forward(self, *args: Tensor) -> Tensor:
        # A compiler traces the network once, and refuses contexts.
        contexts: dict[str, Any] = (
            {"context_fn": self._contexts} if self._learns and not torch.compiler.is_compiling() else {}
        )
        # Dropout must silence the same channels again, so the generator's state is kept and restored.
        image: Tensor = checkpoint(self.network, *args, use_reentrant=False, preserve_rng_state=True, **contexts)
        return image

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), unmoved(self.network)


@contextmanager
def unmoved(network: nn.Module) -> Iterator[None]:
    """Inside, batch norm normalises as always but learns no statistics: the same batch must not count twice.

    >>> norm = nn.BatchNorm1d(1)
    >>> with unmoved(norm):
    ...     _ = norm(torch.tensor([[5.0], [7.0]]))
    >>> norm.running_mean, norm.num_batches_tracked
    (tensor([0.]), tensor(0))
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def to_gaussian(a: Shape, dims: int) -> nn.Module:
    """One linear map from all of a feature to the raw parameters of a vector's Gaussian: (B, *a) -> (B, 2 dims)."""
    return nn.Sequential(nn.Flatten(), near_one(Linear(math.prod(a), 2 * dims)))


def from_vector(dims: int, b: Shape) -> nn.Module:
    """One linear map from a vector to all of a feature: (B, dims) -> (B, *b)."""
    return nn.Sequential(Linear(dims, math.prod(b)), nn.Unflatten(1, b))
