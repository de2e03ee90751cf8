"""Latents of a whole sequence above a decoder that goes through it step by step.

Shapes: `n`, `B` rows; `T` steps; `U` an embedded step; `P` the plan, what the latents say of all steps; `H` state of
the decoder; `...` one step of the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Keep, OverTime
from hvae.draw.choices import HEARD, TAUGHT
from hvae.levels.heads import Head
from hvae.models.timed import existing, mean_over_time
from hvae.nn.mlp import begin
from hvae.nn.steps import begin_centred
from hvae.range import Limits
from hvae.site import Site, Visit, at
from hvae.walk import Evidence, Model, Trace


class Narrator(Model):
    r"""A plan is drawn from the top down; a recurrent decoder tells it, and hears what it has told.

    $$p(z) = \prod_l p(z_l \mid z_{>l}), \quad h_0 = W c(z), \quad h_t = f(h_{t-1}, [u_{t-1}, c(z)]), \quad
      x_t \sim p(x_t \mid h_t)$$

    where u_t is x_t embedded and c the plan, the last state of the levels.  Which u the decoder hears is a choice of
    the walk, "heard" (B, T): a forgotten one is zero.  So is whether it is taught, "taught" (B, T): where it is not, it
    hears a draw of its own of the step before, as it would in generation.  Where the data are given, and taught
    throughout, it runs over all steps at once.

    Arguments: `shape`, (T, ...) with the usual number of steps; `limits`, the range of the data; `embed`, x_t -> u_t;
    `reader`, (u (B, T, U), lengths) -> a summary (B, E); `climb`, summary -> {level name: feature}; `start`, n -> first
    state of the levels; `levels`, top first, (state, feature or None, visit) -> state; `first`, n -> u_0; `carry`, plan
    -> what the decoder carries into its first step; `decoder`, (B, T, U + P) and a carry -> ((B, T, H), carry);
    `leave`, h_t -> raw likelihood parameters of a step; `head`, raw -> law of a step.
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
        first: nn.Module,
        carry: nn.Module,
        decoder: nn.Module,
        leave: nn.Module,
        head: Head,
    ) -> None:
        super().__init__()
        self.shape, self.limits = tuple(shape), limits
        self.embed, self.reader, self.climb = embed, reader, climb
        self.start, self.levels = start, nn.ModuleDict({str(level.name): level for level in levels})
        self.first, self.carry, self.decoder = first, carry, decoder
        self.leave, self.head = leave, head

    def prepare(self, datum: Datum) -> None:
        steps = existing(datum)
        begin(self.leave, self.head.marginal(steps))
        begin_centred(self.embed, steps)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        u = self.embed(datum.x.flatten(0, 1)).unflatten(0, datum.x.shape[:2])
        return {"told": u, **self.climb(self.reader(u, datum.lengths))}

    def picture(self, trace: Trace) -> Tensor:
        return mean_over_time(trace)

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        plan = self.start(evidence.n)
        for name, level in self.levels.items():
            plan = level(plan, evidence.feature(name), visit)
        u = evidence.feature("told")
        return self._generated(visit, evidence, plan) if u is None else self._read(visit, evidence, plan, u)

    def _read(self, visit: Visit, evidence: Evidence, plan: Tensor, u: Tensor) -> Tensor:
        past = torch.cat([self.first(evidence.n)[:, None], u[:, :-1]], 1)  # (B, T, U)
        keeps, taught = (
            visit(Site(name, Keep(torch.zeros_like(past[:, :, 0])), auxiliary=True))[:, :, None]
            for name in (HEARD, TAUGHT)
        )
        h = self._taught(past * keeps, plan) if taught.all() else self._retold(past, keeps, taught, plan)
        law = OverTime(self.head(self.leave(h.flatten(0, 1))), past.shape[1])
        return visit(evidence.sequence(law))

    def _taught(self, past: Tensor, plan: Tensor) -> Tensor:
        """The states after a past (B, T, U) that is known, (B, T, H)."""
        h: Tensor = self.decoder(torch.cat([past, plan[:, None].expand(-1, past.shape[1], -1)], 2), self.carry(plan))[0]
        return h

    def _retold(self, past: Tensor, keeps: Tensor, taught: Tensor, plan: Tensor) -> Tensor:
        """The same where the step before is one of its own wherever `taught` (B, T, 1) is 0."""
        own, carry, states = past[:, 0], self.carry(plan), []
        for u, keep, is_taught in zip(past.unbind(1), keeps.unbind(1), taught.unbind(1), strict=True):
            inputs = torch.cat([keep * torch.where(is_taught > 0, u, own), plan], 1)
            h, carry = self.decoder(inputs[:, None], carry)
            states.append(h[:, 0])
            with torch.no_grad():
                step = self.head(self.leave(h[:, 0])).sample()
            own = self.embed(step)
        return torch.stack(states, 1)

    def _generated(self, visit: Visit, evidence: Evidence, plan: Tensor) -> Tensor:
        u, carry, steps = self.first(evidence.n), self.carry(plan), []
        for t in range(evidence.steps or self.shape[0]):
            h, carry = self.decoder(torch.cat([u, plan], 1)[:, None], carry)
            law = self.head(self.leave(h[:, 0]))
            steps.append(at(visit, t, evidence.exists(t))(Site("x", law, data=True)))
            u = self.embed(steps[-1])
        return torch.stack(steps, 1)
