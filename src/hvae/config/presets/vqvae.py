"""Models of codes: VQ-VAE (van den Oord et al. 2017, arXiv 1711.00937) in the sizes of the code released with Sonnet.

There: Adam at 3e-4, 10,000 steps of 32 images, squared error over the variance of the data.  Here the learning rate
rises to 1e-3 and falls with half a cosine, and the averaged weights are scored.
"""

from __future__ import annotations

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig
from hvae.config.vqvae import VQVAEConfig


def cifar10_vqvae() -> RunConfig:
    """512 codes of 64 numbers, 8 x 8 of them an image: 576 bits, or 0.1875 bits a value, before a prior is trained."""
    return RunConfig(
        model=VQVAEConfig(),
        data=DataConfig(name="cifar10"),
        train=TrainConfig(steps=10_000, batch=32, lr=1e-3, save_every=500, valid_every=1_000, valid_size=1_000),
        # Nothing is drawn from q, so one sample is as good as any number of them.
        evaluate=EvaluateConfig(samples=1),
    )


VQ: dict[str, Preset] = {
    "cifar10-vqvae": Preset("VQ-VAE on CIFAR-10: 8 x 8 codes, 512 of them", "not timed; 1 core", cifar10_vqvae),
}
"""By name."""
