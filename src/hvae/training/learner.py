"""Optimiser steps: weights, moments, running average and recent gradient norms.

Shapes: `B` data of one micro-batch; `T` named terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hvae.compiled import compiled
from hvae.config.train import TrainConfig
from hvae.data.order import MicroBatch
from hvae.datum import Datum
from hvae.errors import HvaeError
from hvae.objectives import Objective
from hvae.training.average import Average
from hvae.training.guard import NormGuard
from hvae.training.loss import Batch, LossStep, walked
from hvae.training.norms import long_norm, shorten
from hvae.training.optimisers import MOMENTS, optimiser
from hvae.training.saving import LearnerState
from hvae.training.scaling import LossScale
from hvae.training.seeds import seed_posterior
from hvae.walk import Model, Trace

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Fed = tuple[MicroBatch, Datum]


class Fate(Enum):
    """The outcome of a step: taken, skipped or dropped."""

    TAKEN = "taken"
    SKIPPED = "skipped"
    """Its gradient norm was far above the recent ones."""
    DROPPED = "dropped"
    """Its loss or gradient was not finite."""
    OVERFLOWN = "overflown"
    """Its gradient did not fit into float16 at the factor of the loss, which was halved."""


@dataclass(frozen=True)
class Outcome:
    """One step: its fate, its terms (T,) by name, and whether any process is out of time or interrupted."""

    fate: Fate
    names: tuple[str, ...]
    values: Tensor
    late: bool
    is_interrupted: bool


class Learner:
    """One optimiser step after another, the same whatever number of processes share it."""

    def __init__(self, fabric: Fabric, model: Model, objective: Objective, config: TrainConfig) -> None:
        self.fabric, self.model, self.objective, self.config = fabric, model, objective, config
        loss = LossStep(model, objective)
        moments = optimiser(config, model.parameters())
        forward: Any = compiled(loss) if config.compile else loss
        self.loss, self.optimiser = fabric.setup(forward, moments)
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.average = Average(model, config.ema)
        self.guard = NormGuard(config)
        self.scale = LossScale() if config.precision == "16" else LossScale(most=1.0)

    def step(self, batches: Iterator[Fed], lr: float, late: bool = False, is_interrupted: bool = False) -> Outcome:
        """Take the micro-batches of one step from `batches`; take, skip or drop the step."""
        names, terms = self._backward(batches)
        gradients = [w.grad for w in self.weights if w.grad is not None]
        if self.scale.factor != 1.0:
            torch._foreach_mul_(gradients, 1 / self.scale.factor)
        norm = torch.nn.utils.get_total_norm(gradients)
        values = self.over_processes(torch.cat([terms, terms.new_tensor([late, is_interrupted])]))
        # The one wait for the device in a step.  To decide there instead would mean a select over every weight and
        # moment, since a zero gradient still moves Adam; this waits for two numbers that are ready anyway.
        loss, *flags, length = torch.stack([values[names.index("loss")], *values[-2:], norm]).tolist()
        if self.config.clip and isfinite(loss) and not isfinite(length):
            length = long_norm(gradients)
            norm = norm.new_tensor(length)
        fate = self._fate(loss, length)
        if fate is Fate.TAKEN:
            self._update(gradients, length, lr)
        return Outcome(fate, ("grad_norm", *names), torch.cat([norm[None], values[:-2]]), *(f > 0 for f in flags))

    def _backward(self, batches: Iterator[Fed]) -> tuple[tuple[str, ...], Tensor]:
        self.optimiser.zero_grad(set_to_none=True)
        self.model.before_step()
        parts, names, sums = self.config.accumulate, (), torch.zeros(())
        for part, (micro, datum) in enumerate(islice(batches, parts)):
            seed_posterior(self.config.seed, micro.step, micro.shard)
            with self.fabric.no_backward_sync(self.loss, enabled=part < parts - 1):
                total, terms = self.loss(Batch(datum), micro.step)
                self.fabric.backward(total / (parts / self.scale.factor))
            values = torch.stack(list(terms.values())) / parts  # (T,)
            names, sums = tuple(terms), values if part == 0 else sums + values
        return names, sums

    def over_processes(self, values: Tensor) -> Tensor:
        """The mean of some numbers over all processes."""
        if self.fabric.world_size == 1:
            return values
        mean: Any = self.fabric.all_reduce(values, reduce_op="mean")
        return mean

    def _fate(self, loss: float, norm: float) -> Fate:
        if not (isfinite(loss) and isfinite(norm)):
            return Fate.OVERFLOWN if isfinite(loss) and self.scale.falls() else Fate.DROPPED
        self.scale.holds()
        return Fate.TAKEN if self.guard.passes(norm) else Fate.SKIPPED

    def _update(self, gradients: list[Tensor], norm: float, lr: float) -> None:
        if self.config.clip:
            shorten(gradients, norm, self.config.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.step()
        self.model.after_step()
        self.average.update()

    @torch.no_grad()
    def retrace(self, micro: MicroBatch, datum: Datum) -> Trace:
        """The trace of a micro-batch once more, up to rounding: weights and noise are those of its step."""
        seed_posterior(self.config.seed, micro.step, micro.shard)
        with self.fabric.autocast():
            return walked(self.model, self.objective, datum, micro.step)

    def sound(self) -> bool:
        """Whether every weight is finite: what must hold of anything that is saved."""
        return bool(torch.stack(torch._foreach_norm([w.detach() for w in self.weights])).isfinite().all())

    def state(self) -> LearnerState:
        return {
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "updates": self.average.updates,
            "optimiser": self.optimiser.optimizer.state_dict(),
            "guard": self.guard.state(),
            "scale": self.scale.state(),
        }

    def restore(self, state: LearnerState) -> None:
        """Take up the state of an earlier learner.  Raises HvaeError if it was another model's."""
        moments = self.optimiser.optimizer
        try:
            self.model.load_state_dict(state["model"])
            self.average.model.load_state_dict(state["average"])
            # Moments are the run's, but betas and decay are what the configuration says now.
            now = moments.state_dict()["param_groups"]
            self._check_moments(state["optimiser"]["state"])
            moments.load_state_dict({"state": state["optimiser"]["state"], "param_groups": now})
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as fault:
            raise HvaeError(
                f"the checkpoint is damaged, or of another model or optimiser ({_first_line(fault)})"
            ) from fault
        self.average.updates = state["updates"]
        self.guard.restore(state["guard"]["norms"], state["guard"]["streak"])
        self.scale.restore(**state.get("scale", self.scale.state()))

    def _check_moments(self, state: Mapping[int, Mapping[str, Any]]) -> None:
        """Raises ValueError unless the memory is of this optimiser and these weights: the next step would fail."""
        for number, remembered in state.items():
            weight, (step, *moments) = self.weights[number], MOMENTS[self.config.optimiser]
            if set(remembered) != {step, *moments} or not isinstance(remembered[step], (int, Tensor)):
                raise ValueError(f"its optimiser is not {self.config.optimiser}")
            if any(remembered[name].shape != weight.shape for name in moments):
                raise ValueError(f"the moments of weight {number} have another shape than the weight")


def _first_line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:200]
