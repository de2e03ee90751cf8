"""Evidence: the data and their context as a walk sees them.

Shapes: `n` rows; `K` rows for each datum; `...` one datum, a feature, or one row of a context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hvae.counts import whole
from hvae.datum import Datum
from hvae.distributions import Distribution
from hvae.errors import unknown
from hvae.site import Site


def row_number(what: str, number: int, least: int) -> int:
    """So many rows.  Raises HvaeError for anything but a whole number of at least `least`."""
    # Of a program that is exported numbers are symbols.
    return number if isinstance(number, torch.SymInt) else whole(what, number, least)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that a walk may see; `Evidence(n)` is "nothing known, n rows".

    `x` (n, ...), the data, with 0 where a value is not observed; `context` by name, each (n, ...): what is known in
    generation too; `features` by name, each (n, ...): deterministic, of x and the context, empty when there are no
    data; `observed` (n, ...) bool and `lengths` (n,) as in `Datum`.  Without data the `horizon`, or else the lengths,
    say how many steps are to be generated.  Never a random value: repeated rows differ by their draws only.
    """

    n: int
    x: Tensor | None = None
    context: Mapping[str, Tensor] = field(default_factory=dict)
    features: Mapping[str, Tensor] = field(default_factory=dict)
    observed: Tensor | None = None
    lengths: Tensor | None = None
    horizon: int | None = None

    def __len__(self) -> int:
        return self.n

    @property
    def data(self) -> Tensor:
        """x, where it is known that there are data."""
        assert self.x is not None, "this evidence has no data"
        return self.x

    @property
    def is_known(self) -> Tensor:
        """Which values exist and are observed, (n, ...) bool."""
        return self.datum.is_known

    @property
    def values(self) -> Tensor:
        """How many values of each datum exist and are observed, (n,)."""
        return self.datum.values

    @property
    def datum(self) -> Datum:
        """The data and their context, without features."""
        return Datum(self.data, self.context, self.observed, self.lengths)

    @property
    def steps(self) -> int | None:
        """Steps T of the sequences that are known, or to be generated; None where nothing says so."""
        if self.x is not None:
            return self.x.shape[1]
        return self.horizon if self.lengths is None else int(self.lengths.max())

    def exists(self, step: int) -> Tensor | None:
        """Which rows have a step (n,) bool, for `Site.mask`; None where all have it."""
        return None if self.lengths is None else self.lengths > step

    def within(self) -> Tensor | None:
        """Which steps of which rows exist, (n, T) bool; None where all do."""
        if self.lengths is None:
            return None
        return torch.arange(self.steps or 0, device=self.lengths.device) < self.lengths[:, None]

    def feature(self, name: str) -> Tensor | None:
        """A feature of the data; None when there are no data.  Raises HvaeError for a name that `features` lacks."""
        if self.x is None:
            return None
        if name not in self.features:
            raise unknown("feature", name, self.features)
        return self.features[name]

    def site(self, p: Distribution, name: str = "x") -> Site:
        """The site of the data: their likelihood p, and their values and which are observed where they are known."""
        return Site(name, p, value=self.x, observed=self.observed, data=True)

    def sequence(self, p: Distribution, name: str = "x") -> Site:
        """The site of all steps of the data at once, (n, T, ...): what lies beyond a length is not observed."""
        is_whole = self.observed is None and self.lengths is None
        return Site(name, p, value=self.data, observed=None if is_whole else self.is_known, data=True)

    def repeat(self, k: int) -> Evidence:
        """K rows for each datum, (B, ...) -> (B K, ...): row b becomes rows b k to b k + k - 1.  Networks ran once.

        Raises HvaeError for less than one row.
        """
        if row_number("rows for each datum", k, 1) == 1:
            return self
        x, observed, lengths = (
            None if t is None else t.repeat_interleave(k, 0) for t in (self.x, self.observed, self.lengths)
        )
        context, features = (
            {name: t.repeat_interleave(k, 0) for name, t in part.items()} for part in (self.context, self.features)
        )
        return Evidence(k * self.n, x, context, features, observed, lengths, self.horizon)
