r"""Where a condition y enters a walk: one place for every topology.

$$p(x, z \mid y) = p(x \mid z, y) \prod_l p(z_l \mid z_{>l}, y), \qquad
  q(z \mid x, y) = \prod_l q(z_l \mid z_{>l}, x, y)$$

At each chosen level y may enter three features: the state, of which prior, posterior and all that lies below are made;
the evidence, which the posterior reads; and the value, on its way to the state below.  A prior that reads no state, the
standard normal, stays one, as in Kingma et al. 2014, arXiv 1406.5298: z then says what y does not.  A prior over codes
may hear y by itself, in the context of its network: p(z | y) with q(z | x) and p(x | z), as in a second stage.

Where the state below is a function of a value alone, a value of few dimensions is a narrow way for y: there it may
enter the last state too, which the likelihood reads, under the name of the data ("x").

In time a state is carried on from step to step, and what scales it would scale it again at each of them: there y enters
what a step hears of the steps before it, on its way into the state, and no state of a recurrence.

Shapes: `n` rows; `W` width of a code; `C` channels; `...` space, if any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hvae.condition import Condition, Conditions
from hvae.datum import Datum
from hvae.distributions import Keep
from hvae.distributions.discrete import Tokens
from hvae.draw.choices import GUESSED
from hvae.nn.caption import CaptionCode
from hvae.nn.film import ClassCode, Entering, VectorCode, messages
from hvae.site import Site, Visit
from hvae.walk import Evidence

Code = ClassCode | VectorCode | CaptionCode
"""A network from what is known, (n, ...), to a code (n, W), zeros where nothing is known."""
KEPT = "kept"
"""The auxiliary variable that says which rows keep their condition."""
LAST = "x"
"""The place of the state that the likelihood reads, which a condition enters where it is named."""


class Place(NamedTuple):
    """Channels of what a condition may enter at one level; 0 where there is nothing to enter."""

    state: int = 0
    evidence: int = 0
    value: int = 0
    prior: int = 0
    past: int = 0


class Entry:
    """One walk without a condition: every feature stays as it is; `values` of the levels visited so far, by name."""

    def __init__(self, visit: Visit) -> None:
        self.ask = visit
        # No dict[str, Tensor](): torch.compile knows no such call.
        self.values: dict[str, Tensor] = {}

    def state(self, name: str, h: Tensor) -> Tensor:
        """The state that the level reads, (n, C, ...)."""
        return h

    def evidence(self, name: str, e: Tensor | None) -> Tensor | None:
        """The feature of the data that its posterior reads, (n, C, ...); None without data."""
        return e

    def value(self, name: str, z: Tensor) -> Tensor:
        """The level's value on its way to the state below, (n, C, ...)."""
        return z

    def prior(self, name: str, context: Tensor) -> Tensor:
        """What the level's prior alone reads, (n, C, ...)."""
        return context

    def past(self, name: str, c: Tensor) -> Tensor:
        """What a step of a recurrence hears on its way into the state that the level reads, (n, C, ...)."""
        return c

    def __call__(self, site: Site) -> Tensor:
        """Visit a level; its value on its way to the state below."""
        self.values[site.name] = self.value(site.name, self.ask(site))
        return self.values[site.name]


class Heard(Entry):
    """One walk under a condition, a code (n, W), which enters some features of some levels."""

    def __init__(self, visit: Visit, code: Tensor, networks: Mapping[str, nn.ModuleDict]) -> None:
        super().__init__(visit)
        self.code, self.networks = code, networks
        places = [(what, name) for what, some in networks.items() for name in some]
        parts = messages([networks[what][name] for what, name in places], code) if places else ()  # type: ignore[misc]
        self.messages = dict(zip(places, parts, strict=True))

    def state(self, name: str, h: Tensor) -> Tensor:
        return self._under("state", name, h)

    def evidence(self, name: str, e: Tensor | None) -> Tensor | None:
        return None if e is None else self._under("evidence", name, e)

    def value(self, name: str, z: Tensor) -> Tensor:
        return self._under("value", name, z)

    def prior(self, name: str, context: Tensor) -> Tensor:
        return self._under("prior", name, context)

    def past(self, name: str, c: Tensor) -> Tensor:
        return self._under("past", name, c)

    def _under(self, what: str, name: str, feature: Tensor) -> Tensor:
        networks = self.networks[what]
        return networks[name](feature, self.messages[what, name], self.code) if name in networks else feature


