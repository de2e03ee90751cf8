"""A draw of codes that leaves the improbable ones out: top-k and top-p.

Shapes: none of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hvae.distributions.ranked import Among, RankedCodes
from hvae.draw.base import Draw, Drawn, Wrapper, as_draw, keyed, prior
from hvae.errors import HvaeError
from hvae.site import Key, Pin, Site


@dataclass(frozen=True, eq=False)
class _Narrowed(Wrapper):
    among: Mapping[Key, Among]

    def __call__(self, site: Site) -> Drawn:
        if site.key not in self.among:
            return self.otherwise(site)
        if not isinstance(site.p, RankedCodes):
            raise HvaeError(
                f"{site.name}: top-k and top-p narrow a trained prior over codes, got {type(site.p).__name__}; name "
                "another level, or train a prior"
            )
        return self.otherwise(replace(site, p=site.p.narrowed(self.among[site.key])))

    def keys(self) -> frozenset[Key]:
        return super().keys().union(self.among)


def narrowed(among: Mapping[Pin, Among] | Mapping[str, Among], otherwise: Draw = prior()) -> Draw:
    """Draw the codes of each named level among the most probable ones alone; `otherwise` draws, and the other levels
    too.

    A temperature counts first: top-p is a share at that temperature.  Raises HvaeError at a level without a trained
    prior over codes, and for more codes than there are.

    >>> narrowed({"z2": Among(k=50, p=0.9)}, prior(0.8)).keys()
    frozenset({('z2', None)})
    """
    return _Narrowed(as_draw(otherwise), keyed(among))
