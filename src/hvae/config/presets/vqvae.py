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


def mnist_vqvae() -> RunConfig:
    """128 codes of 16 numbers, 7 x 7 of them an image, and a small Transformer that says how probable they are.

    It learns beside them: codes follow the pictures alone, and no gradient of their price reaches them.
    """
    return RunConfig(
        model=VQVAEConfig(
            codes=128, dims=16, width=64, sigma=0.22, prior="transformer", prior_width=64, prior_layers=2, prior_heads=4
        ),
        data=DataConfig(name="mnist"),
        train=TrainConfig(steps=3_000, batch=32, lr=1e-3, save_every=500, valid_every=500, valid_size=500),
        evaluate=EvaluateConfig(samples=1, limit=1_000),
    )


VQ: dict[str, Preset] = {
    "cifar10-vqvae": Preset("VQ-VAE on CIFAR-10: 8 x 8 codes, 512 of them", "not timed; 1 core", cifar10_vqvae),
    "mnist-vqvae": Preset("VQ-VAE on grey MNIST: 7 x 7 codes with a prior", "18 min, a very busy core", mnist_vqvae),
}
"""By name."""
