"""A condition starts silent, so that an untrained model ignores it: here every layer of it says something."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from hvae.nn.film import Entering

LOUD = 0.3
"""Deep walks multiply what many levels hear."""

M = TypeVar("M", bound=nn.Module)


def awake(model: M) -> M:
    """The same model, the weights of layers that a condition enters by drawn from N(0, LOUD^2 / inputs)."""
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, Entering):
                for weight in layer.parameters():
                    noise = torch.randn(weight.shape, generator=random)
                    weight.copy_(LOUD * noise / weight.shape[1] ** 0.5)
    return model
