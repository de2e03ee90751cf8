"""The record: what a walk leaves of one variable, and where its nats meet weights and masks.

    log w = log p(value) - log proposal(value)

Shapes: `B` batch; `T` steps of a name that recurs in time; `...` the own shape of a variable.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae.distributions import (
    Denoising,
    Distribution,
    LocationScale,
    OverTime,
    divergence,
    estimator,
    has_ratio,
    log_ratio,
    sum_rest,
)
from hvae.errors import HvaeError
from hvae.site import Site


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

    def log_probs(self) -> Tensor:
        """log p of each value that is observed, (B, ...) as the law factorises, and 0 of the others."""
        nats = self.law.log_prob(self.value)
        return nats if self.observed is None else torch.where(known_values(self.law, self.observed, nats), nats, 0.0)

    def log_prob(self) -> Tensor:
        """log p(value) in nats, (B,), of those values that are observed."""
        return sum_rest(self.log_probs())

    def log_likelihood(self) -> Tensor:
        """weight * log p(value) in nats, (B,): what this site adds to log p(x, z)."""
        return sum_rest(self.counted(self.log_probs()))

    def log_proposal(self) -> Tensor:
        """weight * log proposal(value) in nats, (B,); 0 for a given value, which nobody proposed."""
        if self.proposal is None:
            return sum_rest(torch.zeros_like(self.value))
        return sum_rest(self.counted(self.proposal.log_prob(self.value)))

    def log_weight(self) -> Tensor:
        """weight * (log p(value) - log proposal(value)) in nats, (B,); a given value has no proposal."""
        if self.proposal is self.p:
            return self.value.new_zeros(self.value.shape[0], dtype=self._dtype)
        if self.proposal is None:
            return self.log_likelihood()
        if self.observed is None and has_ratio(self.proposal, self.law):
            return -sum_rest(self.counted(log_ratio(self.proposal, self.law, self.value)))
        # Each summed by itself: one may score an event as a whole, the other element by element.
        return self.log_likelihood() - self.log_proposal()

    @property
    def estimator(self) -> str:
        """How its rate is computed: "analytic", "sampled", "prior" (redrawn, costs zero) or "given"."""
        if self.proposal is self.p:
            return "prior"
        return "given" if self.proposal is None else estimator(self.proposal, self.law, late=self.late)

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
    """One number a row, (B,), or a row and step, (B, T), so that it broadcasts over (B, ...)."""
    return rows.view(*rows.shape, *[1] * (nats.ndim - rows.ndim))


def known_values(law: Distribution, observed: Tensor, nats: Tensor) -> Tensor:
    """Which values are observed, (B, ...), as the nats of a likelihood factorise.

    Raises HvaeError where a number stands for several values of which some alone are observed.
    """
    if observed.shape == nats.shape:
        return observed
    if isinstance(law, OverTime):  # each step factorises as the law of one step does
        return known_values(law.each, observed.flatten(0, 1), nats.flatten(0, 1)).unflatten(0, nats.shape[:2])
    whole = observed.all(1)
    if whole.shape != nats.shape or not torch.equal(whole, observed.any(1)):
        raise HvaeError(
            f"this likelihood is one number for all channels, {tuple(nats.shape)}: expected `observed` to say the same "
            f"of all of them; use a likelihood that factorises over {tuple(observed.shape)}, or mask whole positions"
        )
    return whole


def form(record: Record) -> Hashable:
    """What the records of one name must share so that their steps can be counted at once; unlike all others if not."""
    laws = [law for law in (record.p, record.q, record.proposal) if law is not None]
    # A level of a diffusion is counted by its guess, which its location and scale do not tell to the last digits.
    if record.step is None or not all(isinstance(l, LocationScale) and not isinstance(l, Denoising) for l in laws):
        return id(record)
    roles = record.proposal is record.p, record.proposal is record.q
    numbers = None if isinstance(record.weight, Tensor) else record.weight
    marks = record.mask is None, record.observed is None, record.late, record.data, record.auxiliary
    return (
        record.name,
        *(type(law) for law in (record.p, record.q, record.proposal)),
        *roles,
        numbers,
        *marks,
        record.value.shape[1:],
        record.value.dtype,
    )


def series_of(records: list[Record]) -> Record:
    """Records of one form as one record of all their steps: everything (B, ...) becomes (B, T, ...)."""
    first = records[0]
    if len(records) == 1:
        return first
    p, q = (_stacked_laws([getattr(r, side) for r in records]) for side in ("p", "q"))
    stacks = {id(first.p): p, id(first.q): q}
    proposal = stacks.get(id(first.proposal)) or _stacked_laws([r.proposal for r in records])
    value = torch.stack([r.value for r in records], 1)
    weight, mask, observed = (
        torch.stack([getattr(r, name) for r in records], 1) if isinstance(getattr(first, name), Tensor) else None
        for name in ("weight", "mask", "observed")
    )
    return replace(
        first,
        p=p,
        q=q,
        value=value,
        proposal=proposal,
        step=None,
        weight=first.weight if weight is None else weight,
        mask=mask,
        observed=observed,
    )


def shared_nats(record: Record, cache: dict[Hashable, tuple[Record, Tensor]]) -> Tensor:
    """What a record spends; of records that differ in their masks and weights alone the nats are computed once."""
    if record.proposal is None or record.proposal is record.p:
        return record.divergence()[0]
    key = id(record.proposal), id(record.p), id(record.value), record.late
    if key not in cache:
        # With the record, so that no other object takes the place of what it is known by.
        cache[key] = record, divergence(record.proposal, record.law, record.value, late=record.late)[0]
    return record.counted(cache[key][1])


def summed(parts: list[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Numbers by name; those of one name, the steps of one that recurs, are added.

    >>> summed([("z", torch.tensor([1.0])), ("z", torch.tensor([2.0]))])
    {'z': tensor([3.])}
    """
    sums: dict[str, Tensor] = {}
    for name, numbers in parts:
        sums[name] = sums[name] + numbers if name in sums else numbers
    return sums


def _stacked_laws(laws: list[Distribution | None]) -> LocationScale | None:
    """Laws of one type over (B, ...) as one over (B, T, ...)."""
    parts = [law for law in laws if isinstance(law, LocationScale)]
    if not parts:
        return None
    return parts[0].at(torch.stack([law.loc for law in parts], 1), torch.stack([law.scale for law in parts], 1))
