"""The walk: a model, the one loop that runs it, and the trace it leaves behind.

A model is a walk over its random variables.  At each it calls `visit(Site)`, is handed a value, and walks on; a draw
decides where values come from.  One identity then scores every run, latents and data alike:

    log w = sum over sites of  log p(value) - log proposal(value)

Its expectation under q is the ELBO, its log-mean-exp over K rows the IWAE bound, and minus its log2 the net bits of a
bits-back coder.

Shapes: `B` batch; `C H W` an image; `K` samples per datum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from hvae.distributions import Distribution, divergence, sum_rest
from hvae.draw import Draw, posterior, prior
from hvae.errors import HvaeError, unknown
from hvae.site import Key, Site, Visit


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that inference may see: the data, a condition, and every deterministic feature of them.

    `x` (B, ...); `features` by name, each (B, ...).  Never a random value: repeated rows differ by their draws only.
    """

    x: Tensor
    cond: Tensor | None = None
    features: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def repeat(self, k: int) -> Evidence:
        """K rows for each datum, (B, ...) -> (B K, ...): row b becomes rows b k to b k + k - 1.  Networks ran once."""
        if k == 1:
            return self
        rows = {name: f.repeat_interleave(k, 0) for name, f in self.features.items()}
        cond = None if self.cond is None else self.cond.repeat_interleave(k, 0)
        return Evidence(self.x.repeat_interleave(k, 0), cond, rows)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Record(Site):
    """A site after its walk: p, q, the value and who proposed it."""

    value: Tensor

    @property
    def law(self) -> Distribution:
        """The generative conditional p, which every finished walk knows."""
        assert self.p is not None, f"the walk ended without the p of {self.name}"
        return self.p

    def log_prob(self) -> Tensor:
        """log p(value) in nats, (B,)."""
        return sum_rest(self.law.log_prob(self.value))

    def log_weight(self) -> Tensor:
        """weight * (log p(value) - log proposal(value)) in nats, (B,); a given value has no proposal."""
        if self.proposal is self.p:
            return sum_rest(torch.zeros_like(self.value))
        spent = 0.0 if self.proposal is None else sum_rest(self.proposal.log_prob(self.value))
        return self.weight * (self.log_prob() - spent)

    def divergence(self) -> tuple[Tensor, str]:
        """What the level spends, in nats per element (B, ...), and the estimator: "analytic", "sampled" or "prior"."""
        if self.proposal is self.p:
            return torch.zeros_like(self.value), "prior"
        if self.proposal is None:
            return -self.weight * self.law.log_prob(self.value), "given"
        nats, estimator = divergence(self.proposal, self.law, self.value, late=self.late)
        return self.weight * nats, estimator

    def rate(self) -> Tensor:
        """KL(q || p) of this level in nats, (B,): closed form where one exists, else one sample of it."""
        return sum_rest(self.divergence()[0])


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
            s.name, s.p, s.q, value=value, proposal=proposal, step=s.step, weight=s.weight, data=s.data, late=s.late
        )

    def __getitem__(self, name: str) -> Record:
        found = [record for (n, _), record in self.records.items() if n == name]
        if len(found) != 1:
            raise unknown("variable of one step", name, [n for n, _ in self.records])
        return found[0]

    @property
    def latents(self) -> list[Record]:
        """The records of the latent variables, in the order of their first visits."""
        return [record for record in self.records.values() if not record.data]

    @property
    def observed(self) -> list[Record]:
        return [record for record in self.records.values() if record.data]

    def rates(self) -> dict[str, Tensor]:
        """Nats each level spends, {name: (B,)}; the steps of a recurring name are summed."""
        rates: dict[str, Tensor] = {}
        for record in self.latents:
            rate = record.rate()
            rates[record.name] = rates[record.name] + rate if record.name in rates else rate
        return rates

    def log_likelihood(self) -> Tensor:
        """log p(x given z) in nats, (B,)."""
        return _total([record.log_prob() for record in self.observed])

    def elbo(self) -> Tensor:
        """log p(x given z) - sum of the rates, in nats, (B,): one sample of the evidence lower bound."""
        rates = self.rates()
        return self.log_likelihood() - _total(list(rates.values())) if rates else self.log_likelihood()

    def log_weight(self) -> Tensor:
        """log w = sum over sites of log p(value) - log proposal(value), in nats, (B,); no closed form enters."""
        return _total([record.log_weight() for record in self.records.values()])

    def penalty(self) -> Tensor:
        """What the proposals add to a loss beside probability, (B,), e.g. a codebook's commitment."""
        return _total([(record.q or record.law).penalty() for record in self.latents])

    def estimators(self) -> dict[str, str]:
        """How each level's rate was computed: "analytic", "sampled", "prior" (redrawn, costs zero) or "given"."""
        return {record.name: record.divergence()[1] for record in self.latents}

    def values(self) -> dict[str, Tensor]:
        """The value of each variable by name: the input of `given` (names that recur in time: `keyed_values`)."""
        return {name: record.value for (name, _), record in self.records.items()}

    def keyed_values(self) -> dict[Key, Tensor]:
        """The value of each variable by (name, step): the input of `replay`."""
        return {key: record.value for key, record in self.records.items()}


