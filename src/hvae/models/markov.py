"""Bottom-up inference: q climbs from the data, p descends to it; all latents but the top are visited twice.

Shapes: `B` batch; `...` a latent's shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Distribution, Normal
from hvae.levels import Positive, StandardPrior, gaussian
from hvae.levels.heads import Head
from hvae.models.conditioning import Conditioning, Entry
from hvae.nn.mlp import begin
from hvae.range import UNIT
from hvae.site import Site, Visit
from hvae.walk import Chain, Evidence


class Markov(Chain):
    r"""Two Markov chains, z1 nearest the data.

    $$q(z \mid x) = q(z_1 \mid x) \prod_{l=2}^L q(z_l \mid z_{l-1}), \qquad
      p(x, z) = p(z_L) \prod_{l=1}^{L-1} p(z_l \mid z_{l+1})\; p(x \mid z_1)$$

    Rezende, Mohamed and Wierstra 2014, arXiv 1401.4082; Sonderby et al. 2016, arXiv 1602.02282, sec. 2.
    Arguments: `inference`, a network a level from the level below (the data for z1), z1 first; `generation`, a network
    a level from the level above, z1 first, for all but the top; `top`, the shape of z_L; `leave`, z1 -> raw likelihood
    parameters; `head`, raw -> distribution of x; `positive`, raw scale -> scale;
    `condition`, how a condition enters: at z_l the value above as p reads it (state), what q reads (evidence: the value
    below, at z1 its raw parameters), and z1 as the likelihood reads it (value).
    """

    limits = UNIT

    def __init__(
        self,
        shape: Sequence[int],
        *,
        inference: Mapping[str, nn.Module],
        generation: Mapping[str, nn.Module],
        top: Sequence[int],
        leave: nn.Module,
        head: Head,
        positive: Positive,
        condition: Conditioning,
    ) -> None:
        super().__init__()
        self.shape, self.top, self.positive = tuple(shape), StandardPrior(tuple(top)), positive
        self.inference, self.generation = nn.ModuleDict(inference), nn.ModuleDict(generation)
        self.leave, self.head = leave, head
        self.condition, self.conditions = condition, condition.conditions

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)
        begin(self.leave, self.head.marginal(datum.x))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        # The first network of the chain is deterministic, so it is evidence: K samples share one pass of it.
        first = next(iter(self.inference.values()))
        return {"z1": first(datum.x), **self.condition.features(datum)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        names, entry = list(self.inference), self.condition(visit, evidence)
        raw = entry.evidence("z1", evidence.feature("z1"))
        q = None if raw is None else self._climb(entry, raw)
        # Nothing is above the top: its p is known when its q is, so it is visited once and its KL is closed.
        z = visit(Site(names[-1], self._top(evidence.n), q))
        for name in reversed(names[:-1]):
            z = visit(Site(name, p=self._p(entry, name, z)))
        return visit(evidence.site(self._likelihood(entry, z)))

    def swap(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry = self.condition(visit, evidence)
        if evidence.x is None:
            return self._given(visit, entry, evidence)
        return self._taken(visit, entry, evidence, evidence.x)

    def _taken(self, visit: Visit, entry: Entry, evidence: Evidence, x: Tensor) -> Tensor:
        names, n = list(self.inference), evidence.n
        raw = entry.evidence("z1", evidence.feature("z1"))
        assert raw is not None
        z = visit(self._inferred(names[0], raw, n))
        visit(evidence.site(self._likelihood(entry, z)))
        for name, above in pairwise(names):
            higher = visit(self._inferred(above, self._raw(entry, above, z), n))
            visit(Site(name, p=self._p(entry, name, higher)))
            z = higher
        visit(Site(names[-1], self._top(n)))
        return x

    def _given(self, visit: Visit, entry: Entry, evidence: Evidence) -> Tensor:
        names, n = list(self.inference), evidence.n
        z = visit(Site(names[-1], self._top(n)))
        for name, above in reversed(list(pairwise(names))):
            z = visit(Site(name, p=self._p(entry, name, z)))
            visit(self._inferred(above, self._raw(entry, above, z), n))
        x = visit(Site("x", self._likelihood(entry, z), data=True))
        raw = entry.evidence("z1", self.features(Datum(x))["z1"])
        assert raw is not None
        visit(self._inferred(names[0], raw, n))
        return x

    def _inferred(self, name: str, raw: Tensor, n: int) -> Site:
        """A level with its q, and with its p too at the top, where that is known from the start."""
        return Site(name, self._top(n) if name == list(self.inference)[-1] else None, gaussian(raw, self.positive))

    def _top(self, n: int) -> Normal:
        p: Normal = self.top(next(self.parameters()).new_zeros(n, 1))[0]
        return p

    def _p(self, entry: Entry, name: str, above: Tensor) -> Normal:
        """p(z_l given z_{l+1})."""
        return gaussian(self.generation[name](entry.state(name, above)), self.positive)

    def _raw(self, entry: Entry, name: str, below: Tensor) -> Tensor:
        """The raw parameters of q(z_l given z_{l-1})."""
        return self.inference[name](entry.evidence(name, below))

    def _likelihood(self, entry: Entry, z: Tensor) -> Distribution:
        return self.head(self.leave(entry.value("z1", z)))

    def _climb(self, entry: Entry, raw: Tensor) -> Normal:
        """Draw every level but the top from its q; the q of the top."""
        for name, above in pairwise(self.inference):
            z = entry.ask(Site(name, q=gaussian(raw, self.positive)))
            raw = self._raw(entry, above, z)
        return gaussian(raw, self.positive)
