"""A site: the distributions and value of one random variable at one visit of a walk.

Shapes: `B` batch; `...` the variable's own shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from hvae.distributions import Distribution
from hvae.modules import every

Key = tuple[str, int | None]
"""The identity of a variable: its name and, where the name recurs in time, its step."""
Pin = str | tuple[str, int | None]
"""How people write a key: ("z", 3), or the bare name of a variable that is visited once."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One visit of one random variable, latent or observed.

    `p` is its generative conditional and `q` its inference conditional; a top-down model knows both at once, a
    bottom-up model learns q on the way up and p on the way down.  `value` and `proposal` are what an earlier visit
    of the same walk decided (for data, `value` is the datum).  The identity of a variable is its `name`, with a
    `step` when the same name recurs in time.  `weight`, a number or (B,), lets one visited site stand for several;
    `mask` (B,) bool says for which rows this visit exists, or (B, 1, ...) for which positions of them, as its nats
    factorise (all if None): what does not exist costs nothing.  `observed`
    (B, ...) bool says which values of a datum are known: the others do not count towards its likelihood.  `late` is
    set when the value was decided before p was known: p may then depend on it, and no closed form for KL(q || p)
    holds.  An `auxiliary` site is a choice of the walk itself, such as which step it visits: it is no level.
    """

    name: str
    p: Distribution | None = None
    q: Distribution | None = None
    value: Tensor | None = None
    proposal: Distribution | None = None
    step: int | None = None
    weight: float | Tensor = 1.0
    mask: Tensor | None = None
    observed: Tensor | None = None
    data: bool = False
    late: bool = False
    auxiliary: bool = False

    @property
    def key(self) -> Key:
        return self.name, self.step

    @property
    def is_weighed(self) -> bool:
        """Whether it stands for more than itself, or for less: a weight other than 1 in some row."""
        return not every(self.weight == 1.0) if isinstance(self.weight, Tensor) else self.weight != 1.0

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


def pin(key: Key) -> Pin:
    """A key as people write it.

    >>> pin(("z", 3)), pin(("z1", None))
    (('z', 3), 'z1')
    """
    return key[0] if key[1] is None else key


def as_key(pin: Pin) -> Key:
    """The inverse of `pin`."""
    return (pin, None) if isinstance(pin, str) else (pin[0], pin[1])


Visit = Callable[[Site], Tensor]
"""What a walk calls at each variable: it is handed the value and walks on."""


def at(visit: Visit, step: int, mask: Tensor | None) -> Visit:
    """A visit at one step of a walk in time: of the rows that have this step, (B,) bool (all of them if None)."""
    return lambda site: visit(replace(site, step=step, mask=mask))


def spelled(pin: Pin) -> str:
    """A variable as text, for files and screens.

    >>> spelled("z1"), spelled(("z", 3))
    ('z1', 'z[3]')
    """
    name, step = as_key(pin)
    return name if step is None else f"{name}[{step}]"


def read_pin(text: str) -> Pin:
    """The inverse of `spelled`.

    >>> read_pin("z[3]"), read_pin("z1-up")
    (('z', 3), 'z1-up')
    """
    name, bracket, step = text.removesuffix("]").partition("[")
    return (name, int(step)) if bracket and step.isdecimal() else text
