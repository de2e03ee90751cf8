r"""Pictures each of whose levels has a seed of its own: a grid of levels x pictures that is drawn anew cell by cell.

$$z_{l,j} = \mu_p + t_l\, \sigma_p\, \epsilon(s_{l,j}), \qquad \epsilon(s) \text{ the standard noise of seed } s$$

under the prior p of level l given the levels above it in picture j.  A cell that keeps its seed keeps its noise,
whatever the temperatures and the other cells become.

Shapes: `n` pictures; `R` rows of the grid; `...` a variable's own shape; `C H W` an image.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hvae.datum import Context
from hvae.distributions import Distribution, LocationScale
from hvae.draw import Draw, Drawn, prior
from hvae.errors import HvaeError
from hvae.explore.frame import CHUNK, Reading, at_least, check_levels, decode, drawn_sequences, levels, mean_picture
from hvae.explore.resample import has_offsets
from hvae.explore.sample import Temperature, at_temperature
from hvae.seeds import noise_seed, reseed
from hvae.site import Site
from hvae.walk import Model, run, still

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
class _Cells(Draw):
    """`seeds` and `heat`, the temperature, of each row by level, n of each."""

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
    return _Cells(seeds, {name: torch.full((len(some),), temperature.get(name, 1.0)) for name, some in seeds.items()})


def _seed(site: Site, seed: int) -> int:
    return noise_seed(seed, zlib.crc32(site.name.encode()), (site.step or 0) + 1)


@dataclass(frozen=True, eq=False)
class Grid:
    """A model that pictures are drawn of again and again: its levels, top first, looked up once.

    `movable`, whether every prior has a location and a scale.
    """

    model: Model
    names: tuple[str, ...]
    movable: bool
    noise: Noise = field(default_factory=Noise)

    @classmethod
    def of(cls, model: Model) -> Grid:
        """Raises HvaeError for a model without levels."""
        names = tuple(levels(model))
        at_least(1, len(names), "levels; this model has none to draw one by one")
        return cls(model, names, has_offsets(model))

    def draw(
        self,
        seeds: Seeds,
        temperature: Temperature = 1.0,
        context: Context | None = None,
        chunk: int = CHUNK,
        *,
        read: Reading = mean_picture,
    ) -> Tensor:
        """(n, C, H, W), as `cells` does; `read`, what of a walk is a picture."""
        n, heat = self._count(seeds), self._heat(temperature)
        return self._drawn(seeds, {name: torch.full((n,), heat[name]) for name in self.names}, context, chunk, read)

    def by_level(
        self, seeds: Seeds, temperature: Temperature = 1.0, context: Context | None = None, chunk: int = CHUNK
    ) -> Tensor:
        """(R, n, C, H, W), as `cells_by_level` does."""
        n, rows, heat = self._count(seeds), len(self.names), self._heat(temperature)
        on = {name: (torch.arange(rows) >= i).repeat_interleave(n) for i, name in enumerate(self.names)}
        every = self.model.nothing(n, context).context
        pictures = self._drawn(
            {name: list(some) * rows for name, some in seeds.items()},
            {name: torch.where(on[name], heat[name], 0.0) for name in self.names},
            {name: value.repeat(rows, *[1] * (value.ndim - 1)) for name, value in every.items()},
            chunk,
        )
        return pictures.unflatten(0, (rows, n))

    def series(
        self,
        seeds: Seeds,
        temperature: Temperature = 1.0,
        context: Context | None = None,
        *,
        steps: int | None = None,
        seed: int = 0,
        chunk: int = CHUNK,
        read: Reading = drawn_sequences,
    ) -> Tensor:
        """Sequences (n, T, ...) of a timed model, of so many `steps`; their data are drawn too, from `seed`.

        The noise of a level that recurs is another one at each step, all of them of its one seed.
        """
        n, heat = self._count(seeds), self._heat(temperature)
        whole = self.model.nothing(n, context, steps=steps)
        size = chunk if self.movable else 1
        parts = []
        with still(self.model, seed):
            for start in range(0, n, size):
                some = slice(start, min(start + size, n))
                own = {name: list(one)[some] for name, one in seeds.items()}
                draw = _Cells(
                    own, {name: torch.full((some.stop - start,), heat[name]) for name in self.names}, self.noise
                )
                rows = {name: value[some] for name, value in whole.context.items()}
                trace = run(self.model, draw, self.model.nothing(some.stop - start, rows, steps=steps))
                parts.append(read(self.model, trace).cpu())
        return torch.cat(parts)

    def _count(self, seeds: Seeds) -> int:
        """How many pictures.  Raises HvaeError unless each level has the same number of seeds, at least one."""
        check_levels(list(seeds), self.names)
        if missing := [name for name in self.names if name not in seeds]:
            raise HvaeError(f"expected seeds of every level, got none of {', '.join(missing)}; give each level its own")
        counts = {name: len(some) for name, some in seeds.items()}
        if len(set(counts.values())) > 1:
            raise HvaeError(f"expected as many seeds of each level, got {counts}; give one a picture")
        at_least(1, min(counts.values()), "pictures")
        return min(counts.values())

    def _heat(self, temperature: Temperature) -> dict[str, float]:
        at_temperature(temperature, self.names)  # refuses negative and infinite temperatures
        by_level = temperature if isinstance(temperature, Mapping) else dict.fromkeys(self.names, temperature)
        return {name: float(by_level.get(name, 1.0)) for name in self.names}

    def _drawn(
        self,
        seeds: Seeds,
        heat: Mapping[str, Tensor],
        context: Context | None,
        chunk: int,
        read: Reading = mean_picture,
    ) -> Tensor:
        n = len(next(iter(seeds.values())))
        every = self.model.nothing(n, context).context
        # The noise of a law without location and scale belongs to its rows, and would change with their number.
        size = chunk if self.movable else 1
        parts = []
        with still(self.model, seed=0):
            for start in range(0, n, size):
                some = slice(start, min(start + size, n))
                draw = _Cells({k: v[some] for k, v in seeds.items()}, {k: v[some] for k, v in heat.items()}, self.noise)
                rows = {name: value[some] for name, value in every.items()}
                parts.append(
                    decode(self.model, {}, some.stop - start, context=rows, otherwise=draw, read=read, chunk=size)
                )
        return torch.cat(parts)


def cells(
    model: Model,
    seeds: Seeds,
    *,
    temperature: Temperature = 1.0,
    context: Context | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    """n pictures whose level l in picture j has the noise of seed `seeds[l][j]`, whatever is drawn elsewhere.

    Pictures that share the seeds of their top levels and the temperatures share these levels; another temperature moves
    the same picture.  The latents are sampled, the pixels are means.

    Arguments: `seeds` of every level; `temperature` and `context` as in `hvae.sample`; `chunk`, pictures at once.  A
    model with a prior that has no location and scale (codes) is walked one picture at a time.
    Returns (n, C, H, W) in [0, 1].  Raises HvaeError for a level that the model does not have or that has no seeds, and
    for unequal numbers of them.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> a, b = cells(model, {"z2": [1, 1], "z1": [5, 6]}), cells(model, {"z2": [1], "z1": [6]})
    >>> torch.allclose(a[1], b[0]), torch.allclose(a[0], a[1])
    (True, False)
    """
    return Grid.of(model).draw(seeds, temperature, context, chunk)


def cells_by_level(
    model: Model,
    seeds: Seeds,
    *,
    temperature: Temperature = 1.0,
    context: Context | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    """The pictures of `cells` after each level: row r has its top r + 1 levels drawn, and those below at their modes.

    Arguments as those of `cells`.  Returns (R, n, C, H, W) in [0, 1], a row a level, top first; the last is `cells`.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> cells_by_level(model, {"z2": [1, 2, 3], "z1": [5, 6, 7]}).shape
    torch.Size([2, 3, 1, 4, 4])
    """
    return Grid.of(model).by_level(seeds, temperature, context, chunk)
