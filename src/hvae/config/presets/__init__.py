"""Named runs: what `hvae train NAME` does.  Each is a function to read, copy and change."""

from __future__ import annotations

from hvae.config.presets.biva import BIVA
from hvae.config.presets.conditional import CONDITIONAL
from hvae.config.presets.diffusion import DIFFUSION
from hvae.config.presets.first import FIRST
from hvae.config.presets.flows import FLOWS
from hvae.config.presets.foreign import FOREIGN
from hvae.config.presets.iafvae import IAFVAE
from hvae.config.presets.iwae import IWAE
from hvae.config.presets.noise import NOISE
from hvae.config.presets.nvae import NVAE
from hvae.config.presets.own import OWN
from hvae.config.presets.pixels import PIXELS
from hvae.config.presets.preset import YOUR_FOLDER, Preset, is_open
from hvae.config.presets.qresvae import QRESVAE
from hvae.config.presets.sequences import SEQUENCES
from hvae.config.presets.sprites import SPRITES
from hvae.config.presets.vdvae import VDVAE
from hvae.config.presets.vqvae import VQ
from hvae.config.run import Overrides, RunConfig
from hvae.errors import unknown

__all__ = ["PRESETS", "YOUR_FOLDER", "Preset", "is_open", "preset"]

PRESETS: dict[str, Preset] = {
    **FIRST,
    **OWN,
    **CONDITIONAL,
    **NOISE,
    **IWAE,
    **FLOWS,
    **SPRITES,
    **FOREIGN,
    **IAFVAE,
    **BIVA,
    **VDVAE,
    **NVAE,
    **QRESVAE,
    **VQ,
    **PIXELS,
    **DIFFUSION,
    **SEQUENCES,
}
"""The presets by name."""


def preset(name: str, overrides: Overrides | None = None) -> RunConfig:
    """The configuration of a named preset, with dotted keys changed.  Raises HvaeError for an unknown name or key.

    >>> preset("digits", {"train.steps": 10}).train.steps
    10
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS, "hvae models")
    return PRESETS[name].make().override(overrides or {})
