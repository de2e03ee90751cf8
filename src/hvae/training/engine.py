"""The engine: Lightning Fabric launches processes and manages devices, precision and loggers.

Fabric and not the Trainer of the same package, since the loop here must be able to drop a step, go back to a
checkpoint and resume to the last bit; it also costs less (per step, on one core: 0.05 ms against 0.5 ms).
"""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from hvae.config.train import TrainConfig
from hvae.errors import HvaeError, missing_extra, short, unknown
from hvae.training.precision import settled

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from lightning.fabric.loggers import Logger
    from lightning.fabric.plugins.precision import MixedPrecision

_PROCESSES = 16
"""Devices of one machine that are always accepted, whatever the number of its cores."""
_ENGINE_PRECISION: dict[str, Literal["bf16-mixed", "32-true"]] = {"bf16": "bf16-mixed", "32": "32-true"}
_EXTRAS = {"tensorboard": "log", "wandb": "wandb"}
_REQUESTS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_NUMBERS = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT"),
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "JSM_NAMESPACE_RANK"),
)
"""Variables of the environment by which launchers number their processes."""


def engine(config: TrainConfig) -> Fabric:
    """Fabric as the configuration wants it; nothing is written, nothing launched.

    Raises HvaeError for unavailable devices, strategies or loggers, and numbers of a launcher that are none.
    """
    _check_devices(config)
    _check_precision(config)
    _check_loggers(config)
    _check_launcher()
    # Here and not at the top: it takes seconds, which only training should pay.
    import lightning as L

    precision = settled(config)[0].precision

    # Start-up chatter of each process, which comes under either name; warnings stay.
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        return L.Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.nodes,
            strategy=config.strategy,
            precision=_ENGINE_PRECISION.get(precision),
            plugins=[_float16(config.accelerator)] if precision == "16" else [],
        )
    except Exception as fault:  # each strategy has packages and wishes of its own, and faults to match
        where = f"accelerator={config.accelerator}, devices={config.devices}, strategy={config.strategy}"
        raise HvaeError(f"cannot train with train.{where}: {' '.join(str(fault).split())}") from fault


def _float16(accelerator: str) -> MixedPrecision:
    """The engine's part of float16, without its factor of the loss: ours is saved with the run (LossScale)."""
    from lightning.fabric.plugins.precision import MixedPrecision

    device = "cuda" if accelerator in ("auto", "cuda") and torch.cuda.is_available() else "cpu"
    return MixedPrecision("16-mixed", device, torch.amp.GradScaler(device, enabled=False))


def _check_precision(config: TrainConfig) -> None:
    """Raises HvaeError for float16 on a kind of device on which it was never tried."""
    if config.precision == "16" and config.accelerator == "mps":
        raise HvaeError("train.precision: expected 32 on mps, where float16 has not been tried, got 16")


def _check_devices(config: TrainConfig) -> None:
    """Raises HvaeError for too many processes on one machine: on the CPU each device is a process."""
    most = max(_PROCESSES, os.cpu_count() or 1)
    if config.devices != "auto" and config.devices > most:
        raise HvaeError(f"train.devices: expected at most {most} on this machine, got {config.devices}")
    if config.strategy.endswith("_spawn"):
        raise HvaeError(
            f"train.strategy={config.strategy} cannot pass on a run to its processes; set train.strategy ddp"
        )


def _check_launcher() -> None:
    """Raises HvaeError for a number of a launcher that is none: the engine reads them as soon as it is imported."""
    for name in _NUMBERS:
        number = os.environ.get(name, "0")
        if not re.fullmatch(r"-?[0-9]{1,9}", number):
            raise HvaeError(f"the environment has {name}={short(number)}, expected a number; unset {name}")


def is_first(fabric: Fabric) -> bool:
    """Whether this process is the one of a run that writes files; also before the others are launched.

    The engine decides and not the environment alone: a process with a number of its own from torchrun or SLURM still
    trains alone when the configuration asks for one device.
    """
    from lightning.fabric.strategies import ParallelStrategy

    strategy = fabric.strategy
    environment = strategy.cluster_environment if isinstance(strategy, ParallelStrategy) else None
    return environment is None or (environment.node_rank() == 0 and environment.local_rank() == 0)


def first_process(config: TrainConfig | None = None) -> bool:
    """Whether this process is the one of a run that writes files; also before `fit` has launched the others.

    Launchers (torchrun, SLURM, Lightning's own) tell each process its number in its environment.  `config` is what
    `fit` will get; a run without one is of one process.
    """
    return is_first(engine(config or TrainConfig()))


def loggers(config: TrainConfig, folder: Path) -> list[Logger]:
    """The loggers of a run, which may write into its folder from now on."""
    make = {"tensorboard": _tensorboard, "wandb": _wandb}
    return [make[name](folder) for name in config.loggers]


def _check_loggers(config: TrainConfig) -> None:
    for name in config.loggers:
        if name not in _EXTRAS:
            raise unknown("logger", name, _EXTRAS)
        if find_spec(name) is None:
            raise missing_extra(name, _EXTRAS[name])


def _tensorboard(folder: Path) -> Logger:
    from lightning.fabric.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="tensorboard", version="")


def _wandb(folder: Path) -> Logger:
    from lightning.pytorch.loggers import WandbLogger

    return WandbLogger(name=folder.name, save_dir=folder, project="hvae")


def over_processes(t: Tensor) -> Tensor:
    """The mean of a detached tensor over all processes that train together; itself where there is one.

    What `hvae.objectives.build` takes as `average`.

    >>> over_processes(torch.ones(2))
    tensor([1., 1.])
    """
    together = torch.distributed
    if not (together.is_available() and together.is_initialized() and together.get_world_size() > 1):
        return t
    t = t.detach().clone()
    together.all_reduce(t)
    return t / together.get_world_size()


@dataclass
class StopSign:
    """Whether the run is to stop after the current step."""

    is_interrupted: bool = False


@contextmanager
def stop_sign() -> Iterator[StopSign]:
    """The first Ctrl-C, SIGTERM or SIGHUP requests a stop after the current step; the second has its usual effect.

    What is ignored, as SIGHUP is under nohup, stays ignored.  Only a program's main thread may listen for signals;
    elsewhere nothing changes.
    """
    sign = StopSign()
    if threading.current_thread() is not threading.main_thread():
        yield sign
        return

    def ask(number: int, frame: object) -> None:
        sign.is_interrupted = True
        signal.signal(number, before[number])

    requests = [number for number in _REQUESTS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before: dict[int, Any] = {number: signal.signal(number, ask) for number in requests}
    try:
        yield sign
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
