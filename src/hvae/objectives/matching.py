r"""Posterior matching: inference that reads partly seen data, taught by the inference that read all of them.

    loss = E_{x, seen} E_{z ~ q(z|x)} sum_l KL(q(z_l | z_{>l}, x) || r(z_l | z_{>l}, x_seen))

up to the entropy of q the E[-log r(z | x_seen)] of Strauss and Oliva 2022, arXiv 2201.12414, eq. (4); its optimum is
E[q(z | x) | x_seen], as near as the family of r comes, and that is p(z | x_seen) where q is exact.  What is not seen is
read as the mean of what is.

Shapes: `B` data; `...` a datum.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.datum import Datum, filled
from hvae.distributions import divergence, sum_rest
from hvae.draw import Draw, given, posterior
from hvae.errors import HvaeError
from hvae.objectives.loss import Loss, Objective, per_datum
from hvae.site import pin
from hvae.trace import summed
from hvae.walk import Evidence, Model, Trace, device_of, run


def hiding(x: Tensor) -> Tensor:
    """Random masks of data (B, ...), bool, true where seen: in half of the data each place is seen with a probability
    of its datum's own, uniform in (0, 1); in the other half of those that are maps, one box is hidden, or all but it.

    The channels of a place are seen together.  A box spans a whole axis half of the time: a strip, or a half.
    """
    places = (len(x), 1, *x.shape[2:]) if x.ndim > 2 else x.shape
    share = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device)
    mask = torch.rand(places, device=x.device) < share
    if x.ndim > 2:
        mask = torch.where(_coin(x), mask, _box(x) == _coin(x))
    return mask.expand_as(x)


def _box(x: Tensor) -> Tensor:
    """True inside of one box for each map, (B, 1, ...)."""
    inside = torch.ones(len(x), *[1] * (x.ndim - 1), dtype=torch.bool, device=x.device)
    for axis, side in enumerate(x.shape[2:], start=2):
        ends = torch.rand(2, len(x), *[1] * (x.ndim - 1), device=x.device)
        at = (torch.arange(side, device=x.device) + 0.5) / side
        at = at.view(side, *[1] * (x.ndim - axis - 1))
        within = (at > ends.amin(0)) & (at < ends.amax(0))
        inside = inside & (within | _coin(x))
    return inside


def _coin(x: Tensor) -> Tensor:
    """True or false for each datum, as probable, (B, 1, ...)."""
    return torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) < 0.5


class Lesson(Trace):
    """The walk of inference that saw a part, at the values of the one that saw all; `whole`, the trace of that."""

    whole: Trace


@dataclass(frozen=True, eq=False)
class Taught:
    """Walks a model on data of which something is hidden, through latents that its `teacher` draws given all."""

    teacher: Model

    def __call__(self, model: Model, draw: Draw, evidence: Evidence) -> Lesson:
        teacher, x = self.teacher.to(device_of(model)), evidence.data
        mask = hiding(x) if evidence.observed is None else hiding(x) & evidence.observed
        with torch.no_grad():
            datum = Datum(x, evidence.context, evidence.observed)
            whole = run(teacher, posterior, teacher.evidence(datum, check=False))
        values = {pin(record.key): record.value for record in whole.latents}
        part = run(model, given(values), model.evidence(filled(x, mask), evidence.context, check=False))
        lesson = Lesson()
        lesson.records, lesson.visits, lesson.x, lesson.whole = part.records, part.visits, part.x, whole
        return lesson


class Matching(Objective):
    """The divergence of inference that sees a part from the `teacher`'s that sees all, in nats a datum.

    The terms "matching/z1", ... are the parts of each level, given the levels above, summed over the steps of a
    recurring name.
    """

    samples = 1

    def __init__(self, teacher: Model) -> None:
        self.loop = Taught(teacher.eval().requires_grad_(False))

    def __call__(self, trace: Trace, step: int) -> Loss:
        if not isinstance(trace, Lesson):
            raise HvaeError("expected the trace of partly seen data, got one of run; walk the model by objective.loop")
        terms = summed([(f"matching/{record.name}", _missed(record.key, trace)) for record in trace.latents])
        total = torch.stack(list(terms.values())).sum()
        return Loss(total, {"loss": total.detach(), **{name: term.detach() for name, term in terms.items()}})


def _missed(key: tuple[str, int | None], lesson: Lesson) -> Tensor:
    """E KL(q || r) of one variable, ()."""
    taught, learnt = lesson.whole.records[key], lesson.records[key]
    assert taught.q is not None and learnt.q is not None, "inference proposes every latent"
    return per_datum(sum_rest(divergence(taught.q, learnt.q, taught.value)[0]))
