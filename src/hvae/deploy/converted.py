"""A question as a graph in the form of another runtime, converted once for its user.

Shapes: `n` rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from hvae import __version__
from hvae.deploy.formats import Format, Runner, exported, quiet
from hvae.deploy.graphs import Asked
from hvae.deploy.store import store, stored
from hvae.engine import Answers, Question
from hvae.walk import Evidence


class Converted:
    """A graph that answers one question about one model: read where it is stored, else made and stored.

    `identity` says which model it is.  Raises HvaeError where the model has no graph, and what the runtime raises.
    """

    def __init__(self, kind: Format, function: Asked, identity: str) -> None:
        self.kind, self.function = kind, function
        # A model without a way up has no features, and nothing is no graph.
        self.run: Runner = self._runner(_key(kind, function, identity)) if function.answers else lambda arguments: ()

    def _runner(self, key: str) -> Runner:
        place = stored(key) or store(key, self._write)
        return self.kind.runner(self.function, self._file(place))

    def answer(self, question: Question, evidence: Evidence, numbers: Sequence[Tensor]) -> Answers:
        """The answers to the question with its settings, from the random numbers that torch would draw for it.

        Numbers that torch has no need of, as those of levels that keep their mode, may be missing at the end; numbers
        beyond those of the graph are of data that nobody reads.
        """
        calls = self.function.calls
        rest = [torch.ones(evidence.n, *call.shape, dtype=call.dtype) for call in calls[len(numbers) :]]
        settings = question.settings
        outputs = self.run(self.function.filled(evidence, [*numbers[: len(calls)], *rest], settings))
        return dict(zip(self.function.answers, outputs, strict=True))

    def _file(self, place: Path) -> Path:
        return place / f"graph{self.kind.suffix}"

    def _write(self, place: Path) -> None:
        graph = exported(self.function)
        with quiet():
            self.kind.write(graph, self.function, "{}", self._file(place))


def _key(kind: Format, function: Asked, identity: str) -> str:
    """A name for all that a graph depends on."""
    arguments = zip(function.names, function.arguments(2), strict=True)
    parts = {
        "versions": [__version__, torch.__version__, kind.runtime, version(kind.runtime)],
        "kind": type(kind).__name__,
        "model": identity,
        "question": function.question.name,
        "arguments": {name: [str(t.dtype), *t.shape[1:]] for name, t in arguments},
        "answers": function.outputs,
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
