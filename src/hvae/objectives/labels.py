r"""Data of which some have a label: the bound of a datum without one is summed over all classes.

    log p(x, y) >= J(x, y) = E_q(z|x,y)[log p(x | y, z)] - KL(q(z | x, y) || p(z)) + log p(y)         eq. (6)
    log p(x)    >= U(x)    = sum_y q(y | x) (J(x, y) - log q(y | x))                                  eq. (7)
    loss        = -mean of J where y is known, of U where it is not - alpha mean of log q(y | x) where it is   eq. (9)

Kingma, Rezende, Mohamed and Welling 2014, arXiv 1406.5298.  Their alpha is a tenth of the number of data, for sums over
data; here all are means, and alpha a tenth.

Shapes: `B` data in the batch; `K` classes; row b K + k of the trace is datum b under class k.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae.draw import Draw, given
from hvae.draw.choices import GUESSED
from hvae.errors import HvaeError
from hvae.objectives.loss import Loss, Objective
from hvae.objectives.regulariser import AS_IS, Regulariser
from hvae.walk import Evidence, Model, Trace, run

LABEL = "label"
"""The entry of the context that holds the class of each datum, -1 where it is unknown."""


class Enumeration(Trace):
    """A trace of each datum under every class; `labels` (B,), what was known, -1 for nothing."""

    labels: Tensor

    @property
    def log_guess(self) -> Tensor:
        """log q(y given x), (B, K)."""
        record = self[GUESSED]
        assert record.proposal is not None, "a class that is given is scored against q"
        return record.proposal.log_prob(record.value).unflatten(0, (len(self.labels), -1))


@dataclass(frozen=True)
class Enumerated:
    """Walks a model once under each class, whatever is known."""

    classes: int

    def __call__(self, model: Model, draw: Draw, evidence: Evidence) -> Enumeration:
        if GUESSED not in evidence.features:
            raise HvaeError("expected a model that guesses its class; set model.condition.classifier, as in 500")
        labels, data = evidence.context[LABEL], evidence.n // self.classes
        every = torch.arange(self.classes, device=labels.device).repeat(data)
        hidden = replace(evidence, context={**evidence.context, LABEL: torch.full_like(labels, -1)})
        walked = run(model, given({GUESSED: every.to(evidence.data.dtype)}, draw), hidden)
        trace = Enumeration()
        trace.records, trace.visits, trace.x = walked.records, walked.visits, walked.x
        trace.labels = labels[:: self.classes]
        return trace


class M2(Objective):
    """The negative semi-supervised bound, and `alpha` times the classifier's mean loss on labelled data.

    The trace must come from `loop` on `evidence.repeat(samples)`.  The terms "elbo", "log_likelihood" and "rate/..."
    are means over q(y given x), or at the known class; "classification" is the mean of -log q(y given x) over labelled
    data, "guess_entropy" the mean entropy of q over the others, all in nats.  Raises HvaeError for a trace of another
    loop.

    >>> M2(10).loop
    Enumerated(classes=10)
    """

    def __init__(self, classes: int, *, alpha: float = 0.1, regulariser: Regulariser | None = None) -> None:
        if classes < 2:
            raise HvaeError(f"expected 2 classes or more to guess from, got {classes}")
        self.samples, self.alpha, self.regulariser = classes, alpha, regulariser or AS_IS
        self.loop = Enumerated(classes)

    def __call__(self, trace: Trace, step: int) -> Loss:
        if not isinstance(trace, Enumeration):
            raise HvaeError("expected the trace of every class, got one of run; walk the model by objective.loop")
        log_q, is_known = trace.log_guess, trace.labels >= 0
        at = trace.labels.clamp_min(0)[:, None]
        sure = torch.zeros_like(log_q).scatter(1, at, 1.0)
        weights = torch.where(is_known[:, None], sure, log_q.exp())

        def mean(nats: Tensor) -> Tensor:
            return (weights * nats.view_as(log_q)).sum(1).mean()

        # The trace charges the guess: elbo = J - log q(y | x).
        entropy = torch.where(is_known, 0.0, -(log_q.exp() * log_q).sum(1))
        bound, penalty = mean(trace.elbo() + log_q.flatten()) + entropy.mean(), mean(trace.penalty())
        classification = _mean_of(-log_q.gather(1, at)[:, 0], is_known)
        total = self.alpha * classification + penalty - bound
        watched = {f"rate/{name}": mean(nats) for name, nats in trace.rates().items()}
        terms = {
            "loss": total,
            "elbo": bound,
            "log_likelihood": bound + sum(watched.values()),
            "penalty": penalty,
            "classification": classification,
            "guess_entropy": _mean_of(entropy, ~is_known),
            **watched,
        }
        return Loss(total, {name: term.detach() for name, term in terms.items()})


def _mean_of(values: Tensor, some: Tensor) -> Tensor:
    """The mean of some of the values (B,), 0 of none."""
    return torch.where(some, values, 0.0).sum() / some.sum().clamp_min(1)
