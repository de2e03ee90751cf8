"""Draws of values that are known: pinned levels, decoding, replays.

Shapes: `B` batch; `T` steps; `...` a variable's own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hvae.draw.base import Draw, Drawn, Wrapper, as_draw, keyed, posterior
from hvae.errors import HvaeError, unknown
from hvae.site import Key, Pin, Site, spelled


def _tensors(values: Mapping[Any, Tensor]) -> dict[Key, Tensor]:
    """The same of tensors; their shapes are compared when they are met."""
    tensors = keyed(values)
    for key, value in tensors.items():
        if not isinstance(value, Tensor):
            what = f"expected a tensor (B, ...), got {type(value).__name__}; use torch.as_tensor"
            raise HvaeError(f"{spelled(key)}: {what}")
    return tensors


@dataclass(frozen=True, eq=False)
class _Given(Wrapper):
    values: Mapping[Key, Tensor]

    def __call__(self, site: Site) -> Drawn:
        key = site.key if site.key in self.values else (site.name, None)
        if key not in self.values:
            return self.otherwise(site)
        # Scored against q where there is one, so that replaying a trace gives its own log-weight again.
        return Drawn(self.values[key], site.q or site.proposal)

    def keys(self) -> frozenset[Key]:
        return super().keys().union(self.values)

    def pins(self) -> frozenset[Key]:
        return super().pins().union(self.values)


def given(values: Mapping[Pin, Tensor] | Mapping[str, Tensor], otherwise: Draw = posterior) -> Draw:
    """The given values, (B, ...) by name; `otherwise` draws the rest.  Pinned levels, decoding, replays.

    A name that recurs in time is given step by step, by ("z", step): `given(trace.values())` does, and `by_step` takes
    a series apart.  Raises HvaeError for values that are no tensors, and, when they are met, for those of another shape
    or type than the variable's.
    """
    return _Given(as_draw(otherwise), _tensors(values))


def by_step(name: str, series: Tensor) -> dict[Pin, Tensor]:
    """A series (B, T, ...) as values of the steps 0 .. T-1 of a name: the inverse of `Trace.series`.

    Raises HvaeError for anything but a tensor of rows and steps.

    >>> import torch
    >>> list(by_step("z", torch.zeros(4, 2, 8)))
    [('z', 0), ('z', 1)]
    """
    if not isinstance(series, Tensor) or series.ndim < 2:
        got = f"shape {tuple(series.shape)}" if isinstance(series, Tensor) else type(series).__name__
        raise HvaeError(f"{name}: expected a series as a tensor (B, T, ...), got {got}")
    return {(name, step): value for step, value in enumerate(series.unbind(1))}


@dataclass(frozen=True, eq=False)
class _Replay(Draw):
    values: Mapping[Key, Tensor]

    def __call__(self, site: Site) -> Drawn:
        if site.key not in self.values:
            raise unknown("value to replay", spelled(site.key), map(spelled, self.values))
        return Drawn(self.values[site.key], site.q or site.proposal)

    def pins(self) -> frozenset[Key]:
        return frozenset(self.values)


def replay(values: Mapping[Pin, Tensor] | Mapping[Key, Tensor]) -> Draw:
    """Every variable from an earlier trace's `values()`; a variable that they lack is an error."""
    return _Replay(_tensors(values))
