"""Runs on sequences: music, a latent a step.

Their bounds are of whole sequences, every frame scored, the first too; numbers a frame are named by their average.
"""

from __future__ import annotations

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import ModelConfig
from hvae.config.objective import ObjectiveConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.sequences import DMMConfig, SRNNConfig, VRNNConfig
from hvae.config.train import TrainConfig

JSB = DataConfig(name="jsb", bucket=4)
NOTTINGHAM = DataConfig(name="nottingham", chunk=160, bucket=8)


def _music(model: ModelConfig, data: DataConfig, steps: int) -> RunConfig:
    """No warm-up: the latents of a recurrent model wake late by themselves, and a free start delays nothing."""
    return RunConfig(
        model=model,
        data=data,
        objective=ObjectiveConfig(),
        train=TrainConfig(
            steps=steps,
            batch=16,
            lr=3e-3,
            clip=1.0,
            skip_factor=0.0,
            ema=0.99,
            keep="best",
            save_every=100,
            valid_every=100,
            valid_size=0,
        ),
        evaluate=EvaluateConfig(samples=64),
    )


def jsb_vrnn() -> RunConfig:
    """The chorales of Bach: a recurrent state of 64 and 32 latent dimensions a frame."""
    return _music(VRNNConfig(cell="lstm", state=64, width=64, latent=32), JSB, steps=1_000)


def jsb_srnn() -> RunConfig:
    """The same by a model whose recurrence over the data stands apart from its chain of latents."""
    return _music(SRNNConfig(state=64, width=64, latent=32), JSB, steps=1_000)


def jsb_dmm() -> RunConfig:
    """The same without any recurrence over the data: all that a frame knows of the others it knows by the latents."""
    return _music(
        DMMConfig(latent=48, transition=96, width=64, state=96), DataConfig(name="jsb", bucket=4), steps=2_000
    )


def nottingham_vrnn() -> RunConfig:
    """Folk tunes, trained in pieces of 160 frames."""
    model = VRNNConfig(cell="lstm", state=64, width=64, latent=64)
    return _music(model, NOTTINGHAM, steps=4_000)


SEQUENCES: dict[str, Preset] = {
    "jsb-vrnn": Preset("VRNN on the JSB chorales, piano rolls", "not timed; 1 core", jsb_vrnn),
    "jsb-srnn": Preset("SRNN on the JSB chorales, piano rolls", "not timed; 1 core", jsb_srnn),
    "jsb-dmm": Preset("deep Markov model on the JSB chorales, piano rolls", "not timed; 1 core", jsb_dmm),
    "nottingham-vrnn": Preset("VRNN on the Nottingham tunes, piano rolls", "not timed; 1 core", nottingham_vrnn),
}
"""By name."""
