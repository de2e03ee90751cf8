"""How many tensors of weights a configuration asks for at least, by its counts alone: nothing is built for the answer.

The numbers are those of the layers of each family: a lower bound, of which a deep model of the family has at most three
times as many.  Families without a count that multiplies another one are bounded by the lengths of their lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from hvae.config.biva import BIVAConfig
from hvae.config.iafvae import IAFVAEConfig
from hvae.config.maps import Share
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
    own = _levels(config.groups, config.share) * (8 + _blocks(config.share, config.blocks))
    return own + sum(config.finer) * (8 + _blocks("none", config.blocks))


@least_tensors.register
def _qresvae(config: QResVAEConfig) -> int:
    return _levels(config.groups, config.share) * (8 + _blocks(config.share, config.blocks))


@least_tensors.register
def _nvae(config: NVAEConfig) -> int:
    own = _levels(config.groups, config.share)
    cells = own * 10 * config.encoder_cells + (own - 1) * 11 * config.decoder_cells
    return cells + config.levels * 14 * config.flows + 21 * config.blocks * config.block_cells


@least_tensors.register
def _biva(config: BIVAConfig) -> int:
    own = 1 if config.share == "levels" else config.depth  # of one shape, if stages are of one
    return config.depth * 12 + own * 21 * config.blocks


@least_tensors.register
def _iafvae(config: IAFVAEConfig) -> int:
    return 12 * _levels(config.blocks, config.share)


@least_tensors.register
def _vdvae(config: VDVAEConfig) -> int:
    up, down = (
        [block.resolution for block in blocks]
        for blocks in (encoder_blocks(config.encoder), decoder_blocks(config.decoder))
    )
    if config.share in ("levels", "both"):
        up, down = list(set(up)), list(set(down))
    blocks = max(len(up), len(down)) if config.share in ("ways", "both") else len(up) + len(down)
    return 8 * blocks + 16 * len(down)


def _levels(groups: Sequence[int], share: Share) -> int:
    """Levels with weights of their own."""
    return sum(map(bool, groups)) if share in ("levels", "both") else sum(groups)


def _blocks(share: Share, blocks: int) -> int:
    """Tensors of the residual blocks of a level, on both ways."""
    return (4 if share in ("ways", "both") else 8) * blocks
