"""Latents of a whole sequence above a decoder that goes through it step by step.

Shapes: `n`, `B` rows; `T` steps; `K` bars; `U` an embedded step; `P` the plan, what the latents say of the steps of a
bar, of each of `S` steps or (`S` 1) of all alike; `H` state of the decoder; `...` one step of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Keep, OverTime
from hvae.draw.choices import HEARD, TAUGHT
from hvae.levels.heads import Head
from hvae.models.clockwork import Rung
from hvae.models.conditioning import LAST, Conditioning, Entry
from hvae.models.timed import at_all_steps, begin_steps, embedded
from hvae.modules import every
from hvae.nn.ticks import ticks
from hvae.range import Limits
from hvae.site import Site, Visit, at
from hvae.walk import Evidence, Model


class OnePlan(nn.Module):
    """No conductor: the last state of the levels is the plan of all steps, (B, 1, 1, P)."""

    def forward(self, state: Tensor, steps: int, entry: Entry, evidence: Evidence) -> Tensor:
        return state[:, None, None]


class Conductor(nn.Module):
    """A plan for each bar: ticks of a level of its own below the latents of the whole.

    Roberts et al. 2018, arXiv 1803.05428, sec. 3.2, whose conductor is deterministic: here each bar has a latent.
    """

    def __init__(self, rung: Rung) -> None:
        super().__init__()
        self.rung = rung

    def forward(self, state: Tensor, steps: int, entry: Entry, evidence: Evidence) -> Tensor:
        context = state[:, None].expand(-1, ticks(steps, self.rung.stride), -1)
        plans: Tensor = self.rung(context, evidence.feature(self.rung.level.name), entry, evidence)
        return plans[:, :, None]


class Narrator(Model):
    r"""A plan is drawn from the top down; a recurrent decoder tells it, and hears what it has told.

    $$p(z) = \prod_l p(z_l \mid z_{>l}), \quad h_0 = W c(z), \quad h_t = f(h_{t-1}, [u_{t-1}, c(z)]), \quad
      x_t \sim p(x_t \mid h_t)$$

    where u_t is x_t embedded and c the plan, the last state of the levels.  A conductor makes of it one plan for each
    bar, c_k(z), with latents of its own; the decoder then begins each bar anew, from W c_k(z).  Which u the decoder
    hears is a choice of the walk, "heard" (B, T): a forgotten one is zero.  So is whether it is taught, "taught" (B,
    T): where it is not, it hears a draw of its own of the step before, as it would in generation.  Where the data are
    given, and taught throughout, it runs over all steps at once.

    Arguments: `shape`, (T, ...) with the usual number of steps; `limits`, the range of the data; `embed`, x_t -> u_t;
    `reader`, (u (B, T, U), lengths) -> a summary (B, E); `climb`, summary -> {level name: feature}; `start`, n -> first
    state of the levels; `levels`, top first, (state, feature or None, visit) -> state; `conduct`, (state (B, S), steps,
    entry, evidence) -> plans (B, K, S, P); `bar`, steps of each (0: one of all steps); `first`, n -> u_0; `carry`,
    plan -> what the decoder carries into the first step of a bar; `decoder`, (B, T, U + P) and a carry -> ((B, T, H),
    carry); `leave`, h_t -> raw likelihood parameters of a step; `head`, raw -> law of a step; `condition`, how a
    condition enters the levels, and under the name of the data the u that the decoder hears.
    """

    timed = True

    def __init__(
        self,
        shape: Sequence[int],
        *,
        limits: Limits | None,
        embed: nn.Module,
        reader: nn.Module,
        climb: nn.Module,
        start: nn.Module,
        levels: Sequence[nn.Module],
        conduct: nn.Module,
        bar: int = 0,
        first: nn.Module,
        carry: nn.Module,
        decoder: nn.Module,
        leave: nn.Module,
        head: Head,
        condition: Conditioning,
    ) -> None:
        super().__init__()
        self.shape, self.limits = tuple(shape), limits
        self.embed, self.reader, self.climb = embed, reader, climb
        self.start, self.levels = start, nn.ModuleDict({str(level.name): level for level in levels})
        self.conduct, self.bar = conduct, bar
        self.first, self.carry, self.decoder = first, carry, decoder
        self.leave, self.head = leave, head
        self.condition, self.conditions = condition, condition.conditions

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)
        begin_steps(datum, self.embed, self.leave, self.head)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        u = embedded(self.embed, datum.x)
        return {"embedded": u, **self.climb(self.reader(u, datum.lengths))}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry, plan = self.condition(visit, evidence), self.start(evidence.n)
        for name, level in self.levels.items():
            plan = level(entry.state(name, plan), entry.evidence(name, evidence.feature(name)), entry)
        plans, u = self.conduct(plan, evidence.steps or self.shape[0], entry, evidence), evidence.feature("embedded")
        return self._generated(entry, evidence, plans) if u is None else self._read(entry, evidence, plans, u)

    def _read(self, entry: Entry, evidence: Evidence, plans: Tensor, u: Tensor) -> Tensor:
        past = torch.cat([self.first(evidence.n)[:, None], u[:, :-1]], 1)  # (B, T, U)
        keeps, taught = (
            entry.ask(Site(name, Keep(torch.zeros_like(past[:, :, 0])), auxiliary=True))[:, :, None]
            for name in (HEARD, TAUGHT)
        )
        if every(taught):
            raw = self._taught(at_all_steps(entry.past, LAST, past * keeps), plans)
        else:
            raw = self._retold(entry, past, keeps, taught, plans)
        law = OverTime(self.head(raw.flatten(0, 1)), past.shape[1])
        return entry.ask(evidence.sequence(law))

    def _taught(self, past: Tensor, plans: Tensor) -> Tensor:
        """Raw parameters (B, T, R) after a past (B, T, U) that is known: all bars at once, as rows of their own."""
        steps, plan = past.shape[1], plans.flatten(0, 1)  # (B K, S, P)
        bar = self.bar or steps
        bars = F.pad(past, (0, 0, 0, -steps % bar)).unflatten(1, (-1, bar)).flatten(0, 1)  # (B K, bar, U)
        h: Tensor = self.decoder(torch.cat([bars, plan.expand(-1, bar, -1)], 2), self.carry(plan[:, 0]))[0]
        h = h.unflatten(0, plans.shape[:2]).flatten(1, 2)[:, :steps]
        raw: Tensor = self.leave(h.flatten(0, 1)).unflatten(0, h.shape[:2])
        return raw

    def _hear(self, u: Tensor, plans: Tensor, t: int, carry: Any) -> tuple[Tensor, Any]:
        """The state of step t, which hears u (B, U), (B, H), and what it leaves to the next."""
        bar, place = divmod(t, self.bar or t + 1)
        plan = plans[:, bar, min(place, plans.shape[2] - 1)]
        h, carry = self.decoder(torch.cat([u, plan], 1)[:, None], carry if place else self.carry(plan))
        return h[:, 0], carry

    def _retold(self, entry: Entry, past: Tensor, keeps: Tensor, taught: Tensor, plans: Tensor) -> Tensor:
        """The same where the step before is one of its own wherever `taught` (B, T, 1) is 0."""
        own, carry, steps = past[:, 0], None, list[Tensor]()
        series = zip(past.unbind(1), keeps.unbind(1), taught.unbind(1), strict=True)
        for t, (u, keep, is_taught) in enumerate(series):
            signal = entry.past(LAST, keep * torch.where(is_taught > 0, u, own))
            h, carry = self._hear(signal, plans, t, carry)
            steps.append(self.leave(h))
            with torch.no_grad():
                step = self.head(steps[-1]).sample()
            own = self.embed(step)
        return torch.stack(steps, 1)

    def _generated(self, entry: Entry, evidence: Evidence, plans: Tensor) -> Tensor:
        u, carry, steps = self.first(evidence.n), None, []
        for t in range(evidence.steps or self.shape[0]):
            h, carry = self._hear(entry.past(LAST, u), plans, t, carry)
            law = self.head(self.leave(h))
            steps.append(at(entry.ask, t, evidence.exists(t))(Site("x", law, data=True)))
            u = self.embed(steps[-1])
        return torch.stack(steps, 1)
