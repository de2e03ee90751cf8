"""Models of a configuration, built only where they fit: their sizes are taken from a copy without storage."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from hvae.capacity import check_memory
from hvae.config.model import ModelConfig
from hvae.config.run import RunConfig

if TYPE_CHECKING:
    from hvae.walk import Model

_FLOAT = 4
"""Bytes of a weight or a value."""
_COPIES = 4
"""Of each weight, in training: itself, its gradient, and the optimiser's two moments."""


def outline(config: ModelConfig, shape: tuple[int, ...], bits: int) -> Model:
    """The model with its levels and shapes and without storage: no weight is drawn."""
    import torch

    from hvae.zoo import build

    with torch.device("meta"):
        return build(config, shape=shape, bits=bits).eval()


def parameters(model: Model) -> int:
    """How many numbers a model learns."""
    return sum(weight.numel() for weight in model.parameters())


def built(config: ModelConfig, shape: tuple[int, ...], bits: int, copies: int = 1) -> Model:
    """The model of a configuration.  Raises HvaeError where so many copies of its weights do not fit into memory."""
    from hvae.zoo import build

    count = parameters(outline(config, shape, bits))
    what = f"a model of {count:,} parameters" + (f", trained with {copies} numbers for each," if copies > 1 else "")
    check_memory(_FLOAT * count * copies, what, "set the sizes of the model (--model.*) lower")
    return build(config, shape=shape, bits=bits)


def trainable(config: RunConfig, shape: tuple[int, ...], bits: int) -> Model:
    """The model of a run.  Raises HvaeError where its weights, or the data of one step, do not fit into memory."""
    train = config.train
    step = train.batch // train.accumulate
    advice = "set --train.batch lower, or raise --train.accumulate (same result, less memory)"
    check_memory(_FLOAT * step * prod(shape), f"a step of {step:,} data", advice)
    return built(config.model, shape, bits, copies=_COPIES)
