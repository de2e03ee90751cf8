"""A draw whose noise is handed in: values are functions of tensors, and of nothing else.

Shapes: `B` rows; `L` levels; `...` a variable's own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from hvae.distributions import Distribution, Flowed
from hvae.distributions.base import LocationScale
from hvae.draw import Draw, Drawn
from hvae.errors import HvaeError
from hvae.site import Key, Site


@dataclass(frozen=True, eq=False)
class Noise(Draw):
    r"""Latents from standard normal noise that is given, data at their mean, choices of the walk at their mode.

    $$z_l = \mu_l + t_l\,\sigma_l \odot \epsilon_l, \qquad \epsilon_l \sim \mathcal N(0, I)$$

    with the mean and the scale of q where inference knows one, else of p.  `values` holds $\epsilon_l$ (B, ...) by
    variable; `temperatures` (L,) one $t_l$ a variable, in the same order.
    """

    values: Mapping[Key, Tensor]
    temperatures: Tensor

    def __call__(self, site: Site) -> Drawn:
        law = site.q or site.p
        assert law is not None, f"site {site.name} has neither p nor q"
        if site.value is not None:
            return Drawn(site.value, site.proposal)
        if site.data:
            return Drawn(law.mean(), law)
        if site.auxiliary:
            return Drawn(law.mode(), law)
        scale = self.temperatures[list(self.values).index(site.key)]
        return Drawn(at(law, self.values[site.key], scale, site.name), law)

    def keys(self) -> frozenset[Key]:
        return frozenset(self.values)


def at(law: Distribution, noise: Tensor, temperature: Tensor, name: str) -> Tensor:
    """The value of a law at given noise.  Raises HvaeError for a law whose draws are no scaled and shifted noise."""
    if isinstance(law, Flowed):
        return law.push(at(law.base, noise, temperature, name))
    if isinstance(law, LocationScale):
        return law.loc + law.scale * temperature * noise
    raise HvaeError(
        f"{name} is drawn from {type(law).__name__}, which is no scaled and shifted normal noise: "
        "models with such latents are not exported; encode and decode them with `hvae encode` and `hvae decode`"
    )
