"""The walk: a model, the one loop that runs it, and the trace it leaves behind.

A model is a walk over its random variables.  At each it calls `visit(Site)`, is handed a value, and walks on; a draw
decides where values come from.  One identity then scores every run, latents and data alike:

    log w = sum over sites of  log p(value) - log proposal(value)

Its expectation under q is the ELBO, its log-mean-exp over K rows the IWAE bound, and minus its log2 the net bits of a
bits-back coder.

Shapes: `B` batch; `C H W` an image; `K` samples per datum.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor, nn

from hvae.datum import Conditions, Context, Datum, as_datum, missing, relevant, row_count
from hvae.datum import rows as context_rows
from hvae.distributions import Distribution, divergence, sum_rest
from hvae.distributions.base import LocationScale
from hvae.draw import Draw, posterior, prior
from hvae.errors import HvaeError, unknown
from hvae.range import Limits, check_values
from hvae.seeds import noise_seed
from hvae.site import Key, Pin, Site, Visit, as_key, pin, spelled


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that a walk may see; `Evidence(n)` is "nothing known, n rows".

    `x` (n, ...), the data, with 0 where a value is not observed; `context` by name, each (n, ...): what is known in
    generation too; `features` by name, each (n, ...): deterministic, of x and the context, empty when there are no
    data; `observed` (n, ...) bool and `lengths` (n,) as in `Datum`.  Never a random value: repeated rows differ by
    their draws only.
    """

    n: int
    x: Tensor | None = None
    context: Mapping[str, Tensor] = field(default_factory=dict)
    features: Mapping[str, Tensor] = field(default_factory=dict)
    observed: Tensor | None = None
    lengths: Tensor | None = None

    def __len__(self) -> int:
        return self.n

    @property
    def data(self) -> Tensor:
        """x, where it is known that there are data."""
        assert self.x is not None, "this evidence has no data"
        return self.x

    def feature(self, name: str) -> Tensor | None:
        """A feature of the data; None when there are no data.  Raises HvaeError for a name that `features` lacks."""
        if self.x is None:
            return None
        if name not in self.features:
            raise unknown("feature", name, self.features)
        return self.features[name]

    def site(self, p: Distribution, name: str = "x") -> Site:
        """The site of the data: their likelihood p, and their values and which are observed where they are known."""
        return Site(name, p, value=self.x, observed=self.observed, data=True)

    def repeat(self, k: int) -> Evidence:
        """K rows for each datum, (B, ...) -> (B K, ...): row b becomes rows b k to b k + k - 1.  Networks ran once."""
        if k == 1:
            return self
        x, observed, lengths = (
            None if t is None else t.repeat_interleave(k, 0) for t in (self.x, self.observed, self.lengths)
        )
        context, features = (
            {name: t.repeat_interleave(k, 0) for name, t in part.items()} for part in (self.context, self.features)
        )
        return Evidence(k * self.n, x, context, features, observed, lengths)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Record(Site):
    """A site after its walk: p, q, the value and who proposed it."""

    value: Tensor

    @property
    def law(self) -> Distribution:
        """The generative conditional p, which every finished walk knows."""
        assert self.p is not None, f"the walk ended without the p of {self.name}"
        return self.p

    def counted(self, nats: Tensor) -> Tensor:
        """Nats of this site, (B,) or element by element (B, ...), times its weight, and 0 in rows without this visit.

        The one place where weights and masks enter: bounds, rates, objectives and measures all come here.
        """
        if isinstance(self.weight, Tensor):
            nats = _aligned(self.weight, nats) * nats
        elif self.weight != 1.0:
            nats = self.weight * nats
        return nats if self.mask is None else torch.where(_aligned(self.mask, nats), nats, 0.0)

    def log_prob(self) -> Tensor:
        """log p(value) in nats, (B,), of those values that are observed."""
        nats = self.law.log_prob(self.value)
        return sum_rest(nats if self.observed is None else torch.where(_known(self.observed, nats), nats, 0.0))

    def log_likelihood(self) -> Tensor:
        """weight * log p(value) in nats, (B,): what this site adds to log p(x, z)."""
        return self.counted(self.log_prob())

    def log_proposal(self) -> Tensor:
        """weight * log proposal(value) in nats, (B,); 0 for a given value, which nobody proposed."""
        if self.proposal is None:
            return sum_rest(torch.zeros_like(self.value))
        return self.counted(sum_rest(self.proposal.log_prob(self.value)))

    def log_weight(self) -> Tensor:
        """weight * (log p(value) - log proposal(value)) in nats, (B,); a given value has no proposal."""
        if self.proposal is self.p:
            return self.value.new_zeros(self.value.shape[0], dtype=self._dtype)
        spent = 0.0 if self.proposal is None else sum_rest(self.proposal.log_prob(self.value))
        return self.counted(self.log_prob() - spent)

    def divergence(self) -> tuple[Tensor, str]:
        """What the level spends, in nats per element (B, ...), and the estimator: "analytic", "sampled" or "prior"."""
        if self.proposal is self.p:
            return torch.zeros_like(self.value, dtype=self._dtype), "prior"
        if self.proposal is None:
            return self.counted(-self.law.log_prob(self.value)), "given"
        nats, estimator = divergence(self.proposal, self.law, self.value, late=self.late)
        return self.counted(nats), estimator

    def rate(self) -> Tensor:
        """KL(q || p) of this level in nats, (B,): closed form where one exists, else one sample of it."""
        return sum_rest(self.divergence()[0])

    @property
    def _dtype(self) -> torch.dtype:
        """Of nats: that of the value, but for whole numbers, which stand for classes."""
        return self.value.dtype if self.value.is_floating_point() else torch.get_default_dtype()


