"""Layers that start from data: the first input each of them sees says how.

Shapes: as each layer says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn


class FromData(nn.Module, ABC):
    """A layer whose weights at the start of training follow from its first input."""

    @abstractmethod
    def initialise(self, x: Tensor) -> None:
        """Start from the input of a first batch."""


def silent(network: nn.Module) -> nn.Module:
    """The network with all its weights at zero: a linear one then answers zeros, whatever it reads."""
    for weight in network.parameters():
        nn.init.zeros_(weight)
    return network


def initialise(model: nn.Module, walk: Callable[[], object]) -> None:
    """Run `walk` once without gradients; each layer of the model that starts from data does so from its first input.

    A layer starts before it answers, so that the layers after it see what they will see in training.  Models without
    such layers are not run at all.
    """
    waiting = [module for module in model.modules() if isinstance(module, FromData)]
    if not waiting:
        return
    handles: dict[nn.Module, torch.utils.hooks.RemovableHandle] = {}

    def first(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if module in handles:
            handles.pop(module).remove()
            module.initialise(*args)  # type: ignore[operator]

    handles.update({module: module.register_forward_pre_hook(first) for module in waiting})
    try:
        with torch.no_grad():
            walk()
    finally:
        for handle in handles.values():
            handle.remove()
