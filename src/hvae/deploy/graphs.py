"""Questions about a walk as functions of tensors: what it sees, its settings and its random numbers are arguments.

Shapes: `n` rows; `...` the own shape of an argument or of an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from hvae.deploy.programs import DATA, Function
from hvae.deploy.tape import Call, Handing, recording
from hvae.engine import Question
from hvae.errors import HvaeError
from hvae.modules import still
from hvae.walk import Evidence

SETTINGS = "settings"


class Asked(Function):
    """A question as a function: data, context, features, random numbers and settings in, the answers by name out.

    It is traced on the first rows of `sample`, evidence of the kind that it will be asked about.  Raises HvaeError
    where no graph can answer: evidence with gaps or lengths, and answers that depend on nothing.
    """

    fixed = frozenset({SETTINGS})

    def __init__(self, question: Question, sample: Evidence) -> None:
        super().__init__()
        _check(sample)
        self.question, self.model, self.sample = question, question.model, _rows(sample, 2)
        self.context, self.features = list(sample.context), list(sample.features)
        self.has_data = sample.x is not None
        with still(self.model, seed=0), recording() as calls:
            answers = question.of(self.sample, question.settings)
        self.calls: tuple[Call, ...] = tuple(calls)
        self.answers = tuple(answers)
        self.outputs = tuple(f"answer_{name}" for name in answers)
        if not self.inputs(sample) and not calls:
            raise HvaeError("its walk draws no numbers that can be handed in")

    @property
    def names(self) -> list[str]:
        evidence = [DATA] * self.has_data + [f"context_{name}" for name in self.context]
        evidence += [f"feature_{name}" for name in self.features]
        numbers = [f"numbers_{i}" for i in range(len(self.calls))]
        return [*evidence, *numbers, *[SETTINGS] * self.has_settings]

    @property
    def has_settings(self) -> bool:
        """Whether the answers depend on settings at all."""
        return self.question.settings.numel() > 0

    def inputs(self, evidence: Evidence) -> list[Tensor]:
        """What the walk sees, in the order of `names`."""
        data = [evidence.data] if self.has_data else []
        return [
            *data,
            *(evidence.context[name] for name in self.context),
            *map(evidence.features.__getitem__, self.features),
        ]

    def filled(self, evidence: Evidence, numbers: Sequence[Tensor], settings: Tensor) -> tuple[Tensor, ...]:
        """All arguments, in the order of `names`."""
        _check(evidence)
        return (*self.inputs(evidence), *numbers, *[settings] * self.has_settings)

    def arguments(self, n: int, seed: int = 0) -> tuple[Tensor, ...]:
        with still(self.model, seed):
            numbers = [call.drawn(n) for call in self.calls]
        return self.filled(_rows(self.sample, n), numbers, self.question.settings)

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        rest = iter(arguments)
        x = next(rest) if self.has_data else None
        context, features = (
            dict(zip(names, islice(rest, len(names)), strict=True)) for names in (self.context, self.features)
        )
        numbers = list(islice(rest, len(self.calls)))
        settings = next(rest, self.question.settings)
        # Not len(): a graph keeps its rows open.
        evidence = Evidence(arguments[0].shape[0], x, context, features)
        with Handing(numbers):
            return tuple(self.question.of(evidence, settings).values())


def _check(evidence: Evidence) -> None:
    """Raises HvaeError for evidence that is more than tensors of the same rows."""
    if evidence.observed is not None:
        raise HvaeError("values of these data are missing, and graphs are of whole data")
    if evidence.lengths is not None or evidence.horizon is not None:
        raise HvaeError("sequences are walked one step after another")


def _rows(evidence: Evidence, n: int) -> Evidence:
    """n rows of the evidence, from the first on, and over again where it has fewer."""
    places = torch.arange(n) % evidence.n
    x = None if evidence.x is None else evidence.x[places]
    context, features = (
        {name: t[places] for name, t in part.items()} for part in (evidence.context, evidence.features)
    )
    return Evidence(n, x, context, features)
