"""The trace: what a walk leaves behind, and the one place where its nats are counted.

    log w = sum over sites of  log p(value) - log proposal(value)

Shapes: `B` batch; `T` steps of a name that recurs in time; `...` a variable's own shape.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable

import torch
from torch import Tensor

from hvae.distributions import Distribution, sum_rest
from hvae.errors import HvaeError, unknown
from hvae.site import Key, Pin, Site, as_key, pin, spelled
from hvae.trace.record import Record, form, series_of, shared_nats, summed


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
        """The record of a variable, by its name or, where that recurs in time, by (name, step).

        Raises HvaeError for a variable that was not visited, and for a name alone that recurs.
        """
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
        """The values of a name that recurs in time, stacked in the order of its steps: (B, T, ...).

        Raises HvaeError for any other name.
        """
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

    def _forms(self, data: bool) -> list[list[Record]]:
        """The records of the data or of the latents, those beside each other that one sum can count: `form`."""
        forms: dict[Hashable, list[Record]] = {}
        for record in self.observed if data else self.latents:
            forms.setdefault(form(record), []).append(record)
        return list(forms.values())

    def nats(self) -> dict[str, Tensor]:
        """Nats each level spends, element by element, {name: (B, ...)}; the steps of a recurring name are summed."""
        nats: dict[str, Tensor] = {}
        cache: dict[Hashable, tuple[Record, Tensor]] = {}
        for records in self._forms(data=False):
            name, spent = records[0].name, shared_nats(series_of(records), cache)
            spent = spent.sum(1) if len(records) > 1 else spent
            nats[name] = nats[name] + spent if name in nats else spent
        return nats

    def rates(self) -> dict[str, Tensor]:
        """Nats each level spends, {name: (B,)}; the steps of a recurring name are summed."""
        return {name: sum_rest(nats) for name, nats in self.nats().items()}

    def spent(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Nats each level spends, {name: ((B,), (B,))}: its rate, and log proposal(value) - log p(value).

        The expectation of the second is the first; where the rate is one sample of it, both are one tensor.
        """
        spent: dict[str, tuple[Tensor, Tensor]] = {}
        cache: dict[Hashable, tuple[Record, Tensor]] = {}
        for records in self._forms(data=False):
            one = series_of(records)
            rate = sum_rest(shared_nats(one, cache))
            cost = -one.log_weight() if one.estimator == "analytic" else rate
            earlier = spent.get(one.name)
            spent[one.name] = (rate, cost) if earlier is None else (earlier[0] + rate, earlier[1] + cost)
        return spent

    def log_likelihood(self) -> Tensor:
        """log p(x given z) in nats, (B,); where a class was guessed, less what the guess costs, log q(y) - log p(y)."""
        guesses = [r.log_weight() for r in self.records.values() if r.auxiliary and r.q is not None and r.q is not r.p]
        return self._total([*(series_of(records).log_likelihood() for records in self._forms(data=True)), *guesses])

    def elbo(self) -> Tensor:
        """log p(x given z) - sum of the rates, in nats, (B,): one sample of the evidence lower bound."""
        return self.log_likelihood() - self._total(list(self.rates().values()))

    def log_weight(self) -> Tensor:
        """log w = sum over sites of log p(value) - log proposal(value), in nats, (B,); no closed form enters."""
        forms = [*self._forms(data=False), *self._forms(data=True)]
        # A choice of the walk itself is neither, and has a weight like any other.
        choices = [record.log_weight() for record in self.records.values() if record.auxiliary]
        return self._total([*(series_of(records).log_weight() for records in forms), *choices])

    def penalty(self) -> Tensor:
        """What the proposals add to a loss beside probability, (B,), e.g. a codebook's commitment."""
        laws = [(record, record.q or record.law) for record in self.latents]
        own = [(r, law) for r, law in laws if type(law).penalty is not Distribution.penalty]
        return self._total([sum_rest(record.counted(law.penalty())) for record, law in own])

    def commitments(self) -> dict[str, Tensor]:
        """The part of the penalty that pulls encoders to their codes, {name: (B,)} of the levels that have one.

        The steps of a recurring name are summed.
        """
        pulls = [(record, (record.q or record.law).commitment()) for record in self.latents]
        return summed([(record.name, sum_rest(record.counted(pull))) for record, pull in pulls if pull is not None])

    def estimators(self) -> dict[str, str]:
        """How each level's rate was computed: "analytic", "sampled", "prior" (redrawn, costs zero) or "given"."""
        return {records[0].name: records[0].estimator for records in self._forms(data=False)}

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
