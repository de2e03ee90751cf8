"""A ladder in time: the higher a level, the more slowly its clock ticks.

Shapes: `B` batch; `T` steps; `K` ticks of a level; `R` ticks (or steps) below in one of a level; `E` evidence, `C` what
the level above says, `S` state after a latent; `U` an embedded step; `P` raw likelihood parameters of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import OverTime
from hvae.levels.heads import Head
from hvae.levels.level import Level
from hvae.models.conditioning import LAST, Conditioning, Entry
from hvae.models.timed import at_all_steps, embedded, existing
from hvae.nn.mlp import begin
from hvae.nn.sprites import Sprites
from hvae.nn.steps import begin_centred
from hvae.nn.ticks import only_existing, stretched, ticks, windows
from hvae.range import Limits
from hvae.site import Visit, at
from hvae.walk import Evidence, Model


class Rung(nn.Module):
    """One level with its clock.

    `stride`, steps from tick to tick; `truncate`, steps of a piece from which gradients do not go back into the one
    before, a multiple of the stride (0: no pieces); `read`, what R ticks below are together, (N, R E) -> e (N, E);
    `first`, n -> m_0; `enter`, (m of the tick before, c) -> s; `level`, (s, e, visit) -> m.  A condition enters m_0, c,
    e and z, and not the recurrent s.
    """

    def __init__(
        self,
        *,
        stride: int,
        read: nn.Module,
        first: nn.Module,
        enter: nn.Module,
        level: Level,
        truncate: int = 0,
    ) -> None:
        super().__init__()
        self.stride, self.read, self.truncate = stride, read, truncate
        self.first, self.enter, self.level = first, enter, level

    def forward(self, context: Tensor, features: Tensor | None, entry: Entry, evidence: Evidence) -> Tensor:
        """Every tick in its order: (B, K, C) and (B, K, E) -> (B, K, S)."""
        name = self.level.name
        features = None if features is None else at_all_steps(entry.evidence, name, features)
        m, states = entry.state(name, self.first(evidence.n)), []
        for k, c in enumerate(at_all_steps(entry.past, name, context).unbind(1)):
            t = k * self.stride
            e = None if features is None else features[:, k]
            before = m.detach() if self.truncate and t % self.truncate == 0 and t else m
            m = self.level(self.enter(before, c), e, at(entry, t, evidence.exists(t)))
            states.append(m)
        return torch.stack(states, 1)


class Seen(nn.Module):
    """Each step as it is: (x (B, T, ...), lengths) -> x."""

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return x


class Lowest(nn.Module):
    """The data see the state of z1 alone."""

    def forward(self, states: list[Tensor]) -> Tensor:
        return states[-1]


class All(nn.Module):
    """The data see every level: [s^1, s^2, .., s^L], of those above z1 without their first `memory` numbers.

    Aksan and Hilliges 2019, arXiv 1902.06568, of another ladder: a slow level then has a way to the data that
    leads through no quicker one.
    """

    def __init__(self, memory: int) -> None:
        super().__init__()
        self.memory = memory

    def forward(self, states: list[Tensor]) -> Tensor:
        return torch.cat([states[-1], *(s[..., self.memory :] for s in reversed(states[:-1]))], 2)


class Ends(nn.Module):
    """The data see the lowest level and the top: [s^1, s^L], of the top without its first `memory` numbers."""

    def __init__(self, memory: int) -> None:
        super().__init__()
        self.memory = memory

    def forward(self, states: list[Tensor]) -> Tensor:
        return torch.cat([states[-1], states[0][..., self.memory :]], 2)


class Clockwork(Model):
    r"""Level l is drawn at every s_l-th step, from its own past and the level above; the data see the lowest one.

    $$p(x, z) = \prod_l \prod_{k} p\big(z^l_k \mid z^l_{<k}, z^{>l}_{\le k}\big)\;
      \prod_t p\big(x_t \mid z^1_{\le t}, z^{>1}_{\le t}\big)$$
    $$q(z \mid x) = \prod_l \prod_k q\big(z^l_k \mid z^l_{<k}, z^{>l}_{\le k}, x_{\text{window of tick } k}\big)$$

    Saxena, Ba and Hafner 2021, arXiv 2102.09532.  No datum enters a state, so that a whole level is drawn before the
    next one below it, and the data of all steps at once, when they are known and when they are generated.

    Arguments: `shape`, (T, ...) with the usual number of steps; `limits`, the range of the data; `watch`, (x (B, T,
    ...), lengths) -> what inference reads of each step, which may depend on all of them; `embed`, of that -> u_t;
    `rungs`, top first; `gather`, the states of all levels at the ticks of z1, top first -> what the data see of them;
    `leave`, that of a tick of z1 -> raw likelihood parameters (s_1 P, ...) of its s_1 steps;
    `head`, raw -> law of a step; `condition`, how a condition enters the levels and what the data see of them.
    """

    timed = True

    def __init__(
        self,
        shape: Sequence[int],
        *,
        limits: Limits | None,
        watch: nn.Module,
        embed: nn.Module,
        rungs: Sequence[Rung],
        gather: nn.Module,
        leave: nn.Module,
        head: Head,
        condition: Conditioning,
    ) -> None:
        super().__init__()
        self.shape, self.limits = tuple(shape), limits
        self.watch, self.embed = watch, embed
        self.gather, self.leave, self.head = gather, leave, head
        self.condition, self.conditions = condition, condition.conditions
        # Any, since torch's types forget what its containers hold.
        self.rungs: Any = nn.ModuleDict({rung.level.name: rung for rung in rungs})

    @property
    def _lowest(self) -> Rung:
        return list(self.rungs.values())[-1]

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)
        steps = existing(datum)
        raw = self.head.marginal(steps)
        begin(self.leave, None if raw is None else torch.cat([raw] * self._lowest.stride))
        for part in self.leave.modules():
            if isinstance(part, Sprites):
                part.begin(even(self.head, steps))
        begin_centred(self.embed, steps)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        series = embedded(self.embed, self.watch(datum.x, datum.lengths))  # (B, T, U)
        below, features = 1, {}
        for rung in reversed(self.rungs.values()):
            together = windows(only_existing(series, datum.lengths, below), rung.stride // below)
            series = rung.read(together.flatten(0, 1)).unflatten(0, together.shape[:2])  # (B, K, E)
            features[rung.level.name], below = series, rung.stride
        return features

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry, steps, above = self.condition(visit, evidence), evidence.steps or self.shape[0], 0
        series, states = next(self.parameters()).new_zeros(evidence.n, 1, 0), []  # nothing is above the top
        for name, rung in self.rungs.items():
            count = ticks(steps, rung.stride)
            context = stretched(series, above // rung.stride or count, count)
            series, above = rung(context, evidence.feature(name), entry, evidence), rung.stride
            states.append((series, rung.stride))
        count = series.shape[1]
        gathered = self.gather([stretched(s, stride // above, count) for s, stride in states])
        law = OverTime(self.head(self._raw(at_all_steps(entry.state, LAST, gathered), steps)), steps)
        return visit(evidence.site(law) if evidence.x is None else evidence.sequence(law))

    def _raw(self, series: Tensor, steps: int) -> Tensor:
        """What the data see at the ticks of z1, (B, K, S), to raw likelihood parameters of each step, (B T, P, ...)."""
        stride, each = self._lowest.stride, self.leave(series.flatten(0, 1))  # (B K, s_1 P, ...)
        if stride == 1:
            return each
        raw = each.unflatten(1, (stride, -1)).unflatten(0, series.shape[:2]).flatten(1, 2)  # (B, K s_1, P, ...)
        return raw[:, :steps].flatten(0, 1)


def even(head: Head, x: Tensor) -> Tensor:
    """The raw numbers (P,) with which data (N, *shape) are likeliest if every pixel has the same.

    >>> from hvae.levels.heads import BernoulliHead
    >>> even(BernoulliHead((1, 2, 2)), torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])).sigmoid()
    tensor([0.5000])
    """
    raw = x.new_zeros(head.width, requires_grad=True)
    search = torch.optim.LBFGS([raw], max_iter=50, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        search.zero_grad()
        law = head(raw[:, None, None].expand(len(x), -1, *x.shape[2:]))
        nats = -law.log_prob(x).sum() / x.numel()
        (raw.grad,) = torch.autograd.grad(nats, raw)
        return nats

    with torch.enable_grad():
        search.step(cost)
    return raw.detach()
