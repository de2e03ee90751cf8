"""Bottom-up inference: q climbs from the data, p descends to it; all latents but the top are visited twice.

Shapes: `B` batch; `...` a latent's shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Normal, standard_normal
from hvae.levels import Positive, gaussian
from hvae.levels.heads import Head
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
    parameters; `head`, raw -> distribution of x; `positive`, raw scale -> scale.
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
    ) -> None:
        super().__init__()
        self.shape, self.top, self.positive = tuple(shape), tuple(top), positive
        self.inference, self.generation = nn.ModuleDict(inference), nn.ModuleDict(generation)
        self.leave, self.head = leave, head

    def prepare(self, datum: Datum) -> None:
        begin(self.leave, self.head.marginal(datum.x))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        # The first network of the chain is deterministic, so it is evidence: K samples share one pass of it.
        first = next(iter(self.inference.values()))
        return {"z1": first(datum.x)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        names, raw = list(self.inference), evidence.feature("z1")
        q = None if raw is None else self._climb(visit, raw)
        # Nothing is above the top: its p is known when its q is, so it is visited once and its KL is closed.
        z = visit(Site(names[-1], self._top(evidence.n), q))
        for name in reversed(names[:-1]):
            z = visit(Site(name, p=gaussian(self.generation[name](z), self.positive)))
        return visit(evidence.site(self.head(self.leave(z))))

    def swap(self, visit: Visit, evidence: Evidence) -> Tensor:
        return self._given(visit, evidence.n) if evidence.x is None else self._taken(visit, evidence, evidence.x)

    def _taken(self, visit: Visit, evidence: Evidence, x: Tensor) -> Tensor:
        names, n = list(self.inference), evidence.n
        z = visit(self._inferred(names[0], evidence.features["z1"], n))
        visit(evidence.site(self.head(self.leave(z))))
        for name, above in pairwise(names):
            higher = visit(self._inferred(above, self.inference[above](z), n))
            visit(Site(name, p=gaussian(self.generation[name](higher), self.positive)))
            z = higher
        visit(Site(names[-1], self._top(n)))
        return x

    def _given(self, visit: Visit, n: int) -> Tensor:
        names = list(self.inference)
        z = visit(Site(names[-1], self._top(n)))
        for name, above in reversed(list(pairwise(names))):
            z = visit(Site(name, p=gaussian(self.generation[name](z), self.positive)))
            visit(self._inferred(above, self.inference[above](z), n))
        x = visit(Site("x", self.head(self.leave(z)), data=True))
        visit(self._inferred(names[0], self.features(Datum(x))["z1"], n))
        return x

    def _inferred(self, name: str, raw: Tensor, n: int) -> Site:
        """A level with its q, and with its p too at the top, where that is known from the start."""
        return Site(name, self._top(n) if name == list(self.inference)[-1] else None, gaussian(raw, self.positive))

    def _top(self, n: int) -> Normal:
        return standard_normal(next(self.parameters()).new_zeros(n, 1), self.top)

    def _climb(self, visit: Visit, raw: Tensor) -> Normal:
        """Draw every level but the top from its q; the q of the top."""
        for name, above in pairwise(self.inference):
            z = visit(Site(name, q=gaussian(raw, self.positive)))
            raw = self.inference[above](z)
        return gaussian(raw, self.positive)
