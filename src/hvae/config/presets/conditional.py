"""Ladders that know the class of each image: they generate the class that they are asked for.

In training the class is hidden from one image in ten, so that the same model generates without it and can be guided
(Ho and Salimans 2022, arXiv 2207.12598, who hide 10 to 20 % of them).
"""

from __future__ import annotations

from dataclasses import replace

from hvae.config.condition import ConditionConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import LadderConfig
from hvae.config.objective import ObjectiveConfig, WarmUpConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig

CLASS = ConditionConfig(kind="class", classes=10, drop=0.1)


def mnist_ladder_class() -> RunConfig:
    """Binary digits, drawn anew from their grey values: a small ladder at a quarter of the resolution."""
    steps = 3_000
    return RunConfig(
        model=LadderConfig(groups=(0, 0, 3), width=32, latent=8, condition=CLASS),
        data=DataConfig(name="mnist-dynamic"),
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=0.2)),
        train=TrainConfig(
            steps=steps, batch=32, lr=2e-3, ema=0.998, clip=200.0, save_every=500, valid_every=1000, valid_size=1000
        ),
        evaluate=EvaluateConfig(samples=100, limit=500),
    )


def cifar10_ladder_class() -> RunConfig:
    """The `cifar10-small` ladder, told the class; its time is that preset's.  Not run to the end."""
    steps = 9_000
    return RunConfig(
        model=LadderConfig(
            likelihood="dmol", mixtures=5, groups=(0, 2, 2, 1), width=40, latent=8, condition=replace(CLASS, start=0.0)
        ),
        data=DataConfig(name="cifar10"),
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=0.1)),
        train=TrainConfig(steps=steps, batch=16, lr=1e-3, clip=200.0, save_every=1000, valid_every=900),
        evaluate=EvaluateConfig(samples=100, limit=200),
    )


CONDITIONAL: dict[str, Preset] = {
    "mnist-ladder-class": Preset(
        "small ladder on binary MNIST that is told the digit", "4 min, 1 core", mnist_ladder_class
    ),
    "cifar10-ladder-class": Preset(
        "small ladder on CIFAR-10 that is told the class", "25 min, 1 core", cifar10_ladder_class
    ),
}
"""By name."""
