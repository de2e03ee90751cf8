"""The ResNet-VAE with IAF: as released (Kingma et al. 2016, arXiv 1606.04934), and one for a single core.

The released run stops when its reader does; 500,000 steps are ours.  Its batch of 256 lies on eight GPUs, each of which
takes its own batch mean under the free bits; here the mean is over all of them.
"""

from __future__ import annotations

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.iafvae import CIFAR10, CIFAR10_TWO_SCALES, IAFVAEConfig
from hvae.config.objective import FreeBitsConfig, ObjectiveConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig


def _free(nats: float) -> ObjectiveConfig:
    """So many free nats for each channel, on the mean over the batch: eq. (15) of the paper."""
    return ObjectiveConfig(free_bits=FreeBitsConfig(nats=nats, per="channel", over="batch"))


def _published(model: IAFVAEConfig) -> RunConfig:
    return RunConfig(
        model=model,
        data=DataConfig(name="cifar10"),
        objective=_free(0.1),
        train=TrainConfig(
            steps=500_000,
            batch=256,
            optimiser="adamax",
            lr=2e-3,
            schedule="constant",
            warmup=0,
            save_every=2_000,
            valid_every=5_000,
        ),
        evaluate=EvaluateConfig(protocol="iafvae"),
    )


def iafvae_cifar10() -> RunConfig:
    return _published(CIFAR10)


def iafvae_cifar10_deep() -> RunConfig:
    return _published(CIFAR10_TWO_SCALES)


def mnist_static_iafvae() -> RunConfig:
    """Three latents, one at 14 x 14 and two at 7 x 7."""
    return RunConfig(
        model=IAFVAEConfig(likelihood="bernoulli", variance="softclamp", blocks=(1, 2), width=24, latent=6, flow=1),
        data=DataConfig(name="mnist-static"),
        objective=_free(0.25),
        train=TrainConfig(
            steps=10_000,
            batch=64,
            optimiser="adamax",
            lr=1e-2,
            keep="best",
            save_every=500,
            valid_every=500,
            valid_size=1000,
        ),
        evaluate=EvaluateConfig(samples=100, limit=1000),
    )


IAFVAE: dict[str, Preset] = {
    "iafvae-cifar10": Preset("ResNet-VAE with IAF as released, CIFAR-10", "not timed; 8 GPUs", iafvae_cifar10),
    "iafvae-cifar10-deep": Preset("the same with 40 latents at two scales", "not timed; 8 GPUs", iafvae_cifar10_deep),
    "mnist-static-iafvae": Preset(
        "small ResNet-VAE with IAF on statically binarised MNIST", "30 min, 1 core", mnist_static_iafvae
    ),
}
"""By name."""
