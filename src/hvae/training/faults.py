"""Handling of non-finite losses: diagnosis, dropped steps, returns to a checkpoint, and a final error with advice."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hvae.config.train import TrainConfig
from hvae.data.order import StepSampler
from hvae.data.sources import Batches
from hvae.errors import HvaeError
from hvae.objectives import first_nonfinite
from hvae.training.feed import feed
from hvae.training.learner import Learner

_LENGTH = (
    "the length of the gradient, although its numbers and the terms of the loss are finite: some datum is an extreme "
    "outlier, which train.clip would shorten"
)


def culprit(learner: Learner, split: Batches, sampler: StepSampler) -> str:
    """What was not finite in the sampler's first step, in words: the first finding of any process.

    The step is walked once more: its weights did not move, and its noise is a function of its number.  So nothing has
    to be kept for this while all goes well.
    """
    fabric = learner.fabric
    mine = _in_traces(learner, split, sampler) or _in_gradients(learner)
    findings = [fabric.broadcast(mine, src=rank) for rank in range(fabric.world_size)]
    return next((text for text in findings if text), _LENGTH)


def _in_traces(learner: Learner, split: Batches, sampler: StepSampler) -> str | None:
    micros = feed(split, sampler, learner.fabric.device)
    return next((text for micro, x in micros if (text := first_nonfinite(learner.retrace(micro, x)))), None)


def _in_gradients(learner: Learner) -> str | None:
    gradients = ((name, w.grad) for name, w in learner.model.named_parameters() if w.grad is not None)
    # All processes hold the same averaged gradient, so this tells no more than that the trace was sound here.
    return next((f"gradient of {name}" for name, g in gradients if not bool(torch.isfinite(g).all())), None)


@dataclass
class Patience:
    """Counts failures: how many in a row, and how often training went back to the same checkpoint.

    >>> patience = Patience(TrainConfig(retries=2))
    >>> patience.failed(), patience.failed()
    (False, True)
    """

    config: TrainConfig
    row: int = 0
    returns: int = 0

    def failed(self) -> bool:
        """Count a failed step; True when it is time to go back."""
        self.row += 1
        return self.row >= self.config.retries

    def went_well(self) -> None:
        self.row = 0

    def saved(self) -> None:
        """A new checkpoint: what came before is behind us."""
        self.returns = 0

    def went_back(self, step: int, what: str) -> None:
        """Count a return to the checkpoint of `step`.  Raises HvaeError when that has been tried often enough."""
        self.row, self.returns = 0, self.returns + 1
        if self.returns > self.config.rollbacks:
            raise HvaeError(
                f"the loss keeps turning non-finite after step {step} ({what}), even after {self.config.rollbacks} "
                f"returns to it with half the learning rate each; lower train.lr (now {self.config.lr:g}), lengthen "
                "train.warmup, set train.clip, or train with train.precision=32"
            )
