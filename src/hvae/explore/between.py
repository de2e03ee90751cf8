"""Sequences on the way from one to another, through their latents.

Shapes: `Ta`, `Tb` steps of the two; `T` steps of one between them; `...` one step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from hvae.condition import Context
from hvae.counts import whole
from hvae.datum import Datum
from hvae.draw import Draw, posterior
from hvae.explore.frame import check_levels, levels, of_levels
from hvae.explore.latents import Path, linear
from hvae.explore.sample import Temperature
from hvae.explore.sequences import decode
from hvae.site import Pin, as_key, pin
from hvae.walk import Model, device_of, run, still


def between(
    model: Model,
    a: Tensor,
    b: Tensor,
    points: int = 7,
    *,
    moved: Sequence[str] | None = None,
    path: Path = linear,
    draw: Draw = posterior,
    context: Context | None = None,
    temperature: Temperature = 0.0,
    seed: int | None = None,
) -> list[Tensor]:
    r"""Sequences from one, (Ta, ...), to another, (Tb, ...), drawn from latents between theirs, the ends included.

    $$z_t(s) = \mathrm{path}(z_t^a, z_t^b, s), \qquad T(s) = \mathrm{round}\big((1 - s) T_a + s T_b\big)$$

    with s = 0, 1 / (points - 1) ... 1.  A latent of a step that only the longer one has is that one's.  The data are
    drawn, by the same noise at each point: what differs comes from the latents.

    Arguments: `moved`, the levels that go the way (all by default), along `path`; `draw`, how the latents of the ends
    are chosen; `context` of a conditional model; `temperature` of the other levels; `seed` of all draws.  Returns
    `points` sequences (T, ...) on the CPU.  Raises HvaeError for an unknown level, and fewer than two points.

    >>> import torch
    >>> from hvae.config.sequences import VRNNConfig
    >>> from hvae.zoo import build
    >>> model = build(VRNNConfig(latent=2, state=4, width=4), shape=(9, 3), bits=1)
    >>> [len(one) for one in between(model, torch.ones(5, 3), torch.zeros(9, 3), 3)]
    [5, 7, 9]
    """
    points = whole("points", points, 2)
    names = list(moved or levels(model))
    check_levels(names, levels(model))
    start, end = (of_levels(names, _latents(model, x, draw, context, seed)) for x in (a, b))
    way = []
    for share in (i / (points - 1) for i in range(points)):
        steps = round((1 - share) * len(a) + share * len(b))
        values = _within(_mixed(start, end, path, share), steps)
        way.append(decode(model, values, steps, context=context, temperature=temperature, seed=seed)[0])
    return way


def _latents(model: Model, x: Tensor, draw: Draw, context: Context | None, seed: int | None) -> dict[Pin, Tensor]:
    """Of one sequence (T, ...), {variable: (1, ...)}."""
    with still(model, seed):
        trace = run(model, draw, model.evidence(Datum(x[None].to(device_of(model))), context))
    return {pin(record.key): record.value for record in trace.latents}


def _mixed(start: Mapping[Pin, Tensor], end: Mapping[Pin, Tensor], path: Path, share: float) -> dict[Pin, Tensor]:
    """The latents of one point; of a step that only one of both has, that one's."""
    shared = {v: path(start[v], end[v], share) for v in start if v in end}
    return {**start, **end, **shared}


def _within(values: Mapping[Pin, Tensor], steps: int) -> dict[Pin, Tensor]:
    """The latents of the whole, and of so many steps."""
    return {v: value for v, value in values.items() if (as_key(v)[1] or 0) < steps}
