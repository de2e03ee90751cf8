"""Lossy codecs of rounded latents (Duan, Lu, Ma and Zhu 2022, arXiv 2208.13056), small enough for one core.

The published models have 34 million parameters, 12 levels and 2 million steps behind them.
"""

from __future__ import annotations

from dataclasses import replace

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.presets.preset import YOUR_FOLDER, Preset
from hvae.config.qresvae import QResVAEConfig
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig


def _lossy(data: DataConfig, steps: int, batch: int) -> RunConfig:
    return RunConfig(
        model=QResVAEConfig(sigma=0.035, patch=4, groups=(1, 1, 1, 1), widths=(32, 48, 64, 64), latent=8),
        data=data,
        train=TrainConfig(
            steps=steps,
            batch=batch,
            lr=2e-3,
            clip=2000.0,
            keep="best",
            save_every=500,
            valid_every=steps // 10,
            valid_size=140,
        ),
        evaluate=EvaluateConfig(samples=2, limit=100),
    )


def photos_lossy_small() -> RunConfig:
    """Any folder of photographs, brought to 64 x 64; the codec takes pictures of every size."""
    size = DataConfig(name="folder", path=YOUR_FOLDER, size=(64, 64), crop="center", channels=3, flip=True)
    return _lossy(size, steps=14_000, batch=8)


def cifar10_lossy_small() -> RunConfig:
    return _lossy(DataConfig(name="cifar10", flip=True), steps=9_000, batch=24)


def mnist_lossy_small() -> RunConfig:
    """Grey digits at three scales, 7 x 7, 4 x 4 and 2 x 2: small enough to come with the library."""
    run = _lossy(DataConfig(name="mnist"), steps=3_000, batch=24)
    return replace(run, model=QResVAEConfig(sigma=0.06, patch=4, groups=(1, 1, 1), widths=(32, 48, 64), latent=8))


QRESVAE: dict[str, Preset] = {
    "photos-lossy-small": Preset(
        "small lossy codec (QRes-VAE) on any folder of photos; add --data.path FOLDER",
        "25 min, 1 core",
        photos_lossy_small,
    ),
    "cifar10-lossy-small": Preset("small lossy codec (QRes-VAE) on CIFAR-10", "not timed; 1 core", cifar10_lossy_small),
    "mnist-lossy-small": Preset(
        "small lossy codec (QRes-VAE) on grey MNIST", "2 min, a shared core", mnist_lossy_small
    ),
}
"""By name."""
