"""The walk: a model, and the one loop that runs it.

A model is a walk over its random variables.  At each it calls `visit(Site)`, is handed a value, and walks on; a draw
decides where values come from.  One identity then scores every run, latents and data alike:

    log w = sum over sites of  log p(value) - log proposal(value)

Its expectation under q is the ELBO, its log-mean-exp over K rows the IWAE bound, and minus its log2 the net bits of a
bits-back coder.

Shapes: `B` batch; `C H W` an image; `K` samples per datum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from hvae.checks import check_context, check_keys, check_masks, check_single, check_thinned, check_value, misshapen
from hvae.condition import Conditions, Context, row_count
from hvae.condition import rows as context_rows
from hvae.counts import whole
from hvae.datum import Datum, as_datum, relevant
from hvae.draw import Draw, as_draw, brief, posterior, prior
from hvae.errors import HvaeError, entries
from hvae.evidence import Evidence, row_number
from hvae.modules import device_of, still
from hvae.range import Limits, check_values
from hvae.site import Site, Visit
from hvae.trace import Record, Trace

__all__ = [
    "Chain",
    "Evidence",
    "Model",
    "Record",
    "Stepwise",
    "Trace",
    "Visit",
    "device_of",
    "glimpse",
    "names",
    "run",
    "run_step",
    "still",
]


class Model(nn.Module, ABC):
    """A generative model with inference, as one walk over its random variables.

    A subclass sets `shape`, the shape of one datum, and writes `features` (every deterministic thing inference
    computes from the data) and `walk`.  `conditions` says what it asks of the context by name, `limits` the range that
    its data must lie in, as its likelihood wants it; none unless it says otherwise.  A `timed` model takes sequences of
    any length: the first axis of its `shape` is time, and says only how many steps it generates unless told otherwise.
    Training, sampling, evaluation and coding are draws; none of them is a method here.
    """

    shape: tuple[int, ...]
    timed: ClassVar[bool] = False
    conditions: Conditions = MappingProxyType({})
    limits: Limits | None = None

    @abstractmethod
    def features(self, datum: Datum) -> dict[str, Tensor]:
        """Deterministic features of the data and their context by name, each (B, ...)."""

    @abstractmethod
    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        """Visit every variable once it is known; return the data.  Without data, `evidence.n` of them are generated."""

    def evidence(self, data: Tensor | Datum, context: Context | None = None, *, check: bool = True) -> Evidence:
        """What a walk may see of the data, (B, *shape), and their context.

        A datum's own context may hold more than the model asks for; `context` speaks to this model, and takes the
        place of the datum's.  Values are converted to the floating type of the weights; without `check` nobody looks
        whether they lie in the `limits` of the model.  Raises HvaeError for data of another shape or range, for NaN,
        for integers, and for a context that does not fit.
        """
        bare = self.bare(data, context, check=check)
        return Evidence(bare.n, bare.x, bare.context, self.features(bare.datum), bare.observed, bare.lengths)

    def bare(self, data: Tensor | Datum, context: Context | None = None, *, check: bool = True) -> Evidence:
        """The same without the features of the data, before any network has run."""
        datum = as_datum(data)
        self._check_shape(tuple(datum.x.shape))
        values = {**relevant(datum, self.conditions).context, **entries(context)}
        x, observed = datum.x, datum.observed
        if observed is not None:
            # What is not observed may be NaN, which no mask takes out of a gradient.
            x = torch.where(observed, x, 0.0)
        x = check_values(x, self.limits if check else None, self._dtype())
        # Not len(x): an exported program keeps its batch open.
        n = x.shape[0]
        rows = context_rows(self.conditions, values, n, x.device)
        return Evidence(n, x, rows, observed=observed, lengths=datum.lengths)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        """Raises HvaeError for data (B, ...) of another shape; of sequences the steps alone must fit."""
        shared = 1 if self.timed else 0
        if len(shape) != 1 + len(self.shape) or shape[1 + shared :] != tuple(self.shape[shared:]):
            raise misshapen(tuple(self.shape), shape, timed=self.timed)
        if self.timed and not shape[1]:
            raise HvaeError(f"expected sequences of at least one step, got data of shape {shape}; leave empty ones out")

    def _dtype(self) -> torch.dtype | None:
        return next((w.dtype for w in self.parameters() if w.is_floating_point()), None)

    def nothing(self, n: int | None = None, context: Context | None = None, *, steps: int | None = None) -> Evidence:
        """What a walk may see in generation: n rows, and their context; n is the context's length if left out.

        `steps`, how many a timed model generates; those of its `shape` if left out.
        """
        values, device = entries(context), device_of(self)
        rows = row_count(self.conditions, values) if n is None else row_number("rows", n, 0)
        if steps is not None:
            self._check_steps(steps)
        return Evidence(rows, context=context_rows(self.conditions, values, rows, device), horizon=steps)

    def _check_steps(self, steps: int) -> None:
        if not self.timed:
            raise HvaeError(f"this model generates data of one shape, {self.shape}, got steps={steps}; leave it out")
        whole("steps", steps, 1)

    def picture(self, trace: Trace) -> Tensor:
        """The data of a trace without the noise of their likelihood, (B, *shape): the mean of p(x given z).

        Of sequences whose steps were visited one after the other it is the means of these; of other data that recur it
        is what was drawn.
        """
        means = [record.law.mean() for record in trace.observed]
        if len(means) == 1:
            return means[0]
        assert trace.x is not None
        return torch.stack(means, 1) if self.timed else trace.x

    def before_step(self) -> None:
        """Called before the first micro-batch of each step of training, whatever became of the step before."""

    def after_step(self) -> None:
        """Called once after each step of training that was taken: codebooks that follow their data, and the like."""

    def prepare(self, datum: Datum) -> None:
        """Start whatever starts from data, once, before training, with a first batch of them.  Mostly nothing.

        The trainer calls it when a run begins, never when it resumes.
        """

    def regularisers(self) -> dict[str, Tensor]:
        """Scalar terms that depend on the weights alone, by name; none unless a model has some."""
        return {}

    def gauges(self) -> dict[str, Tensor]:
        """Scalars that are worth watching in training beside the loss, by name; none unless a model has some."""
        return {}

    def forward(
        self, data: Tensor | Datum, draw: Draw = posterior, *, context: Context | None = None, check: bool = True
    ) -> Trace:
        return run(self, draw, self.evidence(data, context, check=check))


class Chain(Model, ABC):
    """A model whose latents form a Markov chain both ways, so that no conditional sees more than its neighbour."""

    @abstractmethod
    def swap(self, visit: Visit, evidence: Evidence) -> Tensor:
        """The same variables in the order of Bit-Swap: each is visited by one side, then by the other, as soon as they
        are known.  With data q comes first, without them p; the one order is the other one backwards.  Returns the
        data.  Kingma, Abbeel and Ho 2019, arXiv 1905.06845, sec. 3.1.
        """


class Stepwise(Model, ABC):
    """A timed model that can also be walked one step at a time, latents and data of a step together.

    The state between two steps is one tensor (n, ...), so that rows can be exchanged there: a particle filter does.
    """

    @abstractmethod
    def before(self, evidence: Evidence) -> Tensor:
        """The state before the first step, (n, ...)."""

    @abstractmethod
    def step(self, visit: Visit, evidence: Evidence, state: Tensor, t: int) -> Tensor:
        """Visit what belongs to step t of the data; the state after it.  Together the steps are the walk."""


def run(
    model: Model, draw: Draw, evidence: Evidence | None = None, n: int | None = None, *, context: Context | None = None
) -> Trace:
    """The only loop: walk the model, let `draw` decide each value, keep a record of every variable.

    Without evidence `n` rows are generated (1, or as many as the context has), under the `context` that a conditional
    model asks for; the context of data belongs to `model.evidence(x, context)`.  Data that the evidence knows are never
    asked for.  Raises HvaeError when the draw names a variable that the walk does not visit, or pins one value to a
    name that recurs in time, and when the context does not fit.
    """
    draw = as_draw(draw)
    if evidence is None:
        evidence = model.nothing(n, context)
    elif not isinstance(evidence, Evidence):
        raise HvaeError(f"expected evidence, got {type(evidence).__name__}; use model.evidence(x)")
    elif context is not None or n not in (None, evidence.n):
        raise HvaeError("expected evidence, or n and context, got both; use model.evidence(x, context)")
    check_context(model.conditions, evidence)
    trace = Trace()
    trace.x = model.walk(_visitor(trace, draw, evidence.n), evidence)
    check_keys(draw, trace)
    check_thinned(draw, trace)
    check_masks(evidence, trace)
    return trace


def _visitor(trace: Trace, draw: Draw, n: int) -> Visit:
    """What a walk of n rows calls: the draw decides each value, and the trace keeps a record of it."""
    pinned = draw.pins()

    def visit(site: Site) -> Tensor:
        sides = [side for side, law in (("q", site.q), ("p", site.p)) if law is not None]
        trace.visits.extend((site.key, side) for side in sides)
        earlier = trace.records.get(site.key)
        if earlier is not None:
            site = site.knowing(earlier)
        elif site.step is not None and (site.name, None) in pinned:
            check_single(site, trace)
        if site.data and site.value is not None:
            value, proposal = site.value, site.proposal
        else:
            value, proposal = draw(site)
            if not pinned.isdisjoint((site.key, (site.name, None))):
                check_value(site, value, n)
        trace.note(site, value, proposal)
        return value

    return visit


def run_step(model: Stepwise, draw: Draw, evidence: Evidence, state: Tensor, t: int) -> tuple[Trace, Tensor]:
    """One step of a walk in time, as `run` has all of them: its trace, and the state after it."""
    trace = Trace()
    return trace, model.step(_visitor(trace, draw, evidence.n), evidence, state, t)


def names(model: Model) -> list[str]:
    """The latent variables of a model in the order of its generative walk, top first: a dry run from the prior."""
    return list(dict.fromkeys(record.name for record in glimpse(model).latents))


def glimpse(model: Model, n: int = 1) -> Trace:
    """A walk from the prior with a placeholder for every condition: what variables there are, of which shapes.

    Of a timed model it is one step long, and of one that may be shorter as short as its names allow.  It leaves no mark
    on the model, nor on the random numbers of the caller.
    """
    device = device_of(model)
    context = {name: condition.placeholder(n, device) for name, condition in model.conditions.items()}
    with still(model, seed=0):
        return run(model, brief(prior()), model.nothing(n, context, steps=1 if model.timed else None))
