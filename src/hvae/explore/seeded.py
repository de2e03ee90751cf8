"""Draws whose noise is that of a seed for each level and row, remembered while pictures are moved.

Shapes: `n` rows; `...` a variable's own shape.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hvae.distributions import Distribution, LocationScale
from hvae.draw import Draw, Drawn, prior
from hvae.seeds import noise_seed, reseed
from hvae.site import Site

Seeds = Mapping[str, Sequence[int]]
"""The seeds of the pictures, n of them, by the name of the level."""
MOST_NUMBERS = 1 << 24
"""Of noise that is remembered: 64 MiB."""


class Noise:
    """Standard noise by level and seed, remembered up to a size: under a slider it stays the same."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, int | None, int], Tensor] = {}
        self.numbers = 0

    def of(self, site: Site, p: LocationScale, seed: int) -> Tensor:
        """The noise of a seed, (1, ...)."""
        key = (*site.key, seed)
        if key not in self.known:
            self._make_room()
            zero = torch.zeros_like(p.loc[:1], device="cpu")  # the same noise on every device
            # What is drawn elsewhere in the walk must not depend on what is remembered here.
            before = torch.default_generator.get_state()
            torch.default_generator.manual_seed(_seed(site, seed))
            self.known[key] = p.at(zero, torch.ones_like(zero)).sample().to(p.loc)
            torch.default_generator.set_state(before)
            self.numbers += zero.numel()
        return self.known[key]

    def _make_room(self) -> None:
        if self.numbers > MOST_NUMBERS:
            self.known.clear()
            self.numbers = 0


@dataclass(frozen=True, eq=False)
class SeededDraw(Draw):
    """`seeds` and `heat`, the temperature, of each row by level, n of each; other levels are drawn from the prior."""

    seeds: Seeds
    heat: Mapping[str, Tensor]
    noise: Noise = field(default_factory=Noise)

    def __call__(self, site: Site) -> Drawn:
        if site.data or site.p is None or site.name not in self.seeds:
            return prior()(site)
        if isinstance(site.p, LocationScale):
            return self._moved(site, site.p)
        return self._seeded(site, site.p)

    def _moved(self, site: Site, p: LocationScale) -> Drawn:
        own = torch.cat([self.noise.of(site, p, seed) for seed in self.seeds[site.name]])
        heat = self.heat[site.name].to(p.loc)
        return Drawn(p.loc + heat.view(-1, *[1] * (p.loc.ndim - 1)) * p.scale * own, p)

    def _seeded(self, site: Site, p: Distribution) -> Drawn:
        """Of a law without location and scale, which is walked one picture at a time."""
        (seed,), heat = self.seeds[site.name], float(self.heat[site.name])
        reseed(_seed(site, seed))
        return Drawn(p.mode() if heat == 0 else p.tempered(heat).sample(), p)

    def keys(self) -> frozenset[tuple[str, int | None]]:
        return frozenset((name, None) for name in self.seeds)


def at_seeds(seeds: Seeds, temperature: Mapping[str, float]) -> Draw:
    """A draw of each named level with the noise of its seeds, (n,), at its temperature (1 where none is named).

    Levels that are not named are drawn from the prior.
    """
    return SeededDraw(
        seeds, {name: torch.full((len(some),), temperature.get(name, 1.0)) for name, some in seeds.items()}
    )


def _seed(site: Site, seed: int) -> int:
    return noise_seed(seed, zlib.crc32(site.name.encode()), (site.step or 0) + 1)
