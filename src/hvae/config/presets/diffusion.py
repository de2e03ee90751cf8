"""Diffusions (Kingma et al. 2021, arXiv 2107.00630), small enough for one core.

The published model of CIFAR-10 has 32 blocks of 128 channels at full resolution and 10 million steps behind it.  Two
scales below the data's cost little; gamma_min follows the depth of the data: a bit less, and the grid is twice as
coarse, so that log(SNR) at the data may be 2 log 2 less.
"""

from __future__ import annotations

from hvae.config.data import DataConfig
from hvae.config.diffusion import VDMConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig

MEASURES = ("likelihood", "reconstruction", "depth")
"""What takes one walk of all levels for each datum, and no more."""


def _diffusion(model: VDMConfig, data: DataConfig, steps: int, batch: int, limit: int) -> RunConfig:
    return RunConfig(
        model=model,
        data=data,
        train=TrainConfig(
            steps=steps,
            batch=batch,
            lr=1e-3,
            betas=(0.9, 0.99),
            clip=0.0,
            ema=0.999,
            save_every=500,
            valid_every=steps // 10,
        ),
        evaluate=EvaluateConfig(samples=1, limit=limit, measures=MEASURES, solver="second-order:50", generated=1000),
    )


def digits_vdm() -> RunConfig:
    """16 values: coarse ones, so that less noise reaches them."""
    model = VDMConfig(steps=50, widths=(32, 48), blocks=1, gamma_min=-7.8, fourier=(2, 3))
    return _diffusion(model, DataConfig(name="digits"), steps=3_000, batch=32, limit=200)


def mnist_vdm() -> RunConfig:
    model = VDMConfig(widths=(24, 48, 64), blocks=1)
    return _diffusion(model, DataConfig(name="mnist"), steps=12_000, batch=16, limit=50)


def cifar10_vdm() -> RunConfig:
    model = VDMConfig(widths=(32, 48, 64), blocks=1)
    return _diffusion(model, DataConfig(name="cifar10", flip=True), steps=8_000, batch=16, limit=50)


DIFFUSION: dict[str, Preset] = {
    "digits-vdm": Preset("diffusion of 50 levels on the 8x8 digits; no download", "3 min, a shared core", digits_vdm),
    "mnist-vdm": Preset("small diffusion of 1,000 levels on grey MNIST, 8 bits", "not timed; 1 core", mnist_vdm),
    "cifar10-vdm": Preset("small diffusion of 1,000 levels on CIFAR-10", "45 min, a shared core", cifar10_vdm),
}
"""By name."""
