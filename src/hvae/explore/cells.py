r"""Pictures each of whose levels has a seed of its own: a grid of levels x pictures that is drawn anew cell by cell.

$$z_{l,j} = \mu_p + t_l\, \sigma_p\, \epsilon(s_{l,j}), \qquad \epsilon(s) \text{ the standard noise of seed } s$$

under the prior p of level l given the levels above it in picture j.  A cell that keeps its seed keeps its noise,
whatever the temperatures and the other cells become.

Shapes: `n` pictures; `R` rows of the grid; `...` a variable's own shape; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.counts import whole
from hvae.errors import HvaeError
from hvae.explore.frame import CHUNK, Reading, at_least, check_levels, decode, drawn_sequences, levels, mean_picture
from hvae.explore.guide import Guidance, decode_guided, weights
from hvae.explore.resample import has_offsets
from hvae.explore.sample import Temperature, at_temperature
from hvae.explore.seeded import Noise, SeededDraw, Seeds
from hvae.walk import Model, run, still


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
        guidance: Guidance = 1.0,
        read: Reading = mean_picture,
    ) -> Tensor:
        """(n, C, H, W), as `cells` does; `read`, what of a walk is a picture (of a guided one, of its 2 n rows)."""
        n, heat = self._count(seeds), self._heat(temperature)
        every = {name: torch.full((n,), heat[name]) for name in self.names}
        return self._drawn(seeds, every, context, guidance, chunk, read)

    def by_level(
        self,
        seeds: Seeds,
        temperature: Temperature = 1.0,
        context: Context | None = None,
        chunk: int = CHUNK,
        *,
        guidance: Guidance = 1.0,
    ) -> Tensor:
        """(R, n, C, H, W), as `cells_by_level` does."""
        n, rows, heat = self._count(seeds), len(self.names), self._heat(temperature)
        on = {name: (torch.arange(rows) >= i).repeat_interleave(n) for i, name in enumerate(self.names)}
        every = self.model.nothing(n, context).context
        pictures = self._drawn(
            {name: list(some) * rows for name, some in seeds.items()},
            {name: torch.where(on[name], heat[name], 0.0) for name in self.names},
            {name: value.repeat(rows, *[1] * (value.ndim - 1)) for name, value in every.items()},
            guidance,
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
        every = self.model.nothing(n, context, steps=steps)
        size = whole("chunk", chunk, 1) if self.movable else 1
        parts = []
        with still(self.model, seed):
            for start in range(0, n, size):
                some = slice(start, min(start + size, n))
                own = {name: list(one)[some] for name, one in seeds.items()}
                draw = SeededDraw(
                    own, {name: torch.full((some.stop - start,), heat[name]) for name in self.names}, self.noise
                )
                rows = {name: value[some] for name, value in every.context.items()}
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
        guidance: Guidance,
        chunk: int,
        read: Reading = mean_picture,
    ) -> Tensor:
        n = len(next(iter(seeds.values())))
        every = self.model.nothing(n, context).context
        steered = weights(guidance, self.model, list(self.names), every)
        # The noise of a law without location and scale belongs to its rows, and would change with their number.
        size = whole("chunk", chunk, 1) if self.movable else 1
        parts = []
        with still(self.model, seed=0):
            for start in range(0, n, size):
                some = slice(start, min(start + size, n))
                draw = SeededDraw(
                    {k: v[some] for k, v in seeds.items()}, {k: v[some] for k, v in heat.items()}, self.noise
                )
                rows = {name: value[some] for name, value in every.items()}
                parts.append(self._walked(some.stop - start, draw, rows, steered, read))
        return torch.cat(parts)

    def _walked(
        self, n: int, draw: SeededDraw, context: Context, steered: Mapping[str, float], read: Reading
    ) -> Tensor:
        """The pictures of one walk of n rows, or of a guided one of twice as many."""
        if not steered:
            return decode(self.model, {}, n, context=context, otherwise=draw, read=read, chunk=n)
        return decode_guided(self.model, {}, n, context=context, steered=steered, otherwise=draw, read=read, chunk=n)


def cells(
    model: Model,
    seeds: Seeds,
    *,
    temperature: Temperature = 1.0,
    context: Context | None = None,
    guidance: Guidance = 1.0,
    chunk: int = CHUNK,
) -> Tensor:
    """n pictures whose level l in picture j has the noise of seed `seeds[l][j]`, whatever is drawn elsewhere.

    Pictures that share the seeds of their top levels and the temperatures share these levels; another temperature moves
    the same picture.  The latents are sampled, the pixels are means.

    Arguments: `seeds` of every level; `temperature`, `context` and `guidance` as in `hvae.sample`; `chunk`, pictures at
    once.  A model with a prior that has no location and scale (codes) is walked one picture at a time.
    Returns (n, C, H, W) in [0, 1].  Raises HvaeError for a level that the model does not have or that has no seeds, for
    unequal numbers of them, and for a model that cannot be guided.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> a, b = cells(model, {"z2": [1, 1], "z1": [5, 6]}), cells(model, {"z2": [1], "z1": [6]})
    >>> torch.allclose(a[1], b[0]), torch.allclose(a[0], a[1])
    (True, False)
    """
    return Grid.of(model).draw(seeds, temperature, context, chunk, guidance=guidance)


def cells_by_level(
    model: Model,
    seeds: Seeds,
    *,
    temperature: Temperature = 1.0,
    context: Context | None = None,
    guidance: Guidance = 1.0,
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
    return Grid.of(model).by_level(seeds, temperature, context, chunk, guidance=guidance)
