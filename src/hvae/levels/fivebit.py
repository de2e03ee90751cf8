"""The head for the five high bits of faces, as VDVAE was published with it: see `hvae.distributions.fivebit`.

Shapes: `B` batch; `C` channels, `H W` space; `M` components.
"""

from __future__ import annotations

from torch import Tensor

from hvae.distributions import Distribution
from hvae.distributions.fivebit import HighBits, overlapping_mass, placed
from hvae.distributions.logistic import Mass, log_mass
from hvae.errors import HvaeError
from hvae.levels.heads import Head, Shape
from hvae.levels.logisticheads import MixtureHead

MASSES: dict[str, Mass] = {"dmol-vdvae5": overlapping_mass, "dmol-vdvae5-exact": log_mass}
"""What the same raw numbers are taken for, by the name of the likelihood: the published number, or probabilities."""


class FiveBitHead(Head):
    """A mixture of logistics over 5-bit data, or over the five high bits of 8-bit data, on the published scale.

    `mass` is one of MASSES.  Raises HvaeError unless the data have 32 or 256 levels.
    """

    def __init__(self, shape: Shape, levels: int, *, mixtures: int, mass: Mass) -> None:
        if levels not in (_FIVE, _EIGHT):
            raise HvaeError(
                "expected 5-bit data, or 8-bit data of which five bits are scored, for the dmol-vdvae5 likelihoods; "
                f"got {levels} levels: set data.bits=5, or choose model.likelihood dmol"
            )
        # On the 8-bit scale; no start of its own, so that published weights keep their meaning.
        mixture = MixtureHead(shape, _EIGHT, mixtures=mixtures, start=0.0, spread=0.0)
        super().__init__(shape, mixture.width)
        self.levels, self.mixture, self.mass = levels, mixture, mass

    def read(self, raw: Tensor) -> Distribution:
        five = placed(self.mixture.read(raw), self.mass)
        return five if self.levels == _FIVE else HighBits(five)


_FIVE, _EIGHT = 2**5, 2**8
