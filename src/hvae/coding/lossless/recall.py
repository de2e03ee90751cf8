"""What the first of two walks on the same values has computed, the second one takes from there.

A decoder walks down on nothing and then again on what came out of it, to learn every q.  All that the second walk
computes of the latents alone (priors, states, the likelihood's network) is the first one's to the last bit: the same
layers on the same numbers in the same batch.  The output of a layer is taken only where its whole input is equal,
number by number, so that a model whose second walk goes another way computes what is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

MOST = 1 << 28
"""Bytes of inputs and outputs that are kept at most: 256 MB, whatever the model."""
_COSTLY = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_TORCH = "torch.nn.modules."


class _Call(NamedTuple):
    """What a layer was given and what it answered, each (B, ...)."""

    x: Tensor
    y: Tensor


class Memory:
    """The calls of a model's layers in one walk, at most so many bytes of them.

    >>> import torch
    >>> layer, x = nn.Linear(2, 3).requires_grad_(False), torch.ones(1, 2)
    >>> memory = Memory(layer)
    >>> with memory.noting():
    ...     y = layer(x)
    >>> with memory.recalling():
    ...     layer(x.clone()).equal(y), memory.taken
    (True, 1)
    """

    def __init__(self, model: nn.Module, most: int = MOST) -> None:
        self.free, self.taken = most, 0
        self.calls: dict[nn.Module, list[_Call]] = {layer: [] for layer in _layers(model)}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Within the block, what the layers are given and answer is kept."""
        with self._instead(self._note):
            yield

    @contextmanager
    def recalling(self) -> Iterator[None]:
        """Within the block, layers that are given what they were given before answer from here."""
        with self._instead(self._recall):
            yield

    @contextmanager
    def _instead(self, forward: Callable[[nn.Module, Tensor], Tensor]) -> Iterator[None]:
        for layer in self.calls:
            layer.__dict__["forward"] = partial(forward, layer)
        try:
            yield
        finally:
            for layer in self.calls:
                del layer.__dict__["forward"]

    def _note(self, layer: nn.Module, x: Tensor) -> Tensor:
        y: Any = type(layer).forward(layer, x)
        if not isinstance(y, Tensor):
            return y  # type: ignore[no-any-return]  # a recurrence answers with its state too
        size = x.nbytes + y.nbytes
        if size <= self.free:
            self.free -= size
            # Copies, since a walk may add to a map where it lies.
            self.calls[layer].append(_Call(x.clone(), y.clone()))
        return y

    def _recall(self, layer: nn.Module, x: Tensor) -> Tensor:
        calls = self.calls[layer]
        for at, call in enumerate(calls):
            if call.x.equal(x):
                self.taken += 1
                return calls.pop(at).y
        y: Tensor = type(layer).forward(layer, x)
        return y


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """The largest parts that take long, and are functions of one tensor and of nothing else."""
    if "forward" in module.__dict__:
        return  # somebody else's
    if _is_costly(module) or (type(module) is nn.Sequential and _is_plain(module)):
        yield module
        return
    for part in module.children():
        yield from _layers(part)


def _is_costly(part: nn.Module) -> bool:
    # A layer of somebody else's class might keep a state, or take more than a tensor.
    return isinstance(part, _COSTLY) and type(part).__module__.startswith((_TORCH, "hvae.nn."))


def _is_plain(chain: nn.Sequential) -> bool:
    others = [part for part in chain if not _is_costly(part)]
    of_torch = all(type(part).__module__.startswith(_TORCH) for part in others)
    return of_torch and len(others) < len(chain) and not any("forward" in part.__dict__ for part in chain)
