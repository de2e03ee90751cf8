"""Configurations: frozen dataclasses without torch."""

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.config.objective import FreeBitsConfig, ObjectiveConfig, WarmUpConfig
from hvae.config.presets import PRESETS, Preset, preset
from hvae.config.run import FAMILIES, RunConfig
from hvae.config.train import TrainConfig

__all__ = [
    "FAMILIES",
    "PRESETS",
    "DataConfig",
    "EvaluateConfig",
    "FreeBitsConfig",
    "LVAEConfig",
    "LadderConfig",
    "MarkovConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "Preset",
    "RunConfig",
    "TrainConfig",
    "VAEConfig",
    "VLAEConfig",
    "WarmUpConfig",
    "preset",
]
