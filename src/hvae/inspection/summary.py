"""Levels, parameters, FLOPs and memory of a model, as one record and as a table.

Shapes: `B` batch; `C H W` an image; `D` latent channels.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from hvae.counts import whole
from hvae.inspection.costs import Memory, forward_cost, step_memory
from hvae.metrics.evaluating import levels_of
from hvae.objectives import ELBO, Objective
from hvae.records import JSON
from hvae.screen.table import Table, table
from hvae.walk import Model, Trace

TRAINING_FLOPS = 3
"""A training step counts as three forward passes: the backward pass makes two products where the forward makes one.
A convention, since counters misjudge the backward pass of grouped convolutions."""


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
class Inspection:
    """The result of `inspect`.  FLOPs count a multiplication and an addition as two."""

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

    def to_dict(self) -> JSON:
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
    own arithmetic (the ELBO by default); `precision`, "32", "bf16" or "16"; `device`, "cpu" or "cuda".
    The model is not run, moved or changed.  Memory is that of tensors plus, on a CPU, what its libraries were measured
    to add; the process itself (Python, torch, the data set) comes on top.

    >>> from hvae.config.model import VAEConfig
    >>> from hvae.zoo import build
    >>> inspection = inspect(build(VAEConfig(latent=3, widths=(8,)), shape=(1, 4, 4), bits=1), batch=16)
    >>> inspection.levels[0].name, inspection.levels[0].shape, inspection.memory.moments == 8 * inspection.parameters
    ('z1', (3,), True)
    """
    batch = whole("batch", batch, 1)
    trace, flops = forward_cost(model)
    own = _own_parameters(model)
    levels = tuple(_level(name, trace, own.get(name, 0)) for name in levels_of(trace))
    total = sum(p.numel() for p in model.parameters())
    # Without instructions of its own for bf16 a CPU computes it with float32 copies, which cost what they save.
    half = precision in ("bf16", "16") and device != "cpu"
    memory = step_memory(model, batch, objective or ELBO(), half, device)
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


def count(n: float) -> str:
    """A large number for people.

    >>> count(950), count(1_234_567), count(2.5e10)
    ('950', '1.23 M', '25 G')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.3g}"


def _table(inspection: Inspection) -> Table:
    rows = table("level", "latent", "resolution", "dimensions", "parameters", "")
    for level in inspection.levels:
        latent = "x".join(map(str, level.shape))
        rows.add_row(level.name, latent, level.resolution, f"{level.dims:,}", f"{level.parameters:,}", "")
    rows.add_row("the rest", "", "", "", f"{inspection.shared:,}", "")
    dims = sum(level.dims for level in inspection.levels)
    rows.add_row("total", "", "", f"{dims:,}", f"{inspection.parameters:,}", "")
    return rows


def _costs(inspection: Inspection) -> Text:
    memory = inspection.memory
    parts = ", ".join(
        f"{part} {count(getattr(memory, part))}B" for part in ("weights", "moments", "average", "step", "workspace")
    )
    return Text(
        f"\ndata of {'x'.join(map(str, inspection.shape))}: {count(inspection.flops)}FLOP for one forward, "
        f"{count(inspection.training_flops)}FLOP to train on one (3 x forward)\n"
        f"memory for a training step of {inspection.batch}: "
        f"about {count(memory.peak)}B beside the process and the data\n"
        f"  ({parts})"
    )
