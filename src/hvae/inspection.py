"""What a model is made of and what it will cost, without running it: levels, parameters, FLOPs, memory.

Everything is asked of fake tensors, which have a shape and no storage: the largest model is inspected in a second.

Shapes: `B` batch; `C H W` an image; `D` latent channels; `K` samples per datum.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Group
from rich.text import Text
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from hvae.datum import Datum
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.metrics.evaluating import levels_of
from hvae.objectives import ELBO, Objective
from hvae.screen.table import Table, table
from hvae.walk import Evidence, Model, Trace, run

MOMENTS = 2
"""Numbers that each optimiser keeps for a weight: a running mean of the gradient, and of its square or largest."""
TRAINING_FLOPS = 3
"""A training step counts as three forward passes: the backward pass makes two products where the forward makes one.
A convention, since counters misjudge the backward pass of grouped convolutions."""
CPU_SLACK, CPU_FIXED = 0.18, 30e6
"""What a CPU needs beyond its tensors: reordered copies and gaps of the heap, as a share of a step, and buffers of the
libraries.  Fitted to the peaks of 17 training runs of all families from 70 MB to 1.1 GB: each is met within 22 %."""


@dataclass(frozen=True)
class LevelInspection:
    """One latent level: the shape of one value, its size, and the parameters that are its own."""

    name: str
    shape: tuple[int, ...]
    dims: int
    parameters: int

    @property
    def resolution(self) -> str:
        """Height x width of an image-like latent, "flat" of a vector.

        >>> LevelInspection("z1", (8, 14, 14), 1568, 0).resolution
        '14x14'
        """
        return "x".join(map(str, self.shape[1:])) or "flat"


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


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found.  FLOPs count a multiplication and an addition as two."""

    shape: tuple[int, ...]
    """Of one datum."""
    levels: tuple[LevelInspection, ...]
    """Top first."""
    parameters: int
    shared: int
    """Parameters that belong to no single level."""
    flops: int
    """Of inference, generation and likelihood of one datum, with one sample of the latents."""
    batch: int
    """Rows of one forward and backward pass, for which the memory holds."""
    memory: Memory

    @property
    def training_flops(self) -> int:
        """Of one datum in a training step, with one sample of the latents."""
        return TRAINING_FLOPS * self.flops

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        levels = [{**vars(level), "shape": list(level.shape), "resolution": level.resolution} for level in self.levels]
        memory = {**vars(self.memory), "peak": self.memory.peak}
        plain = {**vars(self), "shape": list(self.shape), "levels": levels, "memory_bytes": memory}
        return {**{k: v for k, v in plain.items() if k != "memory"}, "training_flops": self.training_flops}

    def __rich__(self) -> Group:
        return Group(_table(self), _costs(self))


def inspect(
    model: Model, batch: int, *, objective: Objective | None = None, precision: str = "32", device: str = "cpu"
) -> Inspection:
    """Levels, parameters, FLOPs and the peak memory of a training step.

    Arguments: `batch`, data of one forward pass (the micro-batch of one process); `objective`, for its samples and its
    own arithmetic (the ELBO by default); `precision`, "32" or "bf16"; `device`, "cpu" or "cuda", where it will train.
    The model is not run, moved or changed.  Memory is that of tensors plus, on a CPU, what its libraries were measured
    to add; the process itself (Python, torch, the data set) comes on top.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> found = inspect(build(VAEConfig(latent=3, widths=(8,)), shape=(1, 4, 4), bits=1), batch=16)
    >>> found.levels[0].name, found.levels[0].shape, found.memory.moments == 2 * 4 * found.parameters
    ('z1', (3,), True)
    """
    if batch < 1:
        raise HvaeError(f"expected a batch of at least 1, got {batch}; set train.batch")
    trace, flops = _forward(model)
    own = _own_parameters(model)
    levels = tuple(_level(name, trace, own.get(name, 0)) for name in levels_of(trace))
    total = sum(p.numel() for p in model.parameters())
    # Without instructions of its own for bf16 a CPU computes it with float32 copies, which cost what they save.
    half = precision == "bf16" and device != "cpu"
    memory = _memory(model, batch, objective or ELBO(), half, device)
    return Inspection(model.shape, levels, total, total - sum(l.parameters for l in levels), flops, batch, memory)