def _total(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


class Model(nn.Module, ABC):
    """A generative model with inference, as one walk over its random variables.

    A subclass sets `shape`, the shape of one datum, and writes `features` (every deterministic thing inference
    computes from x) and `walk`.  Training, sampling, evaluation and coding are draws; none of them is a method here.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def features(self, x: Tensor, cond: Tensor | None) -> dict[str, Tensor]:
        """Deterministic features of the data by name, each (B, ...)."""

    @abstractmethod
    def walk(self, visit: Visit, evidence: Evidence | None, n: int) -> Tensor:
        """Visit every variable once it is known; return the data.  Without evidence, n data are generated."""

    def evidence(self, x: Tensor, cond: Tensor | None = None) -> Evidence:
        """What inference may see of x, (B, *shape)."""
        if tuple(x.shape[1:]) != tuple(self.shape):
            raise HvaeError(f"expected data of shape (B, {', '.join(map(str, self.shape))}), got {tuple(x.shape)}")
        return Evidence(x, cond, self.features(x, cond))

    def prepare(self, x: Tensor) -> None:
        """Start whatever starts from data, once, before training: x (B, *shape), a first batch.  Mostly nothing.

        The trainer calls it when a run begins, never when it resumes.
        """

    def regularisers(self) -> dict[str, Tensor]:
        """Scalar terms that depend on the weights alone, by name; none unless a model has some."""
        return {}

    def forward(self, x: Tensor, draw: Draw = posterior) -> Trace:
        return run(self, draw, self.evidence(x))


class Chain(Model, ABC):
    """A model whose latents form a Markov chain both ways, so that no conditional sees more than its neighbour."""

    @abstractmethod
    def swap(self, visit: Visit, evidence: Evidence | None, n: int) -> Tensor:
        """The same variables in the order of Bit-Swap: each is visited by one side, then by the other, as soon as they
        are known.  With evidence q comes first, without it p; the one order is the other one backwards.  Returns the
        data.  Kingma, Abbeel and Ho 2019, arXiv 1905.06845, sec. 3.1.
        """


def run(model: Model, draw: Draw, evidence: Evidence | None = None, n: int = 1) -> Trace:
    """The only loop: walk the model, let `draw` decide each value, keep a record of every variable.

    Data that the evidence knows are never asked for.  Raises HvaeError when the draw names a variable that the walk
    does not visit.
    """
    trace = Trace()

    def visit(site: Site) -> Tensor:
        sides = [side for side, known in (("q", site.q), ("p", site.p)) if known is not None]
        trace.visits.extend((site.key, side) for side in sides)
        earlier = trace.records.get(site.key)
        if earlier is not None:
            site = site.knowing(earlier)
        value, proposal = (site.value, site.proposal) if site.data and site.value is not None else draw(site)
        trace.note(site, value, proposal)
        return value

    trace.x = model.walk(visit, evidence, n if evidence is None else len(evidence))
    _check_names(draw, trace)
    return trace


def _check_names(draw: Draw, trace: Trace) -> None:
    visited = list(dict.fromkeys(name for name, _ in trace.records))
    for name in sorted(draw.names()):
        if name not in visited:
            raise unknown("level", name, visited)


def names(model: Model) -> list[str]:
    """The latent variables of a model in the order of its generative walk, top first: a dry run from the prior."""
    with torch.no_grad():
        return list(dict.fromkeys(record.name for record in run(model, prior()).latents))
