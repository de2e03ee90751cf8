"""A back end: questions about a walk answered by another runtime, as long as it says what torch says.

A question becomes a graph once, which is kept for its user.  The first answers of each are compared with torch's on the
same random numbers; where they differ, or where there is no graph, torch answers everything from there on.

Shapes: `n` rows.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import torch
from torch import Tensor

from hvae.deploy.converted import Converted
from hvae.deploy.formats import ONNX, Compiled, Format, OpenVINO, apart
from hvae.deploy.graphs import Asked
from hvae.deploy.programs import generative_obstacle, obstacle
from hvae.deploy.tape import Call, recording
from hvae.engine import Answers, Engine, Question, Use
from hvae.errors import HvaeError, unknown
from hvae.walk import Evidence, Model, device_of
from hvae.weights import digest

MOST = 1e-4
"""The largest difference from torch, relative to the largest value of an answer: float32 in another order takes a
hundredth of it, and a formula that loses the tails of a likelihood took four times as much."""
BACKENDS: dict[str, Format] = {"onnxruntime": ONNX(), "openvino": OpenVINO(), "compile": Compiled()}
Case = tuple[str, tuple[float, ...]]
"""A question by its name, with its settings."""


def _silent(line: str) -> None:
    """Hears nothing."""


class Backend(Engine):
    """A runtime that answers in place of torch: the same random numbers, the same answers to rounding.

    Arguments: `name`, one of `BACKENDS`; `identity`, all that decides what a model computes beside its weights, as the
    text of its configuration; `tell`, who hears the line that says why torch answers instead.  Raises HvaeError for a
    back end that there is not, and for libraries that are missing.
    """

    def __init__(self, name: str, identity: str, tell: Callable[[str], object] = _silent) -> None:
        if name not in BACKENDS:
            raise unknown("back end", name, ["torch", *BACKENDS])
        self.name, self.identity, self.tell, self.kind = name, identity, tell, BACKENDS[name]
        self.kind.check()
        self.difference, self.reason = 0.0, ""
        self._graphs: dict[str, Converted] = {}
        self._calls: dict[Case, list[Call]] = {}

    @property
    def use(self) -> Use:
        if self.reason:
            return Use(instead_of=self.name, reason=self.reason)
        return Use(name=self.name, version=version(self.kind.runtime), difference=self.difference)

    def answer(self, question: Question, evidence: Evidence) -> Answers:
        case = (question.name, tuple(question.settings.tolist()))
        before = torch.get_rng_state()
        try:
            if not self.reason and case in self._calls:
                return self._graphs[question.name].answer(question, evidence, self._drawn(case, evidence.n))
            if not self.reason:
                return self._compared(case, question, evidence)
        except Exception as fault:  # a runtime of others can raise anything
            self.reason = " ".join(str(fault).split())[:200]
            self.tell(f"{self.name} is not used: {self.reason}; torch computes instead")
        torch.set_rng_state(before)
        return question.answer(evidence)

    def _drawn(self, case: Case, n: int) -> list[Tensor]:
        return [call.drawn(n) for call in self._calls[case]]

    def _compared(self, case: Case, question: Question, evidence: Evidence) -> Answers:
        """The answers.  Raises HvaeError unless torch gives the same, after as many random numbers."""
        before = torch.get_rng_state()
        graph = self._graph(question, evidence)
        torch.set_rng_state(before)
        with recording() as self._calls[case]:
            expected = question.answer(evidence)
        after = torch.get_rng_state()
        torch.set_rng_state(before)
        numbers = self._drawn(case, evidence.n)
        if not torch.equal(torch.get_rng_state(), after):
            raise HvaeError("this walk draws its random numbers in a way that is not followed")
        answers = graph.answer(question, evidence, numbers)
        self.difference = max(self.difference, _difference(expected, answers))
        return answers

    def _graph(self, question: Question, evidence: Evidence) -> Converted:
        if question.name not in self._graphs:
            _check(question.model, evidence)
            identity = f"{self.identity} {digest(question.model.state_dict())}"
            self._graphs[question.name] = Converted(self.kind, Asked(question, evidence), identity)
        return self._graphs[question.name]


def _check(model: Model, evidence: Evidence) -> None:
    """Raises HvaeError where a walk is no graph, or is not the processor's."""
    if (device := device_of(model).type) != "cpu":
        raise HvaeError(f"the model is on {device}, and back ends are of the processor")
    if reason := obstacle(model) or (generative_obstacle(model) if evidence.x is None else ""):
        raise HvaeError(reason)


def _difference(expected: Answers, answers: Answers) -> float:
    """The largest difference.  Raises HvaeError where it is more than `MOST`."""
    pairs = [(right, answers[name]) for name, right in expected.items()]
    for right, got in pairs:
        if right.shape != got.shape:
            raise HvaeError(f"expected answers of shape {tuple(right.shape)}, got {tuple(got.shape)}")
    differences = [_apart(right, got).detach() for right, got in pairs]
    largest = float(torch.stack([torch.zeros(()).double(), *differences]).max())
    if not largest <= MOST:
        raise HvaeError(f"its first answers differ from torch's by {largest:.1e} of the largest value")
    return largest


def _apart(right: Tensor, got: Tensor) -> Tensor:
    # Nats are sums: the rate of a level that says nothing is what rounding has left of thousands of terms.
    return apart(right, got, least=1.0) if right.ndim == 1 else apart(right, got)
