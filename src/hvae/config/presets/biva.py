"""BIVA's runs: as published (Maaloe et al. 2019, arXiv 1902.02102, released code), and one for a single core.

Three things differ from the published runs: the learning rate stays where theirs loses a millionth a step; steps are
skipped by how their gradient compares with recent ones (`train.skip_factor`), where they take every step; and on MNIST
the validation images are not trained on.
"""

from __future__ import annotations

from hvae.config.biva import CIFAR10, MNIST, BIVAConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.objective import FreeBitsConfig, ObjectiveConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig

# Two nats for each latent of each datum are free, as published: what keeps 2 L - 1 latents in use.
FREE = ObjectiveConfig(free_bits=FreeBitsConfig(nats=2.0, per="level", over="sample"))


def _published(model: BIVAConfig, data: str, steps: int) -> RunConfig:
    """500 epochs of batches of 48."""
    return RunConfig(
        model=model,
        data=DataConfig(name=data),
        objective=FREE,
        train=TrainConfig(
            steps=steps,
            batch=48,
            optimiser="adamax",
            lr=2e-3,
            schedule="constant",
            warmup=0,
            ema=0.9995,
            save_every=2_000,
            valid_every=5_000,
        ),
        evaluate=EvaluateConfig(samples=1000),
    )


def biva_mnist_static() -> RunConfig:
    return _published(MNIST, "mnist-static", steps=520_000)


def biva_cifar10() -> RunConfig:
    return _published(CIFAR10, "cifar10", steps=520_000)


def mnist_static_biva() -> RunConfig:
    """Seven latents at 14 x 14 and 7 x 7.  Without dropout: eight epochs are too few to overfit."""
    model = BIVAConfig(
        variance="above-one",
        latents=(8, 8, 8, 8),
        strides=(2, 2, 1, 1),
        kernels=(3, 3, 3, 3),
        maps=(3, 3, 3, 3),
        width=20,
        blocks=1,
        dropout_q=0.0,
        dropout_p=0.0,
    )
    return RunConfig(
        model=model,
        data=DataConfig(name="mnist-static"),
        objective=FREE,
        train=TrainConfig(
            steps=5_000,
            batch=64,
            optimiser="adamax",
            lr=4e-3,
            keep="best",
            save_every=500,
            valid_every=500,
            valid_size=1000,
        ),
        evaluate=EvaluateConfig(samples=100, limit=1000),
    )


BIVA: dict[str, Preset] = {
    "biva-mnist-static": Preset("BIVA as published, statically binarised MNIST", "not timed; 1 GPU", biva_mnist_static),
    "biva-cifar10": Preset("BIVA as published, CIFAR-10", "not timed; 1 GPU", biva_cifar10),
    "mnist-static-biva": Preset("small BIVA on statically binarised MNIST", "not timed; 2 cores", mnist_static_biva),
}
"""By name."""