def _aligned(rows: Tensor, nats: Tensor) -> Tensor:
    """One number a row, (B,), so that it broadcasts over (B, ...)."""
    return rows.view(-1, *[1] * (nats.ndim - 1))


def _known(observed: Tensor, nats: Tensor) -> Tensor:
    """Which values are observed, (B, ...), as the nats of a likelihood factorise."""
    if observed.shape == nats.shape:
        return observed
    whole = observed.all(1)
    if whole.shape != nats.shape or not torch.equal(whole, observed.any(1)):
        raise HvaeError(
            f"this likelihood is one number for all channels, {tuple(nats.shape)}: expected `observed` to say the same "
            f"of all of them; use a likelihood that factorises over {tuple(observed.shape)}, or mask whole positions"
        )
    return whole


class Trace:
    """What a walk leaves behind: one record a variable, the order of the visits, and the data it ended with."""

    def __init__(self) -> None:
        self.records: dict[Key, Record] = {}
        self.visits: list[tuple[Key, str]] = []
        self.x: Tensor | None = None

    def note(self, site: Site, value: Tensor, proposal: Distribution | None) -> None:
        """Keep what one visit decided."""
        s = site
        self.records[s.key] = Record(
            s.name,
            s.p,
            s.q,
            value=value,
            proposal=proposal,
            step=s.step,
            weight=s.weight,
            mask=s.mask,
            observed=s.observed,
            data=s.data,
            late=s.late,
            auxiliary=s.auxiliary,
        )

    def __getitem__(self, variable: Pin) -> Record:
        """The record of a variable, by its name or, where that recurs in time, by (name, step)."""
        name, step = as_key(variable)
        if (name, step) in self.records:
            return self.records[name, step]
        steps = [key for key in self.records if key[0] == name]
        if step is None and len(steps) == 1:
            return self.records[steps[0]]
        if step is None and steps:
            raise HvaeError(
                f"{name} recurs at {len(steps)} steps: ask for trace['{name}', step] or trace.series('{name}')"
            )
        raise unknown("variable", spelled(variable), [spelled(key) for key in self.records])

    def series(self, name: str) -> Tensor:
        """The values of a name that recurs in time, stacked in the order of its steps: (B, T, ...)."""
        steps = sorted(
            (step, record.value) for (n, step), record in self.records.items() if n == name and step is not None
        )
        if not steps:
            raise unknown("variable with steps", name, sorted({n for n, step in self.records if step is not None}))
        return torch.stack([value for _, value in steps], 1)

    @property
    def latents(self) -> list[Record]:
        """The records of the latent variables, in the order of their first visits."""
        return [record for record in self.records.values() if not (record.data or record.auxiliary)]

    @property
    def observed(self) -> list[Record]:
        return [record for record in self.records.values() if record.data]

    def nats(self) -> dict[str, Tensor]:
        """Nats each level spends, element by element, {name: (B, ...)}; the steps of a recurring name are summed."""
        nats: dict[str, Tensor] = {}
        for record in self.latents:
            spent = record.divergence()[0]
            nats[record.name] = nats[record.name] + spent if record.name in nats else spent
        return nats

    def rates(self) -> dict[str, Tensor]:
        """Nats each level spends, {name: (B,)}; the steps of a recurring name are summed."""
        return {name: sum_rest(nats) for name, nats in self.nats().items()}

    def log_likelihood(self) -> Tensor:
        """log p(x given z) in nats, (B,)."""
        return self._total([record.log_likelihood() for record in self.observed])

    def elbo(self) -> Tensor:
        """log p(x given z) - sum of the rates, in nats, (B,): one sample of the evidence lower bound."""
        return self.log_likelihood() - self._total(list(self.rates().values()))

    def log_weight(self) -> Tensor:
        """log w = sum over sites of log p(value) - log proposal(value), in nats, (B,); no closed form enters."""
        return self._total([record.log_weight() for record in self.records.values()])

    def penalty(self) -> Tensor:
        """What the proposals add to a loss beside probability, (B,), e.g. a codebook's commitment."""
        return self._total([record.counted((record.q or record.law).penalty()) for record in self.latents])

    def estimators(self) -> dict[str, str]:
        """How each level's rate was computed: "analytic", "sampled", "prior" (redrawn, costs zero) or "given"."""
        return {record.name: record.divergence()[1] for record in self.latents}

    def keyed_values(self) -> dict[Pin, Tensor]:
        """Deprecated: `values()`, which names the steps of a recurring variable too."""
        warnings.warn("Trace.keyed_values is now Trace.values", DeprecationWarning, stacklevel=2)
        return self.values()

    def values(self) -> dict[Pin, Tensor]:
        """The value of each variable by name, or by (name, step) where it recurs: the input of `given` and `replay`."""
        return {pin(key): record.value for key, record in self.records.items()}

    def _total(self, parts: list[Tensor]) -> Tensor:
        """The sum of some numbers a row, (B,); zeros where there are none."""
        if not parts:
            first = next(iter(self.records.values()))
            return torch.zeros(first.value.shape[0], device=first.value.device, dtype=first._dtype)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


