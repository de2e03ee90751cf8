"""The clockwork ladder's configuration.  No torch here: `--help` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hvae.config.bounds import Repeats, RepeatsOrNone, Size, Sizes
from hvae.config.model import Merge
from hvae.config.sequences import Cell, TruncatedConfig
from hvae.config.ticks import check_strides
from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class CWVAEConfig(TruncatedConfig):
    """Clockwork VAE: a ladder in time whose upper levels tick slowly, for long sequences, sound and video.

    >>> CWVAEConfig(latents=(8, 8), strides=(2, 3))
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.strides: expected each a multiple of the one before, and more, got 2,3; e.g. 1,4,16
    """

    family: ClassVar[str] = "cwvae"

    latents: Sizes = (32, 32, 32)
    """Latent dimensions of each level, z1 (nearest the data) first."""
    strides: Sizes = (1, 4, 16)
    """Steps from one tick of a level to the next, z1 first, each a multiple of the one before."""
    state: Size = 128
    """Width of the recurrence of each level."""
    width: Size = 128
    """Width of an embedded step and of all hidden layers."""
    layers: Repeats = 1
    """Hidden layers of the networks of the data and of the likelihood."""
    cell: Cell = "gru"
    """The recurrent cell: gru or lstm."""
    posterior: Merge = "precision"
    """How the state and the data merge at each level: precision (as for speech), concat (the paper), residual,
    residual-mean, linear."""
    dense: bool = False
    """Whether the data see the state of every level, not of the lowest alone (the paper): what a slow level says need
    not pass through the quicker ones."""
    channels: Sizes = (16, 32, 64)
    """Of frames (C, H, W): channels of the convolutions; each entry after the first halves the resolution."""
    patch: Repeats = 1
    """Of frames: side of the squares of pixels that are read and drawn as one place (space to depth), so that the
    convolutions run at 1/patch of the resolution; it divides height and width (1: every pixel is a place)."""
    sprites: RepeatsOrNone = 0
    """Of frames: pictures that the top level draws and that z1 puts in their places in each frame, so that what things
    look like and where they are have a level each (0: convolutions draw each frame from z1)."""
    side: Size = 28
    """Of sprites: pixels a side."""
    follow: bool = False
    """Of sprites: whether inference follows each thing through the film and reads what it looks like where it is, and
    each picture has an equal part of the top's latents; it wants an even ground, `posterior` precision and two latents
    of z1 for each picture (no: inference reads whole frames)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strides(self.strides, self.latents)
        if self.sprites and self.dense:
            raise HvaeError("model.dense: with model.sprites the data see z1 and the top alone; set one of both")
        if self.follow and (self.posterior != "precision" or self.latents[0] < 2 * self.sprites):
            raise HvaeError(
                f"model.follow: expected posterior precision and 2 latents of z1 for each of {self.sprites} pictures, "
                f"got {self.posterior} and {self.latents[0]}"
            )
        if self.follow and (not self.sprites or self.latents[-1] % self.sprites):
            raise HvaeError(
                f"model.follow: expected model.sprites, each with an equal part of the {self.latents[-1]} latents of "
                f"the top, got {self.sprites}"
            )
        if self.truncate % self.strides[-1]:
            raise HvaeError(
                f"model.truncate: expected a multiple of the slowest stride {self.strides[-1]}, so that a piece begins "
                f"with a tick of every level, got {self.truncate}"
            )
