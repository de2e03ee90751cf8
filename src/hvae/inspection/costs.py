"""FLOPs and memory of a training step, measured with fake tensors in a second, whatever the size.

Fake tensors have a shape and no storage.

Shapes: `B` batch; `...` one datum.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from hvae.datum import Datum
from hvae.draw import posterior, trained
from hvae.objectives import Objective
from hvae.walk import Evidence, Model, Trace, run

MOMENTS = 2
"""Numbers that each optimiser keeps for a weight: a running mean of the gradient, and of its square or largest."""
CPU_SLACK, CPU_FIXED = 0.18, 30e6
"""What a CPU needs beyond its tensors: reordered copies and gaps of the heap, as a share of a step, and buffers of the
libraries.  Fitted to the peaks of 17 training runs of all families from 70 MB to 1.1 GB: each is met within 22 %."""


@dataclass(frozen=True)
class Memory:
    """Bytes that one training step needs at its peak, beside the process itself.

    The predicted peak is  weights + moments + average + step + workspace;  `activations` are part of `step`.
    """

    weights: int
    moments: int
    """State of the optimiser."""
    average: int
    """The running average of the weights."""
    activations: int
    """What the forward pass keeps for the backward pass."""
    step: int
    """Most that forward and backward hold at once above the weights: activations, gradients, what passes."""
    workspace: int
    """What the device's libraries need on top."""

    @property
    def peak(self) -> int:
        return self.weights + self.moments + self.average + self.step + self.workspace


class _Work(nn.Module):
    """Some work on a model, as a function of its weights: what `functional_call` exchanges them in.

    All of the work is inside, since a recomputed network asks for its weights once more in the backward pass.
    """

    def __init__(self, model: Model, work: Callable[[Model, Tensor], Any]) -> None:
        super().__init__()
        self.model, self.work = model, work

    def forward(self, x: Tensor) -> Any:
        return self.work(self.model, x)


@contextmanager
def _mode(model: Model, training: bool) -> Iterator[None]:
    before = model.training
    model.train(training)
    try:
        yield
    finally:
        model.train(before)


@contextmanager
def _faked(model: Model, batch: int) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Fake weights by name, and a fake batch (B, ...); inside, whatever is made of them is fake too."""
    with FakeTensorMode():
        weights = {f"model.{name}": _like(p).requires_grad_(p.requires_grad) for name, p in model.named_parameters()}
        weights |= {f"model.{name}": _like(b) for name, b in model.named_buffers()}
        yield weights, torch.zeros(batch, *model.shape)


def _like(t: Tensor) -> Tensor:
    return torch.empty(t.shape, dtype=t.dtype)


def forward_cost(model: Model) -> tuple[Trace, int]:
    """The trace of one fake datum as training walks it, and the FLOPs that made it."""

    def score(model: Model, x: Tensor) -> Trace:
        trace = run(model, trained(posterior), _evidence(model, x))
        trace.elbo()
        return trace

    # Evaluation mode, since normalisation over a batch has no meaning for one datum.
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: _added})
    with _mode(model, False), _faked(model, 1) as (weights, x), counter:
        trace: Trace = functional_call(_Work(model, score), weights, (x,))
    return trace, counter.get_total_flops()


def _evidence(model: Model, x: Tensor) -> Evidence:
    """What a walk may see of fake data, under a placeholder for each condition: fake values cannot be checked."""
    if not model.conditions:
        return model.evidence(x)
    context = {name: condition.placeholder(len(x), x.device) for name, condition in model.conditions.items()}
    return Evidence(len(x), x, context, model.features(Datum(x, context)))


def _added(_: tuple[int, ...], a: tuple[int, int], b: tuple[int, int], **__: object) -> int:
    """Of a product that is added in place, (n, k) times (k, m), which the counter does not know by itself."""
    return 2 * a[0] * a[1] * b[1]


def step_memory(model: Model, batch: int, objective: Objective, half: bool, device: str) -> Memory:
    """What a step of training of `batch` data holds, in bytes, in bf16 where `half`; nothing is computed."""

    def step(model: Model, x: Tensor) -> int:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            rows = _evidence(model, x).repeat(objective.samples)
            loss = objective(objective.loop(model, trained(objective.draw), rows), 0).total
        live = ledger.live
        loss.backward()
        return live

    with _mode(model, True), _faked(model, batch) as (weights, x), _Ledger(weights) as ledger:
        live: int = functional_call(_Work(model, step), weights, (x,))
    return _budget(weights, live, ledger.peak, device)


def _budget(weights: Mapping[str, Tensor], live: int, peak: int, device: str) -> Memory:
    size, learnt = _bytes(weights.values()), _bytes(w for w in weights.values() if w.requires_grad)
    # While a checkpoint is written the gradients are still there, and so is one more copy of the averaged weights.
    step = max(peak, learnt + size)
    workspace = int(CPU_SLACK * step + CPU_FIXED) if device == "cpu" else 0
    return Memory(size, MOMENTS * learnt, size, live, step, workspace)


def _bytes(tensors: Any) -> int:
    return sum(t.untyped_storage().nbytes() for t in tensors)


def peak_of(work: Callable[[], object]) -> int:
    """The most bytes that the tensors which some work makes hold at once.

    >>> peak_of(lambda: torch.zeros(10) + torch.ones(10))
    120
    """
    with _Ledger({}) as ledger:
        work()
    return ledger.peak


class _Ledger(TorchDispatchMode):
    """Bytes of the tensors that operations make, now and at the peak; known ones do not count."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.held: dict[int, Any] = {t.untyped_storage()._cdata: t for t in weights.values()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            if isinstance(t, Tensor):
                self._count(t.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.held:  # a view of what is known costs nothing
            self.held[key] = weakref.ref(storage, lambda _: self._forget(key, size))
            self.live += size
            self.peak = max(self.peak, self.live)

    def _forget(self, key: int, size: int) -> None:
        self.held.pop(key, None)
        self.live -= size