class Model(nn.Module, ABC):
    """A generative model with inference, as one walk over its random variables.

    A subclass sets `shape`, the shape of one datum, and writes `features` (every deterministic thing inference
    computes from the data) and `walk`.  `conditions` says what it asks of the context by name, `limits` the range that
    its data must lie in, as its likelihood wants it; none unless it says otherwise.  Training, sampling, evaluation and
    coding are draws; none of them is a method here.
    """

    shape: tuple[int, ...]
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
        datum = as_datum(data)
        if tuple(datum.x.shape[1:]) != tuple(self.shape):
            raise _misshapen(tuple(self.shape), tuple(datum.x.shape))
        said = {**relevant(datum, self.conditions).context, **(context or {})}
        x, observed = datum.x, datum.observed
        if observed is not None:
            # What is not observed may be NaN, which no mask takes out of a gradient.
            x = torch.where(observed, x, 0.0)
        x = check_values(x, self.limits if check else None, self._dtype())
        # Not len(x): an exported program keeps its batch open.
        n = x.shape[0]
        datum = Datum(x, context_rows(self.conditions, said, n, x.device), observed, datum.lengths)
        return Evidence(n, x, datum.context, self.features(datum), observed, datum.lengths)

    def _dtype(self) -> torch.dtype | None:
        return next((w.dtype for w in self.parameters() if w.is_floating_point()), None)

    def nothing(self, n: int | None = None, context: Context | None = None) -> Evidence:
        """What a walk may see in generation: n rows, and their context; n is the context's length if left out."""
        rows = row_count(self.conditions, context or {}) if n is None else n
        return Evidence(rows, context=context_rows(self.conditions, context or {}, rows, device_of(self)))

    def picture(self, trace: Trace) -> Tensor:
        """The data of a trace without the noise of their likelihood, (B, *shape): the mean of p(x given z).

        Where data recur in time it is what was drawn, unless a model knows how to put the means of its steps together.
        """
        if len(trace.observed) == 1:
            return trace.observed[0].law.mean()
        assert trace.x is not None
        return trace.x

    def after_step(self) -> None:
        """Called once after each step of training that was taken: codebooks that follow their data, and the like."""

    def prepare(self, datum: Datum) -> None:
        """Start whatever starts from data, once, before training, with a first batch of them.  Mostly nothing.

        The trainer calls it when a run begins, never when it resumes.
        """

    def regularisers(self) -> dict[str, Tensor]:
        """Scalar terms that depend on the weights alone, by name; none unless a model has some."""
        return {}

    def forward(
        self, data: Tensor | Datum, draw: Draw = posterior, *, context: Context | None = None, check: bool = True
    ) -> Trace:
        return run(self, draw, self.evidence(data, context, check=check))