class Conditioning(nn.Module, ABC):
    """How a model hears of its condition; `conditions`, what it asks of the context."""

    conditions: Conditions

    @abstractmethod
    def forward(self, visit: Visit, evidence: Evidence) -> Entry:
        """One walk under the condition of its rows."""

    @abstractmethod
    def prepare(self, datum: Datum) -> None:
        """Start whatever starts from data."""

    @abstractmethod
    def features(self, datum: Datum) -> dict[str, Tensor]:
        """What it reads of the data themselves, by name, each (B, ...)."""


class RowCondition(Conditioning):
    """One that a code of each row says, (n, `width`), which a walk in time may carry from step to step."""

    width: int

    def forward(self, visit: Visit, evidence: Evidence) -> Entry:
        return self.entry(visit, self.codes(visit, evidence))

    @abstractmethod
    def codes(self, visit: Visit, evidence: Evidence) -> Tensor:
        """What a walk hears of its rows, (n, W): whatever of it is a choice of the walk is drawn here, once."""

    @abstractmethod
    def entry(self, visit: Visit, codes: Tensor) -> Entry:
        """A walk, or a step of one, under such codes."""


class Unconditional(RowCondition):
    """No condition: no parameters, and every feature as it is."""

    width = 0

    def __init__(self) -> None:
        super().__init__()
        self.conditions = {}

    def codes(self, visit: Visit, evidence: Evidence) -> Tensor:
        return torch.zeros(evidence.n, 0)

    def entry(self, visit: Visit, codes: Tensor) -> Entry:
        return Entry(visit)

    def prepare(self, datum: Datum) -> None:
        """There is nothing to start."""

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}


class Conditioned(RowCondition):
    """One condition at some levels.

    Arguments: `name`, its entry of the context, and `condition`, what is asked of it; `code`, context -> (n, W), zeros
    where nothing is known; `networks`, (feature, code) -> feature by what they enter (the fields of a `Place`) and
    level; `drop`, the probability that a row loses it in training.
    """

    def __init__(
        self,
        name: str,
        condition: Condition,
        *,
        code: Code,
        networks: Mapping[str, Mapping[str, Entering]],
        drop: float,
    ) -> None:
        super().__init__()
        self.name, self.drop = name, drop
        self.conditions = {name: condition}
        self.code, self.width = code, code.width
        self.networks = nn.ModuleDict({what: nn.ModuleDict(dict(some)) for what, some in networks.items()})

    def codes(self, visit: Visit, evidence: Evidence) -> Tensor:
        c: Tensor = self.code(evidence.context[self.name])  # (n, W)
        if self.conditions[self.name].optional:
            # In the walk, not in the features that K draws of a datum share: each row is kept or dropped by itself.
            law = Keep(c[:, 0].detach(), self.drop)
            c = c * visit(Site(KEPT, law, law, auxiliary=True))[:, None]
        return c

    def entry(self, visit: Visit, codes: Tensor) -> Entry:
        return Heard(visit, codes, self.networks)  # type: ignore[arg-type]  # torch's types forget what containers hold

    def prepare(self, datum: Datum) -> None:
        if self.name in datum.context:
            self.code.prepare(datum.context[self.name])

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def extra_repr(self) -> str:
        return self.name


class Guessed(RowCondition):
    r"""A class that is a latent variable wherever it is not known: of uniform prior, guessed from the data.

    $$p(y) = 1 / K, \qquad q(y \mid x) = \mathrm{softmax}(f(x))$$

    Kingma et al. 2014, arXiv 1406.5298, eq. (2) and (4).  The site "y" is visited in the rows that do not know it, and
    is auxiliary: what it costs counts with the likelihood.  Arguments: `conditioned`, what a known class is told by;
    `classifier`, x -> logits (B, K).
    """

    def __init__(self, conditioned: Conditioned, classifier: nn.Module) -> None:
        super().__init__()
        self.conditioned, self.classifier, self.name = conditioned, classifier, conditioned.name
        self.width = conditioned.width
        self.conditions = {conditioned.name: replace(conditioned.conditions[conditioned.name], optional=True)}

    def codes(self, visit: Visit, evidence: Evidence) -> Tensor:
        label, logits = evidence.context[self.name], evidence.feature(GUESSED)
        classes = self.conditions[self.name].classes
        p = Tokens(next(self.parameters()).new_zeros(evidence.n, classes))
        q = None if logits is None else Tokens(logits)
        guess = visit(Site(GUESSED, p, q, mask=label < 0, auxiliary=True))
        classes_at = torch.where(label < 0, guess.long(), label)
        return self.conditioned.codes(visit, replace(evidence, context={**evidence.context, self.name: classes_at}))

    def entry(self, visit: Visit, codes: Tensor) -> Entry:
        return self.conditioned.entry(visit, codes)

    def prepare(self, datum: Datum) -> None:
        self.conditioned.prepare(datum)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {GUESSED: self.classifier(datum.x)}
