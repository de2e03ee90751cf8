"""Latent traversals along the principal directions of each level.

Shapes: `N` images; `D` values of a level, flattened; `K` directions; `S` steps; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hvae.counts import whole
from hvae.datum import Datum
from hvae.draw import mode
from hvae.errors import HvaeError
from hvae.explore.frame import (
    Reading,
    at_least,
    check_levels,
    context_of,
    decode,
    levels,
    mean_picture,
    of_levels,
    traces,
)
from hvae.site import Pin, as_key, pin
from hvae.walk import Model, still


class Axes(NamedTuple):
    """Orthogonal unit `directions` (K, D), widest first, and the standard deviation `spread` (K,) along each."""

    directions: Tensor
    spread: Tensor


def principal(offsets: Tensor, count: int) -> Axes:
    """The `count` widest principal directions of `offsets`, (N, D); fewer where N - 1 or D is smaller.

    The sign of each is fixed so that its largest coordinate is positive, for reproducible pictures.

    >>> principal(torch.tensor([[0.0, -2.0], [0.0, 2.0]]), 1)
    Axes(directions=tensor([[0., 1.]]), spread=tensor([2.8284]))
    """
    centred = (offsets - offsets.mean(0)).double()
    _, widths, directions = torch.linalg.svd(centred, full_matrices=False)
    count = min(count, len(offsets) - 1, offsets.shape[1])
    directions = directions[:count]  # (K, D)
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))  # (K, 1)
    spread = widths[:count] / (len(offsets) - 1) ** 0.5
    return Axes((directions * largest.sign()).to(offsets), spread.to(offsets))


def traverse(
    model: Model,
    x: Tensor | Datum,
    *,
    only: Iterable[str] | None = None,
    held: Iterable[str] | None = None,
    anchor: int = 0,
    directions: int = 4,
    steps: int = 7,
    reach: float = 3.0,
) -> dict[str, Tensor]:
    r"""Pictures of one image as each level in turn moves from -`reach` to `reach` standard deviations.

    $$z_l = \hat z_l + s\, \sigma_k v_k, \qquad
      v_k, \sigma_k^2 : \text{principal directions and variances of } \hat z_l - \hat\mu_l \text{ over the data}$$

    $\hat z_l$ is the mode of q given the data and $\hat\mu_l$ the mode of p given the levels above, so the directions
    are those of the level's own contribution.  A collapsed level does not move, and neither does its picture.

    Arguments: `x`, (N, C, H, W) in [0, 1], N >= 2, the data that determine the directions; `only`, levels to move
    (all by default); `held`, levels that stay at $\hat z$ (by default those above the moved one); the others at their
    modes; `anchor`, the row of x shown; `directions`, the largest number of them; `steps`.
    Returns {level: (K, S, C, H, W) in [0, 1]}, top first.  Raises HvaeError for an unknown level or too few images.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> {level: rows.shape[:2] for level, rows in traverse(model, torch.rand(9, 1, 4, 4)).items()}
    {'z2': torch.Size([2, 7]), 'z1': torch.Size([4, 7])}
    """
    at_least(2, len(x), "images to find directions on")
    anchor, directions, steps = whole("anchor", anchor), whole("directions", directions, 1), whole("steps", steps, 1)
    if anchor >= len(x):
        raise HvaeError(f"anchor: expected a row of x, 0 to {len(x) - 1}, got {anchor}")
    names = levels(model)
    moved = names if only is None else list(only)
    stays = None if held is None else list(held)
    check_levels([*moved, *(stays or [])], names)
    with still(model, seed=0):
        values, offsets = _modes(model, x)
        base = {variable: value[anchor] for variable, value in values.items()}
        context = {name: rows[anchor][None] for name, rows in context_of(model, x).items()}
        shifts = torch.linspace(-reach, reach, steps)
        return {
            name: _move(
                model, base, principal(offsets[name], directions), shifts, name, _held(name, names, stays), context
            )
            for name in names
            if name in moved
        }


def level_axes(model: Model, x: Tensor | Datum, level: str, *, count: int = 4) -> Axes:
    r"""The widest principal directions of what one level adds, $\hat z_l - \hat\mu_l$ over the data, as in `traverse`.

    Arguments: `x`, (N, C, H, W) in [0, 1], N >= 2.  Raises HvaeError for an unknown level or too few images.
    """
    at_least(2, len(x), "images to find directions on")
    check_levels([level], levels(model))
    with still(model, seed=0):
        return principal(_modes(model, x)[1][level], count)


def push(
    model: Model, x: Tensor | Datum, level: str, axes: Axes, steps: Tensor, *, read: Reading = mean_picture
) -> Tensor:
    r"""Pictures of one image as a level is pushed along several directions at once.

    $$z_l = \hat z_l + \sum_k s_k \sigma_k v_k$$

    The levels above stay at $\hat z$, those below follow at their modes.  Arguments: `x`, (1, C, H, W) in [0, 1];
    `axes` of the level, K of them; `steps`, (S, K), in standard deviations; `read`, what of a walk is a picture.
    Returns (S, C, H, W) in [0, 1].

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> axes = level_axes(model, torch.rand(9, 1, 4, 4), "z1", count=3)
    >>> push(model, torch.rand(1, 1, 4, 4), "z1", axes, torch.tensor([[0.0, 0.0, 0.0], [1.0, -2.0, 0.0]])).shape
    torch.Size([2, 1, 4, 4])
    """
    names = levels(model)
    check_levels([level], names)
    with still(model, seed=0):
        base = {variable: value[0] for variable, value in _modes(model, x)[0].items()}
        paths = (steps.to(axes.spread) * axes.spread) @ axes.directions  # (S, D)
        return _at(model, base, paths, level, _held(level, names, None), context_of(model, x), read)


def _held(name: str, names: Sequence[str], stays: Sequence[str] | None) -> list[str]:
    above = names[: names.index(name)]
    return [other for other in (above if stays is None else stays) if other != name]


def _modes(model: Model, x: Tensor | Datum) -> tuple[dict[Pin, Tensor], dict[str, Tensor]]:
    """Modes of each variable, (N, ...), and their offsets from the prior's modes by level, (N, D), steps
    concatenated."""
    walks = [{pin(record.key): record for record in trace.latents} for trace in traces(model, x, mode)]
    values = {variable: torch.cat([walk[variable].value for walk in walks]) for variable in walks[0]}
    offsets: dict[str, list[Tensor]] = {}
    for variable, value in values.items():
        prior_mode = torch.cat([walk[variable].law.mode() for walk in walks])
        offsets.setdefault(as_key(variable)[0], []).append((value - prior_mode).flatten(1))
    return values, {name: torch.cat(parts, 1) for name, parts in offsets.items()}


def _move(
    model: Model,
    base: dict[Pin, Tensor],
    axes: Axes,
    shifts: Tensor,
    name: str,
    names_held: Sequence[str],
    context: Mapping[str, Tensor],
) -> Tensor:
    paths = axes.spread[:, None, None] * axes.directions[:, None] * shifts.to(axes.spread)[:, None]  # (K, S, D)
    pictures = _at(model, base, paths.flatten(0, 1), name, names_held, context)
    return pictures.unflatten(0, (len(axes.spread), len(shifts)))


def _at(
    model: Model,
    base: dict[Pin, Tensor],
    paths: Tensor,
    name: str,
    names_held: Sequence[str],
    context: Mapping[str, Tensor],
    read: Reading = mean_picture,
) -> Tensor:
    """Pictures with one level off its place by each of `paths`, (R, D), steps of its own concatenated."""
    rows, own = len(paths), of_levels([name], base)
    parts = paths.split([value.numel() for value in own.values()], 1)
    moved = {v: value + part.unflatten(1, value.shape) for (v, value), part in zip(own.items(), parts, strict=True)}
    fixed = {variable: value.expand(rows, *value.shape) for variable, value in of_levels(names_held, base).items()}
    return decode(model, {**fixed, **moved}, rows, context=context, otherwise=mode, read=read)