def _misshapen(shape: tuple[int, ...], got: tuple[int, ...]) -> HvaeError:
    """The error for data (B, ...) of another shape than the model's; with what to do where only axes are in its way."""
    advice = ""
    if got[1:] == shape[1:] and shape[0] == 1:
        advice = "; give them an axis for the one channel: x[:, None]"
    elif len(got) == 4 and (got[3], *got[1:3]) == shape:
        advice = "; put the channels before height and width"
    return HvaeError(f"expected data of shape (B, {', '.join(map(str, shape))}), got {got}{advice}")


class Chain(Model, ABC):
    """A model whose latents form a Markov chain both ways, so that no conditional sees more than its neighbour."""

    @abstractmethod
    def swap(self, visit: Visit, evidence: Evidence) -> Tensor:
        """The same variables in the order of Bit-Swap: each is visited by one side, then by the other, as soon as they
        are known.  With data q comes first, without them p; the one order is the other one backwards.  Returns the
        data.  Kingma, Abbeel and Ho 2019, arXiv 1905.06845, sec. 3.1.
        """


def device_of(model: nn.Module) -> torch.device:
    """Where a model lives; the CPU for one without parameters."""
    return next((w.device for w in model.parameters()), torch.device("cpu"))


def run(
    model: Model, draw: Draw, evidence: Evidence | None = None, n: int | None = None, *, context: Context | None = None
) -> Trace:
    """The only loop: walk the model, let `draw` decide each value, keep a record of every variable.

    Without evidence `n` rows are generated (1, or as many as the context has), under the `context` that a conditional
    model asks for; the context of data belongs to `model.evidence(x, context)`.  Data that the evidence knows are never
    asked for.  Raises HvaeError when the draw names a variable that the walk does not visit, or pins one value to a
    name that recurs in time, and when the context does not fit.
    """
    if evidence is None:
        evidence = model.nothing(n, context)
    elif context is not None or n not in (None, len(evidence)):
        raise HvaeError("expected evidence, or n and context, got both; use model.evidence(x, context)")
    _check_context(model, evidence)
    trace, pinned = Trace(), draw.pins()

    def visit(site: Site) -> Tensor:
        sides = [side for side, known in (("q", site.q), ("p", site.p)) if known is not None]
        trace.visits.extend((site.key, side) for side in sides)
        earlier = trace.records.get(site.key)
        if earlier is not None:
            site = site.knowing(earlier)
        elif site.step is not None and (site.name, None) in pinned:
            _check_single(site, trace)
        value, proposal = (site.value, site.proposal) if site.data and site.value is not None else draw(site)
        if not pinned.isdisjoint((site.key, (site.name, None))):
            _check_rows(site, value, len(evidence))
        trace.note(site, value, proposal)
        return value

    trace.x = model.walk(visit, evidence)
    _check_keys(draw, trace)
    _check_masks(evidence, trace)
    return trace


