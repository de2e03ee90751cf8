"""Pictures from what is seen of them: filling gaps, taking out noise, enlarging, colouring; for any model."""

from hvae.restoration.bands import Bands, tile_rows
from hvae.restoration.diffuse import Diffuse
from hvae.restoration.observation import Cells, Exact, Grey, Linear, Noisy, Observation, OwnNoise, Seen, Shrunk
from hvae.restoration.restore import HeldOut, Restored, held_out, restore
from hvae.restoration.serving import serving
from hvae.restoration.tiles import Tiling, shared
from hvae.restoration.views import GROUPS, VIEWS, View
from hvae.restoration.ways import Gibbs, Metropolis, Partial, Refine, Way

__all__ = [
    "GROUPS",
    "VIEWS",
    "Bands",
    "Cells",
    "Diffuse",
    "Exact",
    "Gibbs",
    "Grey",
    "HeldOut",
    "Linear",
    "Metropolis",
    "Noisy",
    "Observation",
    "OwnNoise",
    "Partial",
    "Refine",
    "Restored",
    "Seen",
    "Shrunk",
    "Tiling",
    "View",
    "Way",
    "held_out",
    "restore",
    "serving",
    "shared",
    "tile_rows",
]
