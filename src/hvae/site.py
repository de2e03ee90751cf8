"""A site: what one visit of a walk knows of one random variable.

Shapes: `B` batch; `...` the variable's own shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from hvae.distributions import Distribution

Key = tuple[str, int | None]


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One visit of one random variable, latent or observed.

    `p` is its generative conditional and `q` its inference conditional; a top-down model knows both at once, a
    bottom-up model learns q on the way up and p on the way down.  `value` and `proposal` are what an earlier visit
    of the same walk decided (for data, `value` is the datum).  The identity of a variable is its `name`, with a
    `step` when the same name recurs in time; `weight` above 1 lets one visited site stand for several.  `late` is set
    when the value was decided before p was known: p may then depend on it, and no closed form for KL(q || p) holds.
    """

    name: str
    p: Distribution | None = None
    q: Distribution | None = None
    value: Tensor | None = None
    proposal: Distribution | None = None
    step: int | None = None
    weight: float = 1.0
    data: bool = False
    late: bool = False

    @property
    def key(self) -> Key:
        return self.name, self.step

    def knowing(self, earlier: Site) -> Site:
        """This visit together with what an earlier visit of the same variable knew."""
        return replace(
            self,
            p=self.p or earlier.p,
            q=self.q or earlier.q,
            value=earlier.value if self.value is None else self.value,
            proposal=earlier.proposal if self.value is None else self.proposal,
            late=earlier.late or earlier.p is None,
        )


Visit = Callable[[Site], Tensor]
"""What a walk calls at each variable: it is handed the value and walks on."""
