"""Levels on top of a model that is trained already: one more feature of the data, one more latent, one step of a state.

    e_{L+1} = g(e_L),   p(z_{L+1}) = N(0, I),   q(z_{L+1} | x) relative to it,   h_L <- h_L + a v(z_{L+1})

The old top level reads h_L; a is 0 at first (`hvae.levels.grown`).  Of several added levels each moves the prior of the
one below it too.

Shapes: a feature and a state are (H,) for vectors or (C, h, w) for maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from hvae.config.model import GrowingConfig
from hvae.levels import GrownLevel, LiftedPrior, StandardPrior
from hvae.models import Grown, TopDown
from hvae.nn import Kit, Shape


class Crown(NamedTuple):
    """What was added on top: features by level, the lowest first, and levels, the highest first."""

    features: dict[str, nn.Module]
    levels: Sequence[GrownLevel]

    @property
    def walk(self) -> type[TopDown]:
        """The walk of a model with this crown."""
        return Grown if self.levels else TopDown


def crown(config: GrowingConfig, kit: Kit, below: int, feature: Shape, state: Shape) -> Crown:
    """The added levels of a family that has `below` of its own, with the `feature` and the `state` of its top."""
    names = [f"z{below + 1 + i}" for i in range(len(config.grown))]
    features = {name: kit.connect(state if i else feature, state) for i, name in enumerate(names)}
    sizes = list(zip(names, config.grown, strict=True))
    levels = [
        GrownLevel(
            name,
            prior=StandardPrior(kit.latent(state, dims)) if name == names[-1] else lifted(kit, state, dims),
            infer=kit.gaussian(state, dims),
            inject=kit.connect(kit.latent(state, dims), state),
            steps=config.fade,
        )
        for name, dims in reversed(sizes)
    ]
    return Crown(features, levels)


def lifted(kit: Kit, state: Shape, dims: int) -> LiftedPrior:
    """The prior of a level that had a standard normal one before something was grown above it."""
    return LiftedPrior(kit.gaussian(state, dims))
