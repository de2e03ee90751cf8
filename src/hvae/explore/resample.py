r"""The coarse-to-fine experiment and its mirrors: hold some levels of a datum and resample the others.

In a coarse-to-fine hierarchy pictures that share their top levels share the object, and pictures that share all but the
top levels do not.  A level below a resampled one can be shared in two ways:

- its value $z_l$.  In a Markov chain, where x depends on z1 alone, nothing can then change.
- its offset $\epsilon_l = (z_l - \mu_p) / \sigma_p$, relative to its prior: it is applied to the prior under the new
top levels.

Shapes: `N` images; `R` redraws of each; `...` a latent's shape; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.counts import whole
from hvae.datum import Datum
from hvae.distributions import LocationScale
from hvae.draw import Draw, Drawn, as_draw, given, prior
from hvae.draw.base import Wrapper, keyed
from hvae.errors import HvaeError
from hvae.explore.frame import CHUNK, Holding, context_of, decode, encode, levels, of_levels, top, traces
from hvae.site import Key, Pin, Site, pin
from hvae.walk import Model, glimpse, still


def top_held(
    model: Model,
    x: Tensor | Datum,
    *,
    count: int = 1,
    repeats: int = 8,
    draw: Draw = prior(),
    seed: int | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    """The top `count` levels held at the data's own values, every level below redrawn `repeats` times.

    Arguments: `x`, (N, C, H, W) in [0, 1], or a Datum; `draw`, what redraws.  Returns (N, R, C, H, W) in [0, 1].
    Raises HvaeError for a count the model does not have.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> top_held(model, torch.rand(5, 1, 4, 4)).shape
    torch.Size([5, 8, 1, 4, 4])
    """
    pins = top(model, count)
    with still(model, seed):
        return _redrawn(model, x, of_levels(pins, encode(model, x, chunk=chunk)), repeats, draw, given, chunk)


def top_redrawn(
    model: Model,
    x: Tensor | Datum,
    *,
    count: int = 1,
    repeats: int = 8,
    draw: Draw = prior(),
    seed: int | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    """The mirror: the top `count` levels redrawn `repeats` times, every level below held at the data's own values.

    Arguments: `x`, (N, C, H, W) in [0, 1], or a Datum; `draw`, what redraws.  Returns (N, R, C, H, W) in [0, 1].
    Raises HvaeError for a count the model does not have.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> top_redrawn(model, torch.rand(5, 1, 4, 4), repeats=3).shape
    torch.Size([5, 3, 1, 4, 4])
    """
    lower = levels(model)[len(top(model, count)) :]
    with still(model, seed):
        return _redrawn(model, x, of_levels(lower, encode(model, x, chunk=chunk)), repeats, draw, given, chunk)


def top_swapped(
    model: Model,
    x: Tensor | Datum,
    *,
    count: int = 1,
    repeats: int = 8,
    draw: Draw = prior(),
    seed: int | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    """The other mirror: the top `count` levels redrawn, every level below held at the data's own offsets.

    Arguments: `x`, (N, C, H, W) in [0, 1], or a Datum; `draw`, what redraws.  Returns (N, R, C, H, W) in [0, 1].
    Raises HvaeError for a count the model does not have, or a level whose prior is not Gaussian.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> top_swapped(model, torch.rand(5, 1, 4, 4), repeats=3).shape
    torch.Size([5, 3, 1, 4, 4])
    """
    lower = levels(model)[len(top(model, count)) :]
    with still(model, seed):
        return _redrawn(model, x, of_levels(lower, offsets(model, x, chunk)), repeats, draw, at_offsets, chunk)


def offsets(model: Model, x: Tensor | Datum, chunk: int = CHUNK) -> dict[Pin, Tensor]:
    r"""The standardised offset $(z - \mu_p) / \sigma_p$ of every latent of the data, {name: (N, ...)}."""
    parts = []
    for trace in traces(model, x, chunk=chunk):
        laws = [(record, _movable(record)) for record in trace.latents]
        parts.append({pin(record.key): (record.value - p.loc) / p.scale for record, p in laws})
    return {variable: torch.cat([part[variable] for part in parts]) for variable in parts[0]}


@dataclass(frozen=True, eq=False)
class _AtOffsets(Wrapper):
    values: Mapping[Key, Tensor]

    def __call__(self, site: Site) -> Drawn:
        if site.key not in self.values:
            return self.otherwise(site)
        p = _movable(site)
        return Drawn(p.loc + p.scale * self.values[site.key], p)

    def keys(self) -> frozenset[Key]:
        return super().keys().union(self.values)

    def pins(self) -> frozenset[Key]:
        return super().pins().union(self.values)


def at_offsets(values: Mapping[Pin, Tensor] | Mapping[str, Tensor], otherwise: Draw = prior()) -> Draw:
    r"""A draw that sets each named level to $\mu_p + \sigma_p \epsilon$ under its current prior; `otherwise` draws the
    rest."""
    return _AtOffsets(as_draw(otherwise), keyed(values))


def has_offsets(model: Model) -> bool:
    """Whether every prior is a location-scale family, as `top_swapped` requires."""
    with still(model, seed=0):
        return all(isinstance(record.p, LocationScale) for record in glimpse(model).latents)


def _movable(site: Site) -> LocationScale:
    if not isinstance(site.p, LocationScale):
        kind = type(site.p).__name__
        raise HvaeError(f"expected a Gaussian prior at {site.name} to offset from, got {kind}; use top_redrawn")
    return site.p


def _redrawn(
    model: Model,
    data: Tensor | Datum,
    pins: Mapping[Pin, Tensor],
    repeats: int,
    draw: Draw,
    hold: Holding,
    chunk: int,
) -> Tensor:
    repeats = whole("repeats", repeats, 1)
    rows = {variable: value.repeat_interleave(repeats, 0) for variable, value in pins.items()}  # (N R, ...)
    context = {name: value.repeat_interleave(repeats, 0) for name, value in context_of(model, data).items()}
    pictures = decode(model, rows, len(data) * repeats, context=context, otherwise=draw, hold=hold, chunk=chunk)
    return pictures.unflatten(0, (len(data), repeats))
