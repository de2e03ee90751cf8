"""A latent a step: the Markov state of a walk in time takes in each latent, and what is known of the data before it.

Shapes: `n`, `B` rows; `T` steps; `U` an embedded step; `C` what the past says of a step; `E` evidence of a step;
`S` state before, `M` state after the latent of a step; `R` raw parameters of the likelihood of a step; `...` one step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Distribution, Normal, OverTime, Student
from hvae.levels.heads import Head
from hvae.levels.level import Level
from hvae.models.conditioning import LAST, Entry, RowCondition
from hvae.models.flows import Flows
from hvae.models.timed import at_all_steps, begin_steps, embedded
from hvae.nn.pieces import over_pieces
from hvae.nn.recurrence import Lags, delayed
from hvae.range import Limits
from hvae.site import Site, Visit, at
from hvae.walk import Evidence, Stepwise


class Recurrent(Stepwise):
    r"""One latent z_t a step of the data x_t, and a state that both leave their trace in.

    $$s_t = f(m_{t-1}, c_t), \quad z_t \sim p(z_t \mid s_t), \quad m_t = g(s_t, z_t), \quad x_t \sim p(x_t \mid m_t)$$
    $$q(z_{1:T} \mid x_{1:T}) = \prod_t q(z_t \mid s_t, e_t)$$

    where c_t is a function of the data before step t and e_t one of all the data.  Both are evidence: they are
    computed for all steps at once, as are the embedding u_t of x_t and, where the data are given, their likelihood.

    Arguments: `shape`, (T, ...) with the usual number of steps; `limits`, the range of the data; `embed`, x_t -> u_t;
    `past`, u (B, T, U) and a carry -> (what is known after each step (B, T, C), carry), and `past_width` C:
    c_t is what was known after step t - 1, and c_1 is zero; `reader`, (u, c, lengths) -> e (B, T, E);
    `first`, n -> m_0; `enter`, f; `level`, (s, e_t, visit) -> m, whose `absorb` is g; `leave`, m -> raw likelihood
    parameters of a step; `head`, raw -> law of a step; `truncate`, how many steps a piece has from which gradients do
    not go back into the one before (0: no pieces), here and in the past: a state is carried on, so that no value
    changes; `flows`, what the
    laws of z_t are pushed through; `condition`, how a condition y enters: what f hears of the past or what it gives,
    e_t, and what g makes of z_t or what the likelihood reads, where a family offers them.
    """

    timed = True

    def __init__(
        self,
        shape: Sequence[int],
        *,
        limits: Limits | None,
        embed: nn.Module,
        past: nn.Module,
        past_width: int,
        reader: nn.Module,
        first: nn.Module,
        enter: nn.Module,
        level: Level,
        leave: nn.Module,
        head: Head,
        condition: RowCondition,
        truncate: int = 0,
        flows: Flows | None = None,
        lags: Lags | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.limits, self.past_width, self.truncate = tuple(shape), limits, past_width, truncate
        self.embed, self.past, self.reader = embed, past, reader
        self.first, self.enter, self.level = first, enter, level
        self.leave, self.head = leave, head
        self.condition, self.conditions = condition, condition.conditions
        self.flows, self.lags = Flows() if flows is None else flows, lags

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)
        if self.lags is not None:
            self.lags.begin(datum.x, datum.lengths)
        begin_steps(datum, self.embed, self.leave, self.head)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        u = embedded(self.embed, datum.x)  # (B, T, U)
        after = 1 + torch.arange(u.shape[1], device=u.device)
        c = delayed(over_pieces(self.past, u, after, self.truncate))
        features = {"past": c, self.level.name: self.reader(u, c, datum.lengths)}
        if self.lags is None:
            return features
        lags = torch.cat([self.lags.first(len(datum.x)), self.lags(datum.x)[:, :-1]], 1)  # (B, T, 2, D)
        return {**features, "lags": lags}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry = self.condition(self.flows(visit, evidence), evidence)
        return self._generated(entry, evidence) if evidence.x is None else self._read(entry, evidence)

    def _read(self, entry: Entry, evidence: Evidence) -> Tensor:
        """Every latent in the order of time, then all data at once."""
        name = self.level.name
        past = at_all_steps(entry.past, name, evidence.features["past"]).unbind(1)
        features = at_all_steps(entry.evidence, name, evidence.features[name]).unbind(1)
        m, states = self.first(evidence.n), []
        for t, (c, e) in enumerate(zip(past, features, strict=True)):
            m = self._after(self._carried(m, t), c, e, entry, at(entry, t, evidence.exists(t)))
            states.append(m)
        lags = evidence.features.get("lags")
        last = at_all_steps(entry.state, LAST, torch.stack(states, 1)).flatten(0, 1)
        law = self._law(last, None if lags is None else lags.flatten(0, 1))
        return entry.ask(evidence.sequence(OverTime(law, len(states))))

    def _after(self, m: Tensor, c: Tensor, e: Tensor | None, entry: Entry, here: Visit) -> Tensor:
        """The state after the latent of a step, (n, M), given that before it."""
        after: Tensor = self.level(entry.state(self.level.name, self.enter(m, c)), e, here)
        return after

    def _law(self, m: Tensor, lags: Tensor | None) -> Distribution:
        """The law of a step whose state is m, (n, M); `lags`, what the steps before say of it, (n, 2, D)."""
        law = self.head(self.leave(m))
        if lags is None:
            return law
        assert isinstance(law, (Normal, Student)), "the configuration allows no other"
        location, scale = lags.unbind(1)
        return law.at(location + scale * law.loc, scale * law.scale)

    def _carried(self, m: Tensor, t: int) -> Tensor:
        """The state as step t takes it up: the first of a piece as a number that depends on nothing."""
        return m.detach() if self.truncate and t % self.truncate == 0 and t else m

    def before(self, evidence: Evidence) -> Tensor:
        """[m_0, a code that the first step hears], (n, M + W)."""
        m: Tensor = self.first(evidence.n)
        return torch.cat([m, m.new_zeros(evidence.n, self.condition.width)], 1)

    def step(self, visit: Visit, evidence: Evidence, state: Tensor, t: int) -> Tensor:
        pushed, exists, name = self.flows(visit, evidence), evidence.exists(t), self.level.name
        width = self.condition.width
        m, codes = state.split([state.shape[1] - width, width], 1)
        if t == 0:  # whether a row keeps its condition is drawn once, and goes on with the row
            codes = self.condition.codes(pushed, evidence).to(m)
        entry = self.condition.entry(pushed, codes)
        c, e = entry.past(name, evidence.features["past"][:, t]), entry.evidence(name, evidence.features[name][:, t])
        m = self._after(self._carried(m, t), c, e, entry, at(entry, t, exists))
        lags, observed = (
            None if series is None else series[:, t] for series in (evidence.features.get("lags"), evidence.observed)
        )
        law = self._law(entry.state(LAST, m), lags)
        at(pushed, t, exists)(Site("x", law, value=evidence.data[:, t], observed=observed, data=True))
        return torch.cat([m, codes], 1)

    def _generated(self, entry: Entry, evidence: Evidence) -> Tensor:
        """Step by step: each latent, then the data it leads to, which the next step looks back on."""
        m, carry, steps = self.first(evidence.n), None, list[Tensor]()
        c = m.new_zeros(evidence.n, self.past_width)
        for t in range(evidence.steps or self.shape[0]):
            exists, c = evidence.exists(t), entry.past(self.level.name, c)
            m = self._after(m, c, None, entry, at(entry, t, exists))
            law = self._law(entry.state(LAST, m), self._lags(steps, evidence.n))
            steps.append(at(entry.ask, t, exists)(Site("x", law, data=True)))
            after, carry = self.past(self.embed(steps[-1])[:, None], carry)
            c = after[:, 0]
        return torch.stack(steps, 1)

    def _lags(self, steps: list[Tensor], n: int) -> Tensor | None:
        """What the steps so far say of the next one, (n, 2, D)."""
        if self.lags is None:
            return None
        if not steps:
            return self.lags.first(n)[:, 0]
        return self.lags(torch.stack(steps[-self.lags.order :], 1))[:, -1]
