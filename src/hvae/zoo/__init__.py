"""The families, one file a paper, and the one way to build any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hvae.config.biva import BIVAConfig
from hvae.config.iafvae import IAFVAEConfig
from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.qresvae import QResVAEConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.errors import HvaeError
from hvae.walk import Model
from hvae.zoo import biva, iafvae, ladder, lvae, markov, nvae, qresvae, vae, vdvae, vlae

BUILDERS: dict[type[ModelConfig], Callable[..., Model]] = {
    VAEConfig: vae.build,
    MarkovConfig: markov.build,
    LVAEConfig: lvae.build,
    VLAEConfig: vlae.build,
    LadderConfig: ladder.build,
    IAFVAEConfig: iafvae.build,
    BIVAConfig: biva.build,
    VDVAEConfig: vdvae.build,
    NVAEConfig: nvae.build,
    QResVAEConfig: qresvae.build,
}


def build(config: ModelConfig, shape: Sequence[int], bits: int = 8) -> Model:
    """The model a configuration describes, for data of one shape and bit depth.

    Arguments: `config`, one of the family configurations; `shape` of one datum, (C, H, W) or (D,); `bits` a value,
    1 for binary data.  Raises HvaeError for impossible sizes.

    >>> model = build(LVAEConfig(latents=(8, 4), widths=(32, 16)), shape=(1, 8, 8), bits=1)
    >>> list(model.levels)
    ['z2', 'z1']
    """
    if type(config) not in BUILDERS:
        raise HvaeError(f"expected a family's configuration, got {type(config).__name__}; see hvae.zoo.BUILDERS")
    shape = tuple(int(s) for s in shape)
    if not shape or min(shape) < 1:
        raise HvaeError(f"expected a shape of positive sizes such as (1, 28, 28), got {shape}")
    return BUILDERS[type(config)](config, shape, bits)
