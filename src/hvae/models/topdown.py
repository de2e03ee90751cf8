"""Deterministic features up, then one pass down: flat VAE, Ladder VAE, VLAE, the deep ladder.

Shapes: `B` batch; `...` a feature's shape.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from hvae.datum import Datum
from hvae.levels.heads import Head
from hvae.models.conditioning import LAST, Conditioning
from hvae.models.fewer import Fewer
from hvae.models.finer import Finer
from hvae.models.flows import Flows
from hvae.nn.begin import initialise
from hvae.nn.gather import Gather
from hvae.nn.mlp import begin
from hvae.range import UNIT
from hvae.site import Visit
from hvae.walk import Evidence, Model


class TopDown(Model):
    r"""One pass down over levels that know p and q at once.

    $$p(x, z) = p(x \mid z_{1:L}) \prod_l p(z_l \mid z_{>l}), \qquad q(z \mid x) = \prod_l q(z_l \mid z_{>l}, x)$$

    Arguments: `shape` of one datum; `bottom_up`, x -> {level name: feature}; `start`, n -> first state;
    `levels`, top first, each with a `name`, (state, its feature or None, visit) -> state; `leave`, last state -> raw
    likelihood parameters; `head`, raw -> distribution of x; `condition`, how a condition y enters the levels,
    which makes all of the above given y; `flows`, what becomes of its visits: laws
    pushed through maps (`Flows`), or levels that training leaves out (`Fewer`); `gather`, (last state, values by level)
    -> what is left; `finer`, levels that were added below these (`Finer`).
    """

    limits = UNIT

    def __init__(
        self,
        shape: Sequence[int],
        *,
        bottom_up: nn.Module,
        start: nn.Module,
        levels: Sequence[nn.Module],
        leave: nn.Module,
        head: Head,
        condition: Conditioning,
        flows: Flows | Fewer | None = None,
        gather: Gather | None = None,
        finer: Finer | None = None,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.bottom_up, self.start = bottom_up, start
        # Keyed by name, not by position: a model that grows a level renames no weight.
        self.levels = nn.ModuleDict({str(level.name): level for level in levels})
        self.leave, self.head = leave, head
        self.condition, self.conditions = condition, condition.conditions
        self.flows = Flows() if flows is None else flows
        self.gather = Gather({}, 0) if gather is None else gather
        self.finer = Finer({}, ()) if finer is None else finer

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)
        begin(self.leave, self.head.marginal(datum.x))
        initialise(self, lambda: self(datum))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {**self.bottom_up(datum.x), **self.finer.features(datum.x), **self.condition.features(datum)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        entry = self.condition(self.flows(visit, evidence), evidence)
        h = self.start(evidence.n)  # (n, ...)
        for name, level in self.levels.items():
            h = level(entry.state(name, h), entry.evidence(name, evidence.feature(name)), entry)
        last = entry.state(LAST, self.gather(h, entry.values))
        return visit(evidence.site(self.head(self.finer(last, self.leave(last), entry, evidence))))
