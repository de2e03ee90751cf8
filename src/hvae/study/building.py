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
_MOST_TENSORS = 30_000
"""Of one model: the deepest published ones have below 3,000.  Layers take time and memory even without storage."""
_REASON = f"could be trained ({_MOST_TENSORS:,} tensors of weights)"
_COPIES = 4
"""Of each weight, in training: itself, its gradient, and the optimiser's two moments."""


def outline(config: ModelConfig, shape: tuple[int, ...], bits: int) -> Model:
    """The model with its levels and shapes and without storage: no weight is drawn.

    Raises HvaeError for one of more layers than could be trained.
    """
    import torch

    from hvae.checkpoints.description import at_most
    from hvae.zoo import build

    with torch.device("meta"), at_most(config, _MOST_TENSORS, _REASON):
        return build(config, shape=shape, bits=bits).eval()


def parameters(model: Model) -> int:
    """How many numbers a model learns."""
    return sum(weight.numel() for weight in model.parameters())


def size(config: ModelConfig, shape: tuple[int, ...], bits: int) -> tuple[int, int]:
    """Levels and parameters, of a model without storage: no weight is ever drawn."""
    import torch

    from hvae.walk import names

    with torch.device("meta"):
        model = outline(config, shape, bits)
        return len(names(model)), parameters(model)


def _check_weights(model: Model, copies: int) -> None:
    count = parameters(model)
    what = f"a model of {count:,} parameters" + (f", trained with {copies} numbers for each," if copies > 1 else "")
    # What follows training instead of learning, such as codebooks, has no gradient and no moments.
    followers = sum(buffer.numel() for buffer in model.buffers())
    what += f" and {followers:,} other numbers" if followers else ""
    check_memory(_FLOAT * (count * copies + followers), what, "set the sizes of the model (--model.*) lower")


def usable(config: ModelConfig, shape: tuple[int, ...], bits: int) -> Model:
    """The outline of a model.  Raises HvaeError where its weights do not fit into memory."""
    model = outline(config, shape, bits)
    _check_weights(model, copies=1)
    return model


def built(config: ModelConfig, shape: tuple[int, ...], bits: int) -> Model:
    """The model of a configuration.  Raises HvaeError where its weights do not fit into memory."""
    from hvae.zoo import build

    usable(config, shape, bits)
    return build(config, shape=shape, bits=bits)


def trainable(config: RunConfig, shape: tuple[int, ...], bits: int) -> Model:
    """The model of a run, to be trained.  Raises HvaeError as `checked` does."""
    from hvae.zoo import build

    checked(config, shape, bits)
    return build(config.model, shape=shape, bits=bits)


def checked(config: RunConfig, shape: tuple[int, ...], bits: int) -> Model:
    """The outline of a run's model.  Raises HvaeError where a training of it does not fit into memory."""
    train = config.train
    step = train.batch // train.accumulate
    advice = "set --train.batch lower, or raise --train.accumulate (same result, less memory)"
    check_memory(_FLOAT * step * prod(shape), f"a step of {step:,} data", advice)
    model = outline(config.model, shape, bits)
    _check_weights(model, _COPIES)
    return model
