"""A ladder at each step above causal features of the data: no state goes from latent to latent in time.

Shapes: `n`, `B` rows; `T` steps; `N` steps of all rows together; `U` an embedded step; `L` levels; `W` features of a
level; `D` a latent; `...` one step of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Distribution, Normal, OverTime
from hvae.levels.heads import Head
from hvae.levels.level import Level
from hvae.models.conditioning import LAST, Conditioning, Entry
from hvae.models.timed import at_all_steps, begin_steps, embedded
from hvae.nn.recurrence import delayed
from hvae.range import Limits
from hvae.site import Site, Visit, at
from hvae.walk import Evidence, Model


class CausalLadder(Model):
    r"""L latents a step, of which the higher ones see further back in time.

    $$p(x, z) = \prod_t p\big(x_t \mid z^{1..L}_t\big) \prod_l p\big(z^l_t \mid z^{l+1}_t, d^l_{t-1}\big), \quad
      q(z \mid x) = \prod_t \prod_l q\big(z^l_t \mid z^{l+1}_t, d^l_t\big)$$

    where d^l_t is a function of x_1 .. x_t, which reaches the further back the higher l is; d^l_0 = 0.  Given the data,
    no latent enters another step: a level is computed at all steps at once.

    Arguments: `shape`, (T, ...) with the usual number of steps; `limits`, the range of the data; `embed`, x_t -> u_t;
    `past`, (u (B, T, U), carry) -> (d (B, T, L, W), carry), the lowest level first; `width` W; `levels`, top first,
    ([d^l_{t-1}, z^{l+1}_t], [d^l_t, z^{l+1}_t] or None, visit) -> z^l_t; `gather`, the latents of a step, top first,
    (N, D) each -> what the data see; `leave`, that -> raw likelihood parameters of a step; `head`, raw -> law of a
    step; `condition`, how a condition enters what a level reads, its latents, and what the data see.
    """

    timed = True

    def __init__(
        self,
        shape: Sequence[int],
        *,
        limits: Limits | None,
        embed: nn.Module,
        past: nn.Module,
        width: int,
        levels: Sequence[Level],
        gather: nn.Module,
        leave: nn.Module,
        head: Head,
        condition: Conditioning,
    ) -> None:
        super().__init__()
        self.shape, self.limits, self.width = tuple(shape), limits, width
        self.embed, self.past = embed, past
        self.levels = nn.ModuleDict({level.name: level for level in levels})
        self.gather, self.leave, self.head = gather, leave, head
        self.condition, self.conditions = condition, condition.conditions

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)
        begin_steps(datum, self.embed, self.leave, self.head)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        u = embedded(self.embed, datum.x)  # (B, T, U)
        d = self.past(u)[0]
        return {"now": d, "past": delayed(d.flatten(2)).unflatten(2, d.shape[2:])}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry = self.condition(visit, evidence)
        return self._generated(entry, evidence) if evidence.x is None else self._read(entry, evidence)

    def _read(self, entry: Entry, evidence: Evidence) -> Tensor:
        """Every level at all steps, the top first, then all data."""
        now, past = evidence.features["now"], evidence.features["past"]
        law = self._law(past, now, entry, at_each_step(entry, evidence, now.shape[1]))
        return entry.ask(evidence.sequence(OverTime(law, now.shape[1])))

    def _generated(self, entry: Entry, evidence: Evidence) -> Tensor:
        """Step by step: its latents, then the data they lead to, which the next step looks back on."""
        past = next(self.parameters()).new_zeros(evidence.n, len(self.levels), self.width)
        carry, steps = None, list[Tensor]()
        for t in range(evidence.steps or self.shape[0]):
            exists = evidence.exists(t)
            law = self._law(past[:, None], None, entry, at(entry, t, exists))
            steps.append(at(entry.ask, t, exists)(Site("x", law, data=True)))
            after, carry = self.past(self.embed(steps[-1])[:, None], carry)
            past = after[:, 0]
        return torch.stack(steps, 1)

    def _law(self, past: Tensor, now: Tensor | None, entry: Entry, visit: Visit) -> Distribution:
        """The law of the data of N = B T steps, after their latents have been visited: `past`, `now` (B, T, L, W)."""
        z, latents = past.new_zeros(*past.shape[:2], 0), []
        for above, (name, level) in enumerate(self.levels.items(), 1):
            l = len(self.levels) - above
            state = at_all_steps(entry.state, name, torch.cat([past[:, :, l], z], 2)).flatten(0, 1)
            feature = None
            if now is not None:
                feature = at_all_steps(entry.evidence, name, torch.cat([now[:, :, l], z], 2)).flatten(0, 1)
            latents.append(level(state, feature, visit))
            z = latents[-1].unflatten(0, past.shape[:2])
        last = at_all_steps(entry.state, LAST, self.gather(latents).unflatten(0, past.shape[:2]))
        law: Distribution = self.head(self.leave(last.flatten(0, 1)))
        return law


def at_each_step(visit: Visit, evidence: Evidence, count: int, stride: int = 1) -> Visit:
    """A visit of a latent at `count` steps of all rows, each `stride` after the one before, (B count, D), as a visit of
    each step."""

    def visit_all(site: Site) -> Tensor:
        laws = zip(_by_step(site.p, count), _by_step(site.q, count), strict=True)
        values = [
            at(visit, t, evidence.exists(t))(replace(site, p=p, q=q))
            for t, (p, q) in zip(range(0, count * stride, stride), laws, strict=True)
        ]
        return torch.stack(values, 1).flatten(0, 1)

    return visit_all


def _by_step(law: Distribution | None, steps: int) -> list[Normal] | list[None]:
    """A Gaussian of all steps, row b T + t, as one for each; none of each where there is none."""
    if law is None:
        return [None] * steps
    assert isinstance(law, Normal), "levels in time are Gaussian"
    series = (moment.unflatten(0, (-1, steps)).unbind(1) for moment in (law.loc, law.scale))
    return [Normal(loc, scale) for loc, scale in zip(*series, strict=True)]
