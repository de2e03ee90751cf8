"""Draws made of others: one for each variable, or for each value.

Shapes: `B` batch; `...` a variable's own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.distributions.masked import Masked
from hvae.draw.base import Draw, Drawn, Wrapper, as_draw, keyed, posterior
from hvae.errors import HvaeError
from hvae.site import Key, Pin, Site, spelled


@dataclass(frozen=True, eq=False)
class _Each(Draw):
    draws: Mapping[Key, Draw]
    otherwise: Draw

    def __call__(self, site: Site) -> Drawn:
        own = self.draws.get(site.key) or self.draws.get((site.name, None), self.otherwise)
        return own(site)

    def inner(self) -> tuple[Draw, ...]:
        return *self.draws.values(), self.otherwise

    def keys(self) -> frozenset[Key]:
        return super().keys().union(self.draws)


def each(draws: Mapping[Pin, Draw] | Mapping[str, Draw], otherwise: Draw = posterior) -> Draw:
    """A draw of its own for each named variable, or for one step of it, ("z", 3); `otherwise` draws the rest.

    >>> from hvae.draw import mode, prior
    >>> sorted(each({"z3": prior(0.7), "z2": mode}, prior()).keys())
    [('z2', None), ('z3', None)]
    """
    return _Each({key: as_draw(draw) for key, draw in keyed(draws).items()}, as_draw(otherwise))


@dataclass(frozen=True, eq=False)
class _Latents(Wrapper):
    own: Draw

    def __call__(self, site: Site) -> Drawn:
        return (self.otherwise if site.data or site.auxiliary else self.own)(site)


def latents(draw: Draw, otherwise: Draw = posterior) -> Draw:
    """A draw for every latent, whatever its name; `otherwise` draws the data and the choices of the walk.

    >>> from hvae.draw import mode, prior
    >>> latents(mode, prior()).own
    mode
    """
    return _Latents(as_draw(otherwise), as_draw(draw))


@dataclass(frozen=True, eq=False)
class _Mask(Draw):
    mask: Tensor
    a: Draw
    b: Draw

    def __call__(self, site: Site) -> Drawn:
        a, b = self.a(site), self.b(site)
        _check_mask(self.mask, a.value.shape, site)
        both_given = a.proposal is None and b.proposal is None
        proposal = None if both_given else Masked(self.mask, a.proposal, b.proposal)
        return Drawn(torch.where(self.mask, a.value, b.value), proposal)

    def inner(self) -> tuple[Draw, ...]:
        return self.a, self.b


def _check_mask(mask: Tensor, shape: torch.Size, site: Site) -> None:
    """Raises HvaeError for a mask that does not broadcast to values of this shape."""
    pairs = zip(reversed(mask.shape), reversed(shape), strict=False)
    if mask.ndim > len(shape) or any(one not in (1, size) for one, size in pairs):
        where = spelled(site.key)
        raise HvaeError(f"{where}: expected a mask that broadcasts to {tuple(shape)}, got shape {tuple(mask.shape)}")


def masked(mask: Tensor, a: Draw, b: Draw) -> Draw:
    """`a` where the boolean mask (broadcast to (B, ...)) is true, `b` elsewhere.  In-painting at chosen levels.

    Raises HvaeError for a mask of another type, and, when it is met, for one of another shape.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = str(mask.dtype) if isinstance(mask, Tensor) else type(mask).__name__
        raise HvaeError(f"expected a mask as a tensor of torch.bool, got {got}; compare it, as in mask > 0.5")
    return _Mask(mask, as_draw(a), as_draw(b))
