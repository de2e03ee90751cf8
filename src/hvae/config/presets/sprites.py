"""Sprites of six known factors, halved to 32 x 32: three hierarchies at one small budget.

Which level carries which factor?  `hvae evaluate RUN --evaluate.measures disentanglement` tells.
"""

from __future__ import annotations

from functools import partial

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import LadderConfig, LVAEConfig, ModelConfig, VLAEConfig
from hvae.config.objective import FreeBitsConfig, ObjectiveConfig, WarmUpConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig

# Upper levels first, as in the other small hierarchies: they are free for longer, the others have a few free nats.
OBJECTIVE = ObjectiveConfig(
    warmup=WarmUpConfig(length={"z3": 2_000, "z2": 1_000, "z1": 200}),
    free_bits=FreeBitsConfig(nats={"z3": 3.0, "z2": 3.0, "z1": 3.0}),
)

LVAE = LVAEConfig(likelihood="logistic-pixel", latents=(16, 12, 8), widths=(512, 256, 128))
VLAE = VLAEConfig(likelihood="logistic-pixel", latents=(8, 8, 8), widths=(512, 256, 128))
LADDER = LadderConfig(likelihood="dmol", mixtures=3, groups=(0, 1, 1, 0, 1), width=32, latent=4)


def sprites(model: ModelConfig, steps: int, batch: int) -> RunConfig:
    return RunConfig(
        model=model,
        data=DataConfig(name="lpc-sprites", size=(32, 32)),
        objective=OBJECTIVE,
        train=TrainConfig(
            steps=steps,
            batch=batch,
            lr=1e-3,
            clip=2_000.0,
            save_every=1_000,
            valid_every=1_000,
            valid_size=500,
        ),
        evaluate=EvaluateConfig(samples=10, limit=1_000),
    )


SPRITES: dict[str, Preset] = {
    "sprites-lvae": Preset(
        "Ladder VAE on sprites of six factors, 32 x 32", "8 min, 1 busy core", partial(sprites, LVAE, 5_000, 64)
    ),
    "sprites-vlae": Preset(
        "VLAE on sprites of six factors, 32 x 32", "13 min, 1 busy core", partial(sprites, VLAE, 5_000, 64)
    ),
    "sprites-ladder": Preset(
        "deep ladder on sprites of six factors, 32 x 32", "13 min, 1 busy core", partial(sprites, LADDER, 3_000, 32)
    ),
}
"""By name."""
