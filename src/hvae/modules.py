"""What any network is asked: where it lives, which size its maps have, and to be in evaluation mode for a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor

from hvae.seeds import noise_seed, reseed


def device_of(model: nn.Module) -> torch.device:
    """Where a model lives; the CPU for one without parameters."""
    return next((w.device for w in model.parameters()), torch.device("cpu"))


def every(choices: Tensor) -> bool:
    """Whether no choice is zero; taken for granted of a tensor without storage, whose numbers nobody knows.

    >>> every(torch.tensor([1.0, 1.0])), every(torch.tensor([1.0, 0.0]))
    (True, False)
    """
    return isinstance(choices, FakeTensor) or bool(choices.all())


class Spatial(nn.Module):
    """A part that no weight ties to a size: `size` (H, W) is that of the maps it gives, and follows the data's."""

    def __init__(self, size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)

    def extra_repr(self) -> str:
        return f"{self.size}"


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
            reseed(noise_seed(seed))
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


@contextmanager
def largest_output(model: nn.Module) -> Iterator[list[int]]:
    """The bytes of the largest tensor that any part of the model hands on within the block, as the one entry of a list.

    >>> layers = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Linear(8, 2))
    >>> with largest_output(layers) as most:
    ...     _ = layers(torch.zeros(5, 1))
    >>> most
    [160]
    """
    most = [0]

    def measure(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            most[0] = max(most[0], output.numel() * output.element_size())

    handles = [module.register_forward_hook(measure) for module in model.modules()]
    try:
        yield most
    finally:
        for handle in handles:
            handle.remove()
