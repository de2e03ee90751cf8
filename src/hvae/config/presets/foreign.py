"""Which images are foreign?  Ladders whose upper levels say what an image is, and whose lowest adds only its detail.

`hvae score RUN --data X` compares what all levels make of an image with what the upper ones alone do (L - L>1, Havtorn
et al. 2021, arXiv 2102.08248).  That tells something only if the upper levels are in use: z3 (8 numbers) and z2 (8 at
2 x 2 places) are free for half of the run, and have 8 and 12 free nats afterwards, while z1 (8 at 14 x 14 places) is
charged from the start.  Charged together, z2 stays empty.
"""

from __future__ import annotations

from functools import partial

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import LadderConfig
from hvae.config.objective import FreeBitsConfig, ObjectiveConfig, WarmUpConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig


def foreign(data: str) -> RunConfig:
    return RunConfig(
        model=LadderConfig(groups=(0, 1, 0, 0, 1, 1), width=32, latent=8),
        data=DataConfig(name=data),
        objective=ObjectiveConfig(
            warmup=WarmUpConfig(length={"z3": 4_000, "z2": 3_000, "z1": 200}),
            free_bits=FreeBitsConfig(nats={"z3": 8.0, "z2": 12.0, "z1": 3.0}),
        ),
        train=TrainConfig(steps=8_000, batch=32, lr=1e-3, save_every=1_000, valid_every=1_000, valid_size=1_000),
        evaluate=EvaluateConfig(samples=10, limit=200),
    )


FOREIGN: dict[str, Preset] = {
    "foreign-fashion": Preset(
        "ladder on binarised Fashion-MNIST that knows digits for foreign",
        "20 min, 1 busy core",
        partial(foreign, "fashion-mnist-dynamic"),
    ),
    "foreign-mnist": Preset(
        "ladder on binarised MNIST that knows clothes for foreign",
        "20 min, 1 busy core",
        partial(foreign, "mnist-dynamic"),
    ),
}
"""By name."""
