"""Ladders that learn from noisy pictures alone: their likelihood is the noise, their signal the clean picture.

Prakash et al. 2021, arXiv 2006.06072, and 2022, arXiv 2104.01374.  The lowest level is at half the resolution; small
batches, because a core takes twice the steps with them in its time.
"""

from __future__ import annotations

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import LadderConfig
from hvae.config.objective import ObjectiveConfig, WarmUpConfig
from hvae.config.presets.preset import YOUR_FILE, Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig

SIGMA = 25 / 255


def denoise() -> RunConfig:
    """Pictures of 64 x 64 in an array with Gaussian noise of 25 of 255: photographs, or those of a microscope."""
    return RunConfig(
        model=LadderConfig(likelihood="noise", sigma=SIGMA, groups=(0, 1, 2, 2, 1), width=32),
        data=DataConfig(name="npy", path=YOUR_FILE, flip=True),
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=0.1)),
        train=TrainConfig(
            steps=8_000, batch=8, lr=2e-3, clip=5_000.0, keep="best", save_every=500, valid_every=1_000, valid_size=100
        ),
        evaluate=EvaluateConfig(samples=20, limit=50),
    )


NOISE: dict[str, Preset] = {
    "denoise": Preset(
        "small ladder on noisy pictures alone, sigma 25 of 255; add --data.path FILE", "25 min, 1 core", denoise
    ),
}
"""By name."""
