"""How many tensors of weights a configuration asks for at least, by its counts alone: nothing is built for the answer.

The numbers are those of the layers of each family: a lower bound, of which a deep model of the family has at most three
times as many.  Families without a count that multiplies another one are bounded by the lengths of their lists.
"""

from __future__ import annotations

from functools import singledispatch

from hvae.config.biva import BIVAConfig
from hvae.config.iafvae import IAFVAEConfig
from hvae.config.model import LadderConfig, ModelConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.qresvae import QResVAEConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.config.vdvae_blocks import decoder_blocks, encoder_blocks


@singledispatch
def least_tensors(config: ModelConfig) -> int:
    """A lower bound of the tensors of weights of a model; 0 where a family says nothing of it.

    >>> least_tensors(LadderConfig(groups=(1, 2), blocks=3))
    96
    """
    return 0


@least_tensors.register
def _ladder(config: LadderConfig) -> int:
    own = sum(map(bool, config.groups)) if config.share in ("levels", "both") else sum(config.groups)
    return own * (8 + (4 if config.share in ("ways", "both") else 8) * config.blocks)


@least_tensors.register
def _qresvae(config: QResVAEConfig) -> int:
    return sum(config.groups) * (8 + 8 * config.blocks)


@least_tensors.register
def _nvae(config: NVAEConfig) -> int:
    up, down = 10 * config.encoder_cells + 14 * config.flows, 11 * config.decoder_cells
    return config.levels * up + (config.levels - 1) * down + 21 * config.blocks * config.block_cells


@least_tensors.register
def _biva(config: BIVAConfig) -> int:
    return config.depth * (12 + 21 * config.blocks)


@least_tensors.register
def _iafvae(config: IAFVAEConfig) -> int:
    return 12 * sum(config.blocks)


@least_tensors.register
def _vdvae(config: VDVAEConfig) -> int:
    return 8 * len(encoder_blocks(config.encoder)) + 24 * len(decoder_blocks(config.decoder))
