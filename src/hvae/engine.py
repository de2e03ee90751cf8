"""Who computes what is read of a walk: torch, or a graph of it that another runtime runs.

Sampling, bounds, scores and features each read a few numbers a row of a walk, and are, given their noise, functions of
tensors.  As `Question`s they can be answered by anybody who computes the same.

Shapes: `n` rows; `...` the own shape of an answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.datum import Datum
from hvae.records import JSON
from hvae.walk import Evidence, Model

Answers = Mapping[str, Tensor]
"""What is read of a walk, by name, each (n, ...)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Question:
    """What is read of the walks of a model, as a function of what they see: answers by name, each (n, ...).

    `name` tells the questions about one model apart; `of` answers one from evidence and from `settings`, numbers (S,)
    that differ from call to call.  `by_torch` computes the same where settings need not be tensors; it decides which
    random numbers are drawn, and in which order.
    """

    name: str
    model: Model
    of: Callable[[Evidence, Tensor], Answers]
    settings: Tensor = field(default_factory=lambda: torch.empty(0))
    by_torch: Callable[[Evidence], Answers] | None = None

    def answer(self, evidence: Evidence) -> Answers:
        """The answers as torch computes them."""
        return self.of(evidence, self.settings) if self.by_torch is None else self.by_torch(evidence)


@dataclass(frozen=True, kw_only=True)
class Use:
    """Who has answered: torch, or a back end by `name` and `version`.

    `difference`, its largest from torch's answers, relative to the largest value of an answer; `instead_of`, the back
    end that was asked for where torch has answered in its place, and the `reason`.
    """

    name: str = "torch"
    version: str = torch.__version__
    difference: float = 0.0
    instead_of: str = ""
    reason: str = ""

    @property
    def is_other(self) -> bool:
        """Whether another than torch was asked for."""
        return self.name != "torch" or bool(self.instead_of)

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        if self.instead_of:
            return {"name": self.name, "version": self.version, "instead_of": self.instead_of, "reason": self.reason}
        return {"name": self.name, "version": self.version, "difference": self.difference}


class Engine(ABC):
    """Who answers questions: the same answers to rounding, from the same random numbers."""

    @property
    @abstractmethod
    def use(self) -> Use:
        """Who has answered so far."""

    @abstractmethod
    def answer(self, question: Question, evidence: Evidence) -> Answers:
        """What is asked of walks that see this."""

    def evidence(self, model: Model, data: Tensor | Datum, context: Context | None = None) -> Evidence:
        """What a walk may see of the data, as `Model.evidence` has it; its features are an answer too."""
        bare = model.bare(data, context)
        return replace(bare, features=self.answer(_way_up(model), bare))


def _way_up(model: Model) -> Question:
    return Question(name="features", model=model, of=lambda bare, _: model.features(bare.datum))


class Torch(Engine):
    """Torch itself, for any model."""

    @property
    def use(self) -> Use:
        return Use()

    def answer(self, question: Question, evidence: Evidence) -> Answers:
        return question.answer(evidence)


TORCH: Engine = Torch()