def _level(name: str, trace: Trace, parameters: int) -> LevelInspection:
    values = [record.value for record in trace.latents if record.name == name and record.value is not None]
    # The steps of a recurring name are one level that many times its size.
    return LevelInspection(name, tuple(values[0].shape[1:]), sum(v[0].numel() for v in values), parameters)


def _own_parameters(model: Model) -> dict[str, int]:
    """Parameters by the part of their dotted name that names a level: modules are keyed by level names."""
    own: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        for part in set(name.split(".")):
            own[part] = own.get(part, 0) + parameter.numel()
    return own


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


def _forward(model: Model) -> tuple[Trace, int]:
    """The trace of one fake datum, and the FLOPs that made it."""

    def score(model: Model, x: Tensor) -> Trace:
        trace = run(model, posterior, _evidence(model, x))
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


def _memory(model: Model, batch: int, objective: Objective, half: bool, device: str) -> Memory:
    def step(model: Model, x: Tensor) -> int:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = objective(run(model, objective.draw, _evidence(model, x).repeat(objective.samples)), 0).total
        held = ledger.live
        loss.backward()
        return held

    with _mode(model, True), _faked(model, batch) as (weights, x), _Ledger(weights) as ledger:
        held: int = functional_call(_Work(model, step), weights, (x,))
    return _budget(weights, held, ledger.peak, device)


def _budget(weights: Mapping[str, Tensor], held: int, peak: int, device: str) -> Memory:
    size, learnt = _bytes(weights.values()), _bytes(w for w in weights.values() if w.requires_grad)
    # While a checkpoint is written the gradients are still there, and so is one more copy of the averaged weights.
    step = max(peak, learnt + size)
    workspace = int(CPU_SLACK * step + CPU_FIXED) if device == "cpu" else 0
    return Memory(size, MOMENTS * learnt, size, held, step, workspace)


def _bytes(tensors: Any) -> int:
    return sum(t.untyped_storage().nbytes() for t in tensors)


class _Ledger(TorchDispatchMode):
    """Bytes of the tensors that operations make, now and at the peak; known ones do not count."""

    def __init__(self, known: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.held: dict[int, Any] = {t.untyped_storage()._cdata: t for t in known.values()}

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


def count(n: float) -> str:
    """A large number for people.

    >>> count(950), count(1_234_567), count(2.5e10)
    ('950', '1.23 M', '25 G')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.3g}"


def _table(found: Inspection) -> Table:
    made = table("level", "latent", "resolution", "dimensions", "parameters", "")
    for level in found.levels:
        latent = "x".join(map(str, level.shape))
        made.add_row(level.name, latent, level.resolution, f"{level.dims:,}", f"{level.parameters:,}", "")
    made.add_row("the rest", "", "", "", f"{found.shared:,}", "")
    dims = sum(level.dims for level in found.levels)
    made.add_row("total", "", "", f"{dims:,}", f"{found.parameters:,}", "")
    return made


def _costs(found: Inspection) -> Text:
    memory = found.memory
    parts = ", ".join(
        f"{part} {count(getattr(memory, part))}B" for part in ("weights", "moments", "average", "step", "workspace")
    )
    return Text(
        f"\ndata of {'x'.join(map(str, found.shape))}: {count(found.flops)}FLOP for one forward, "
        f"{count(found.training_flops)}FLOP to train on one (3 x forward)\n"
        f"memory for a training step of {found.batch}: about {count(memory.peak)}B beside the process and the data\n"
        f"  ({parts})"
    )