def _check_context(model: Model, evidence: Evidence) -> None:
    for name, condition in model.conditions.items():
        if name not in evidence.context:
            raise missing(name, condition)


def _check_single(site: Site, trace: Trace) -> None:
    """Raises HvaeError when one value was given to a name that now recurs."""
    name = site.name
    if any(n == name for n, _ in trace.records):
        raise HvaeError(
            f"{name} recurs in time, but one value was given for it; give each step by ('{name}', step), as "
            f"trace.values() and by_step('{name}', series) do"
        )


def _check_rows(site: Site, value: Tensor, n: int) -> None:
    """Raises HvaeError for a given value of another shape: one number might pass for many, and the sums be of one."""
    shape, law = tuple(value.shape), site.q or site.p
    # The shape of other laws is known only by a draw of theirs.
    wanted = tuple(law.loc.shape[1:]) if isinstance(law, LocationScale) else shape[1:]
    if not shape or shape != (n, *wanted):
        raise HvaeError(f"{spelled(pin(site.key))}: expected a given value of shape {(n, *wanted)}, got {shape}")


def _check_masks(evidence: Evidence, trace: Trace) -> None:
    """Raises HvaeError for a walk that scores what does not exist: it has left out `observed` or `lengths`."""
    records = trace.records.values()
    if evidence.observed is not None and all(record.observed is None for record in records):
        raise HvaeError("this model does not heed `observed`: give its sites of data their part of it, or leave it out")
    if evidence.lengths is not None and all(record.mask is None and record.observed is None for record in records):
        raise HvaeError("this model does not heed `lengths`: give the sites of its steps a mask, or leave them out")


def _check_keys(draw: Draw, trace: Trace) -> None:
    visited = list(dict.fromkeys(name for name, _ in trace.records))
    for name, step in sorted(draw.keys(), key=str):
        if name not in visited:
            raise unknown("level", name, visited)
        if step is not None and (name, step) not in trace.records:
            raise unknown(f"step of {name}", step, [str(s) for n, s in trace.records if n == name])


@contextmanager
def still(model: nn.Module, seed: int | None = None) -> Iterator[None]:
    """Evaluation mode, no gradients and, with a seed, random numbers of its own; all is put back at the end.

    >>> layer = torch.nn.Linear(1, 1)
    >>> with still(layer, seed=0):
    ...     layer.training, torch.is_grad_enabled()
    (False, False)
    >>> layer.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices, enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(noise_seed(seed))
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


def names(model: Model) -> list[str]:
    """The latent variables of a model in the order of its generative walk, top first: a dry run from the prior."""
    return list(dict.fromkeys(record.name for record in glimpse(model).latents))


def glimpse(model: Model, n: int = 1) -> Trace:
    """A walk from the prior with a placeholder for every condition: what variables there are, of which shapes.

    It leaves no mark on the model, nor on the random numbers of the caller.
    """
    device = device_of(model)
    context = {name: condition.placeholder(n, device) for name, condition in model.conditions.items()}
    with still(model, seed=0):
        return run(model, prior(), Evidence(n, context=context))
