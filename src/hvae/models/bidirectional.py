"""Bidirectional inference: latents decided on the way up, and latents decided on the way down, in one walk.

Every stage l but the top has two latents.  "zl-up" is decided on the way up, when its p is not known yet, and visited
again on the way down; "zl-down" is decided on the way down, from p and q at once.  The top, "zL", is one latent.

Shapes: `B` batch; `L` stages; `...` a latent's shape; features are (B, C, h, w) in the published models.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Normal, standard_normal
from hvae.models.conditioning import LAST, Conditioning, Entry
from hvae.nn.begin import initialise
from hvae.range import UNIT
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model


class Latent(nn.Module):
    """The conditionals of one latent, features -> Gaussian (at the top p has no network), and `inject`, what its value
    becomes where the climb goes on (an up latent), or where the descent begins (the top)."""

    def __init__(self, *, q: nn.Module, p: nn.Module | None = None, inject: nn.Module | None = None) -> None:
        super().__init__()
        self.q, self.p, self.inject = q, p, inject


class Stage(nn.Module):
    """What is deterministic in one stage.

    `climb`, (up, across, both of the stage below side by side or None) -> (up, across); `merge`, what q sees: of (up,
    across) side by side at the top, of (across, d) below it; `descend`, (start, what the blocks of the stage above
    gave) -> (d, what its own blocks gave); `join`, both values of a stage side by side -> start (not at the top).
    """

    def __init__(
        self, *, climb: nn.Module, merge: nn.Module, descend: nn.Module, join: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.climb, self.merge, self.descend, self.join = climb, merge, descend, join


class Climbed(NamedTuple):
    """What the way up leaves to the way down: the path across at each stage but the top, lowest first, and q(zL)."""

    across: list[Tensor]
    top: Normal


class Bidirectional(Model):
    r"""Bottom-up and top-down latents in every stage: 2 L - 1 of them in L stages.

    $$p(x, z) = p(x \mid z)\, p(z_L) \prod_{l<L} p(z^{up}_l \mid z_{>l})\, p(z^{down}_l \mid z_{>l})$$
    $$q(z \mid x) = \prod_{l<L} q(z^{up}_l \mid x, z^{up}_{<l})\;\, q(z_L \mid x, z^{up}_{<L})
      \prod_{l<L} q(z^{down}_l \mid x, z^{up}_{<l}, z_{>l})$$

    where $z_l$ is both latents of stage l.  Maaloe et al. 2019, arXiv 1902.02102.

    On the way up two paths run beside each other: `up` passes through the latents it draws, `across` does not, and
    what it saw of stage l waits there for the way down.
    Arguments: `shape` of one datum; `enter`, x -> first input of both paths; `stages`, lowest first; `latents` by
    name, "z1-up", "z1-down", ..., "zL"; `top`, shape of zL; `leave`, last d -> raw likelihood parameters; `head`,
    raw -> distribution of x; `condition`, how a condition y enters: the features that q of an up latent and of the top
    reads (evidence), the feature that all other conditionals of a latent read (state), the last d ("x"), and values on
    their way down (value).
    """

    limits = UNIT

    def __init__(
        self,
        shape: Sequence[int],
        *,
        enter: nn.Module,
        stages: Sequence[Stage],
        latents: dict[str, Latent],
        top: Sequence[int],
        leave: nn.Module,
        head: nn.Module,
        condition: Conditioning,
    ) -> None:
        super().__init__()
        self.shape, self.top = tuple(shape), tuple(top)
        self.enter, self.leave, self.head = enter, leave, head
        # Any, since torch's types forget what its containers hold.
        self.stages: Any = nn.ModuleList(stages)
        self.latents: Any = nn.ModuleDict(latents)
        self.condition, self.conditions = condition, condition.conditions

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)
        initialise(self, lambda: self(datum))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        # The first stage's climb is deterministic, so it is evidence: K samples share one pass of it.
        h = self.enter(datum.x)
        up, across = self.stages[0].climb(h, h, None)
        return {"up": up, "across": across, **self.condition.features(datum)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry = self.condition(visit, evidence)
        climbed = None if evidence.x is None else self._climb(entry, evidence)
        name = f"z{len(self.stages)}"
        prior = standard_normal(next(self.parameters()).new_zeros(evidence.n, 1), self.top)
        start = self.latents[name].inject(entry(Site(name, prior, None if climbed is None else climbed.top)))
        d, context = self.stages[-1].descend(start, None)
        for l in reversed(range(1, len(self.stages))):
            z = self._pair(entry, l, d, None if climbed is None else climbed.across[l - 1])
            d, context = self.stages[l - 1].descend(self.stages[l - 1].join(z), context)
        return visit(evidence.site(self.head(self.leave(entry.state(LAST, d)))))

    def _climb(self, entry: Entry, evidence: Evidence) -> Climbed:
        """Draw every up latent from its q."""
        up, across = evidence.features["up"], evidence.features["across"]
        features: list[Tensor] = []
        for l, (_, above) in enumerate(pairwise(self.stages), start=1):
            latent, name = self.latents[f"z{l}-up"], f"z{l}-up"
            z = entry.ask(Site(name, q=latent.q(entry.evidence(name, up))))
            features.append(across)
            up, across = above.climb(latent.inject(z), across, torch.cat([up, across], 1))
        name = f"z{len(self.stages)}"
        merged = self.stages[-1].merge(torch.cat([up, across], 1))
        return Climbed(features, self.latents[name].q(entry.evidence(name, merged)))

    def _pair(self, entry: Entry, l: int, d: Tensor, across: Tensor | None) -> Tensor:
        """Draw the down latent of stage l and meet its up latent again; both values side by side, on their way down."""
        up, down = f"z{l}-up", f"z{l}-down"
        d = entry.state(down, d)
        q = None if across is None else self.latents[down].q(self.stages[l - 1].merge(across, d))
        z_down = entry(Site(down, self.latents[down].p(d), q))
        z_up = entry(Site(up, self.latents[up].p(entry.state(up, d))))
        return torch.cat([z_down, z_up], 1)  # (B, 2 D, ...)
