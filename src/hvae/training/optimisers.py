"""Optimisers by name, each in the implementation that costs least per step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import nn
from torch.optim import Adamax, Optimizer

from hvae.config.train import TrainConfig
from hvae.training.fused import FusedAdam, FusedAdamW
from hvae.training.lamb import Lamb


def optimiser(config: TrainConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The optimiser of a configuration.  Its learning rate is set before each step by the trainer.

    adamw: Loshchilov and Hutter 2019, arXiv 1711.05101; adam and adamax: Kingma and Ba 2015, arXiv 1412.6980,
    algorithms 1 and 2; lamb: You et al. 2020, arXiv 1904.00962, algorithm 2.

    >>> import torch
    >>> type(optimiser(TrainConfig(optimiser="lamb"), [nn.Parameter(torch.ones(2))])).__name__
    'Lamb'
    """
    trainable = [p for p in parameters if p.requires_grad]
    make: dict[str, Callable[..., Optimizer]] = {"adamw": FusedAdamW, "adam": FusedAdam, "adamax": Adamax, "lamb": Lamb}
    # With 400 small tensors on one core: fused 2.8 ms, foreach 10.9, the default loop 28.8.
    fast = {"adamw": {"fused": True}, "adam": {"fused": True}, "adamax": {"foreach": not _large(trainable)}, "lamb": {}}
    return make[config.optimiser](
        trainable,
        lr=config.lr,
        betas=tuple(config.betas),
        eps=config.eps,
        weight_decay=config.weight_decay,
        **fast[config.optimiser],
    )


LARGE = 1 << 15
"""Numbers in the mean tensor of a model on a processor from which on Adamax goes through tensor by tensor: each is read
from memory once, where `foreach` reads all of them for each of its operations (NVAE as published, 131 million numbers
in 2,566 tensors, two threads: 127 ms and 206)."""


def _large(parameters: Sequence[nn.Parameter]) -> bool:
    count = sum(p.numel() for p in parameters)
    return all(p.device.type == "cpu" for p in parameters) and count > LARGE * len(parameters)


MOMENTS = {
    "adamw": ("step", "exp_avg", "exp_avg_sq"),
    "adam": ("step", "exp_avg", "exp_avg_sq"),
    "adamax": ("step", "exp_avg", "exp_inf"),
    "lamb": ("step", "mean", "square"),
}
"""What each optimiser remembers of a weight: a count of steps, and tensors of the shape of the weight."""
