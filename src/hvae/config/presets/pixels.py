"""Models whose likelihood goes from pixel to pixel: a small PixelVAE (Gulrajani et al. 2017, arXiv 1611.05013)."""

from __future__ import annotations

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.objective import ObjectiveConfig, WarmUpConfig
from hvae.config.pixels import PixelVAEConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig


def mnist_static_pixelvae() -> RunConfig:
    """The ladder above a PixelCNN that sees two pixels to the left: what is farther away is for the latents."""
    return RunConfig(
        model=PixelVAEConfig(groups=(0, 2, 3), width=32, latent=8, receptive=2),
        data=DataConfig(name="mnist-static"),
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=3_000)),
        train=TrainConfig(
            steps=15_000, batch=16, lr=1e-3, keep="best", save_every=1000, valid_every=750, valid_size=1000
        ),
        evaluate=EvaluateConfig(samples=100, limit=1000),
    )


PIXELS: dict[str, Preset] = {
    "mnist-static-pixelvae": Preset(
        "deep ladder above a PixelCNN, on statically binarised MNIST", "29 min, 1 shared core", mnist_static_pixelvae
    ),
}
"""By name."""
