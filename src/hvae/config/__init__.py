"""Configurations: frozen dataclasses without torch."""

from hvae.config.biva import BIVAConfig
from hvae.config.clockwork import CWVAEConfig
from hvae.config.data import DataConfig
from hvae.config.diffusion import VDMConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.families import FAMILIES, Family, family
from hvae.config.iafvae import IAFVAEConfig
from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.objective import FreeBitsConfig, ObjectiveConfig, RegulariserConfig, WarmUpConfig
from hvae.config.pixels import PixelCNNConfig, PixelVAEConfig
from hvae.config.presets import PRESETS, Preset, preset
from hvae.config.qresvae import QResVAEConfig
from hvae.config.run import RunConfig
from hvae.config.seqladder import SeqLadderConfig
from hvae.config.sequences import DMMConfig, SRNNConfig, STCNConfig, VRAEConfig, VRNNConfig
from hvae.config.train import TrainConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.config.vqvae import VQVAE2Config, VQVAEConfig

__all__ = [
    "FAMILIES",
    "PRESETS",
    "BIVAConfig",
    "CWVAEConfig",
    "DMMConfig",
    "DataConfig",
    "EvaluateConfig",
    "Family",
    "FreeBitsConfig",
    "IAFVAEConfig",
    "LVAEConfig",
    "LadderConfig",
    "MarkovConfig",
    "ModelConfig",
    "NVAEConfig",
    "ObjectiveConfig",
    "PixelCNNConfig",
    "PixelVAEConfig",
    "Preset",
    "QResVAEConfig",
    "RegulariserConfig",
    "RunConfig",
    "SRNNConfig",
    "STCNConfig",
    "SeqLadderConfig",
    "TrainConfig",
    "VAEConfig",
    "VDMConfig",
    "VDVAEConfig",
    "VLAEConfig",
    "VQVAE2Config",
    "VQVAEConfig",
    "VRAEConfig",
    "VRNNConfig",
    "WarmUpConfig",
    "family",
    "preset",
]
