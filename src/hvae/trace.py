"""The trace: what a walk leaves behind, and the one place where its nats are counted.

    log w = sum over sites of  log p(value) - log proposal(value)

Shapes: `B` batch; `T` steps of a name that recurs in time; `...` a variable's own shape.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.distributions import Distribution, divergence, sum_rest
from hvae.errors import HvaeError, unknown
from hvae.site import Key, Pin, Site, as_key, pin, spelled


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
