"""A ladder above a whole sequence: latents at ever coarser steps, a level at once.

Shapes: `n`, `B` rows; `T` steps; `K` ticks of a level; `W` width; `...` one step of the data.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import OverTime
from hvae.levels.heads import Head
from hvae.levels.level import Level
from hvae.models.causal import at_each_step
from hvae.models.conditioning import LAST, Conditioning, Entry
from hvae.models.timed import at_all_steps, begin_steps, embedded
from hvae.nn.ticks import ticks
from hvae.range import Limits
from hvae.site import Visit
from hvae.walk import Evidence, Model


class Tier(nn.Module):
    """One level of the way down: all its ticks at once, given the level above.

    `stride`, steps from tick to tick; `enter`, (B, K, W) -> (B, K, W), where a tick hears none after it; `level`,
    (state of a tick, its feature or None, visit) -> state.
    """

    def __init__(self, *, stride: int, split: nn.Module, enter: nn.Module, level: Level) -> None:
        super().__init__()
        self.stride, self.split, self.enter, self.level = stride, split, enter, level

    def forward(self, above: Tensor, steps: int, entry: Entry, evidence: Evidence) -> Tensor:
        """(B, K above, W) -> (B, K, W)."""
        count, name = ticks(steps, self.stride), self.level.name
        h, e = at_all_steps(entry.state, name, self.enter(self.split(above)[:, :count])), evidence.feature(name)
        if e is not None:
            e = at_all_steps(entry.evidence, name, e).flatten(0, 1)
        state: Tensor = self.level(h.flatten(0, 1), e, at_each_step(entry, evidence, count, self.stride))
        return state.unflatten(0, (-1, count))


class Descent(nn.Module):
    r"""Latents from the top down, and what they say of each step: (state (B, W), steps, entry, evidence) ->
    (B, 1, T, W).

    $$p(z) = \prod_l \prod_k p\big(z^l_k \mid z^{>l} \text{ of windows that began by } k s_l\big)$$

    No tick hears of one that begins later: a sequence among longer ones, or the beginning of one, has the law that it
    has by itself, and the number of steps is no secret that latents would be told.

    Arguments: `number`, (state, K) -> (B, K, W), the state of each tick of the top level; `tiers`, top first; `split`,
    ticks of the lowest -> steps; `leave`, (B, T, W) -> (B, T, W), where a step hears none after it.
    """

    def __init__(self, *, number: nn.Module, tiers: Sequence[Tier], split: nn.Module, leave: nn.Module) -> None:
        super().__init__()
        self.number, self.tiers = number, nn.ModuleDict({tier.level.name: tier for tier in tiers})
        self.top, self.split, self.leave = tiers[0].stride, split, leave

    def forward(self, state: Tensor, steps: int, entry: Entry, evidence: Evidence) -> Tensor:
        h = self.number(state, ticks(steps, self.top))
        for tier in self.tiers.values():
            h = tier(h, steps, entry, evidence)
        whole: Tensor = self.leave(self.split(h)[:, :steps])
        return whole[:, None]


class Chorus(Model):
    r"""A ladder above a sequence whose steps are independent given the latents: all of them at once.

    $$p(x \mid z) = \prod_t p\big(x_t \mid c_t(z)\big)$$

    Arguments: `shape`, (T, ...) with the usual number of steps; `limits`, the range of the data; `embed`, x_t -> u_t;
    `reader`, (u (B, T, W), lengths) -> {level name: (B, K, W)}; `start`, n -> first state; `conduct`, (state, steps,
    entry, evidence) -> c (B, 1, T, W); `leave`, c_t -> raw likelihood parameters of a step; `head`, raw -> its law;
    `condition`, how a condition enters the levels and c.
    """

    timed = True

    def __init__(
        self,
        shape: Sequence[int],
        *,
        limits: Limits | None,
        embed: nn.Module,
        reader: nn.Module,
        start: nn.Module,
        conduct: nn.Module,
        leave: nn.Module,
        head: Head,
        condition: Conditioning,
    ) -> None:
        super().__init__()
        self.shape, self.limits = tuple(shape), limits
        self.embed, self.reader = embed, reader
        self.start, self.conduct = start, conduct
        self.leave, self.head = leave, head
        self.condition, self.conditions = condition, condition.conditions

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)
        begin_steps(datum, self.embed, self.leave, self.head)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        u = embedded(self.embed, datum.x)
        features: dict[str, Tensor] = self.reader(u, datum.lengths)
        return features

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry, steps = self.condition(visit, evidence), evidence.steps or self.shape[0]
        plans = self.conduct(self.start(evidence.n), steps, entry, evidence)[:, 0]  # (n, T, W)
        last = at_all_steps(entry.state, LAST, plans).flatten(0, 1)
        law = OverTime(self.head(self.leave(last)), steps)
        return visit(evidence.site(law) if evidence.x is None else evidence.sequence(law))
