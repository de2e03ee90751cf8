"""Exploration of any model: samples, reconstructions, latents, traversals and interpolations.

Figures live in `hvae.explore.tiles` and `hvae.explore.charts`, imported only where something is drawn.
"""

from hvae.explore.cells import cells, cells_by_level
from hvae.explore.codes import code_maps
from hvae.explore.latents import decode, encode, interpolate, linear, spherical
from hvae.explore.mix import mix
from hvae.explore.recalibrate import recalibrate
from hvae.explore.reconstruct import from_top, reconstruct
from hvae.explore.resample import top_held, top_redrawn, top_swapped
from hvae.explore.sample import sample, sample_pixels
from hvae.explore.traverse import traverse

__all__ = [
    "cells",
    "cells_by_level",
    "code_maps",
    "decode",
    "encode",
    "from_top",
    "interpolate",
    "linear",
    "mix",
    "recalibrate",
    "reconstruct",
    "sample",
    "sample_pixels",
    "spherical",
    "top_held",
    "top_redrawn",
    "top_swapped",
    "traverse",
]
