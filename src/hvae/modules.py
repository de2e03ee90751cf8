"""What any network is asked: where it lives, and to be in evaluation mode for the time of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hvae.seeds import noise_seed


def device_of(model: nn.Module) -> torch.device:
    """Where a model lives; the CPU for one without parameters."""
    return next((w.device for w in model.parameters()), torch.device("cpu"))


@contextmanager
def still(model: nn.Module, seed: int | None = None) -> Iterator[None]:
    """Evaluation mode, no gradients and, with a seed, random numbers of its own; all is put back at the end.

    >>> layer = torch.nn.Linear(1, 1)
    >>> with still(layer, seed=0):
    ...     layer.training, torch.is_grad_enabled()
    (False, False)
    >>> layer.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices, enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(noise_seed(seed))
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training
