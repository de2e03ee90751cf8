"""A flat VAE of the size of the IWAE paper's with autoregressive flows as prior and posterior, on static MNIST.

Its controls change one key each: `--model.flow.prior none`, `--model.flow.posterior none`, or both.
"""

from __future__ import annotations

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.flow import FlowConfig
from hvae.config.model import VAEConfig
from hvae.config.objective import ObjectiveConfig, WarmUpConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig


def mnist_static_flowvae() -> RunConfig:
    flow = FlowConfig(prior="affine", posterior="affine", transforms=2, hidden=(200,))
    steps = 15_000
    return RunConfig(
        model=VAEConfig(network="mlp-tanh", latent=50, widths=(200,), variance="exp", flow=flow),
        data=DataConfig(name="mnist-static"),
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=steps // 10)),
        train=TrainConfig(steps=steps, batch=64, lr=1e-3, ema=0.999, keep="best", valid_every=steps // 15),
        evaluate=EvaluateConfig(samples=100, measures=("likelihood", "activity")),
    )


FLOWS: dict[str, Preset] = {
    "mnist-static-flowvae": Preset(
        "flat VAE with flows as prior and posterior, static MNIST", "6 min, 1 core", mnist_static_flowvae
    ),
}
"""By name."""
