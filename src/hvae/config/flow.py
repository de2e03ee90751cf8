"""Normalising flows on the latents of a model: where they stand and what they are made of.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Bound, Levels, Repeats, Sizes
from hvae.config.condition import ALL
from hvae.config.parse import Section
from hvae.errors import HvaeError

FlowKind = Literal["none", "affine", "affine-coupling", "spline", "spline-coupling"]
Context = Literal["evidence", "none"]


@dataclass(frozen=True, kw_only=True)
class FlowConfig(Section):
    """Invertible maps that the Gaussians of chosen levels are pushed through: prior, posterior or both.

    >>> FlowConfig(posterior="affine", levels="z1").levels
    ('z1',)
    >>> FlowConfig(levels="z1")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.flow.levels: there is no flow to place; set model.flow.posterior ...
    """

    at: ClassVar[str] = "model.flow"

    prior: FlowKind = "none"
    """Flow of the prior: none, affine, affine-coupling, spline, spline-coupling.  The autoregressive ones (affine,
    spline) score in one pass and sample in one a dimension; the coupling ones do both in two."""
    posterior: FlowKind = "none"
    """Flow of the posterior, of the same kinds; the autoregressive ones sample in one pass (inverse autoregressive)."""
    levels: Levels = (ALL,)
    """Levels that get flows, by name (z2,z1); all for every one."""
    transforms: Repeats = 3
    """Maps in a row, each in the opposite order of the one before."""
    hidden: Sizes = (64, 64)
    """Hidden layers of the network of each map."""
    bins: Annotated[int, Bound(least=2, most=1000)] = 8
    """Bins of a spline, on [-5, 5]; outside it is the identity."""
    context: Context = "evidence"
    """What the posterior's flow reads beside the latent: evidence (its level's feature of the data), or none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.stands and self.levels != (ALL,):
            raise HvaeError(
                "model.flow.levels: there is no flow to place; set model.flow.posterior or model.flow.prior to affine, "
                "affine-coupling, spline or spline-coupling"
            )
        if ALL in self.levels and len(self.levels) > 1:
            raise HvaeError(f"model.flow.levels: expected all or names of levels, got {','.join(self.levels)}")

    def least_weights(self, latent: int) -> int:
        """Weights of one level's flow at least, whose latent has so many channels; 0 without one.

        >>> FlowConfig(prior="affine", transforms=2, hidden=(8,)).least_weights(3)
        96
        """
        widths = (latent, *self.hidden, latent)
        return self.transforms * sum(a * b for a, b in pairwise(widths)) if self.stands else 0

    @property
    def stands(self) -> bool:
        """Whether there is any flow."""
        return (self.prior, self.posterior) != ("none", "none")
