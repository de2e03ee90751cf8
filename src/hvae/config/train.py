"""The settings of training.  No torch here: `--help` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import (
    Bound,
    Count,
    CountOrNone,
    Data,
    DataOrAll,
    Decay,
    Fraction,
    Line,
    Names,
    NonNegative,
    Place,
    Seed,
    Steps,
    StepsOrNone,
)
from hvae.config.parse import Section
from hvae.errors import HvaeError

Optimiser = Literal["adamw", "adam", "adamax", "lamb"]
Precision = Literal["32", "bf16", "16", "auto"]
Logger = Literal["tensorboard", "wandb"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Section):
    """How a model is fitted: every number that the course of a run depends on, and how it is monitored.

    >>> TrainConfig(steps=0)
    Traceback (most recent call last):
    ...
    hvae.config.bounds.OutOfBounds: train.steps: expected at least 1, got 0
    """

    at: ClassVar[str] = "train"

    steps: Steps = 10_000
    """Optimiser steps of the whole run; the learning rate schedule follows them."""
    minutes: NonNegative = 0.0
    """Stop after that many minutes of wall time, resumed parts counted in (0: no limit)."""
    batch: Data = 128
    """Data per optimiser step, over all processes and accumulated micro-batches together."""
    accumulate: Count = 1
    """Micro-batches each process splits its part of a step into: less memory, the same step."""
    seed: Seed = 0
    """Seed of the data order and of all noise; each is a pure function of (seed, step, shard)."""

    init: Place = ""
    """A run folder, or a .safetensors file, whose weights training begins with wherever their names fit."""
    only: Names = ()
    """Parameters that are trained, by name (levels.z3, *.bias; hvae inspect --parameters shows them); others are
    frozen."""

    optimiser: Optimiser = "adamw"
    """adamw, adam, adamax (NVAE's), or lamb for large batches."""
    lr: Annotated[float, Bound(least=0, most=100)] = 1e-3
    """Largest learning rate."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay of the running mean of the gradient and of its square."""
    weight_decay: Annotated[float, Bound(least=0, most=1e4)] = 0.0
    """Weight decay: decoupled for adamw and lamb, added to the gradient for adam and adamax."""
    eps: Annotated[float, Bound(least=1e-30, most=1)] = 1e-8
    """Added to the denominator of the update: without it a weight whose gradient is always 0 would become 0 / 0."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate after the warm-up: half a cosine down to the floor at the last step, or constant."""
    warmup: StepsOrNone = 100
    """Steps over which the learning rate rises linearly from nearly zero."""
    lr_length: Annotated[float, Bound(least=0, most=10)] = 0.0
    """Sequences: the power of (mean steps of a batch / mean steps of all) by which the learning rate of its step is
    multiplied (0: never; 1: in proportion)."""
    floor: Fraction = 0.01
    """Learning rate at the end of the cosine, as a fraction of lr."""
    ema: Fraction = 0.999
    """Decay of the averaged weights, which are the ones evaluated and saved for use (0: no averaging)."""
    keep: Literal["last", "best"] = "last"
    """Averaged weights that are saved for use: the last ones, or those of the validation with the highest ELBO."""

    clip: NonNegative = 0.0
    """Largest gradient norm; longer gradients are shortened to it (0: never)."""
    skip_factor: NonNegative = 8.0
    """Skip a step whose gradient norm exceeds this many times the running quantile of the norms (0: never skip)."""
    skip_quantile: Fraction = 0.9
    """The quantile of recent gradient norms, skipped ones counted in, that the skip factor multiplies."""
    skip_window: Count = 200
    """How many recent gradient norms the quantile is taken over."""
    retries: Count = 5
    """Non-finite steps in a row after which training goes back to the last checkpoint at half the learning rate."""
    rollbacks: CountOrNone = 3
    """Times training may go back to the same checkpoint before it gives up."""

    precision: Precision = "32"
    """32, or autocast of the networks to bf16 or to float16 (16: with a factor of the loss that follows what its
    gradients bear; for GPUs without bf16); variances, KL and likelihood stay in float32; auto is bf16 where the machine
    has instructions for it, and 32 elsewhere, and the run keeps which."""
    compile: bool = False
    """Compile the loss with torch.compile: minutes at the start, faster steps after."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Kind of device; auto takes a GPU when there is one."""
    devices: Count | Literal["auto"] = "auto"
    """Devices (on the CPU: processes) of each node; auto takes every GPU, or one process on the CPU."""
    nodes: Count = 1
    """Machines that train together."""
    strategy: Line = "auto"
    """Lightning's name for how several devices work together; auto is ddp when there are several."""

    log_every: Steps = 50
    """Steps between rows of metrics.csv; a row is the mean over the steps since the row before."""
    save_every: Steps = 500
    """Steps between checkpoints."""
    valid_every: StepsOrNone = 500
    """Steps between validations with the averaged weights (0: only at the end)."""
    valid_size: DataOrAll = 2000
    """Data used for a validation during training (0: all of the split)."""
    loggers: tuple[Logger, ...] = ()
    """Loggers beside metrics.csv: tensorboard, wandb."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch % self.accumulate:
            near = max(1, round(self.batch / self.accumulate)) * self.accumulate
            raise HvaeError(
                f"train.batch: expected a multiple of train.accumulate ({self.accumulate}), got {self.batch}; the "
                f"nearest is {near}"
            )
        if self.optimiser == "adamw" and self.lr * self.weight_decay > 1:
            raise HvaeError(
                f"train.weight_decay: a step multiplies the weights by 1 - lr * weight_decay, and that is below 0 for "
                f"lr {self.lr:g} and {self.weight_decay:g}; expected at most {1 / self.lr:g}"
            )
