"""Images of your own on a CPU: a folder of colour pictures, one of grey pictures, and arrays.

Ladders of half a million parameters and less.  The lowest level is at half the images' resolution, since a core spends
its time on what it reads and writes at the full one.  The warm-up is a tenth of the steps, however many are asked for.
"""

from __future__ import annotations

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import LadderConfig, VAEConfig
from hvae.config.objective import ObjectiveConfig, WarmUpConfig
from hvae.config.presets.preset import YOUR_FILE, YOUR_FOLDER, Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig

LADDER = LadderConfig(likelihood="dmol", mixtures=5, groups=(0, 1, 2, 2, 1), width=32)


def _small(model: LadderConfig, data: DataConfig, steps: int) -> RunConfig:
    return RunConfig(
        model=model,
        data=data,
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=0.1)),
        train=TrainConfig(
            steps=steps, batch=16, lr=1e-3, clip=2_000.0, keep="best", save_every=500, valid_every=500, valid_size=200
        ),
        evaluate=EvaluateConfig(samples=20, limit=200),
    )


def _pictures(channels: int) -> DataConfig:
    return DataConfig(
        name="folder", path=YOUR_FOLDER, size=(64, 64), crop="center", channels=channels, bits=8, flip=channels == 3
    )


def photos_small() -> RunConfig:
    """Photographs, brought to 64 x 64: 23 minutes of one core for the steps, and some for validation and evaluation.

    From 0.194 s of processor time a step, measured over 200 steps; not run to the end.
    """
    return _small(LADDER, _pictures(3), steps=7_000)


def greyscale_small() -> RunConfig:
    """Grey pictures, brought to 64 x 64: 21 minutes of one core for the steps.

    From 0.138 s of processor time a step, measured over 200 steps; not run to the end.
    """
    return _small(LADDER, _pictures(1), steps=9_000)


def arrays() -> RunConfig:
    """Images of any size in an array, as they are: at 64 x 64 in colour 24 minutes of one core for the steps.

    From 0.204 s of processor time a step, measured over 200 steps; the time goes with the pixels.  Not run to the end.
    """
    model = LadderConfig(likelihood="dmol", mixtures=5, groups=(0, 2, 2, 1), width=32)
    return _small(model, DataConfig(name="npy", path=YOUR_FILE), steps=7_000)


def table() -> RunConfig:
    """A table with gaps: to each column its own likelihood, and the MIWAE bound of 20 draws.

    Mattei and Frellsen 2019, arXiv 1812.02633; Nazabal et al. 2020, arXiv 1807.03653.  The Gaussian of real numbers has
    a twentieth of a column's range: a learnt deviation starts so wide that the latents die.
    """
    return RunConfig(
        model=VAEConfig(likelihood="columns", sigma=0.05, latent=10, widths=(128, 128)),
        data=DataConfig(name="table", path=YOUR_FILE),
        objective=ObjectiveConfig(kind="iwae", samples=20),
        train=TrainConfig(steps=5_000, batch=64, lr=1e-3, keep="best", save_every=500, valid_every=500),
        evaluate=EvaluateConfig(samples=100, limit=1_000),
    )


OWN: dict[str, Preset] = {
    "photos-small": Preset(
        "small ladder on any folder of images, 64 x 64 in colour; add --data.path FOLDER",
        "25 min expected; 1 core",
        photos_small,
    ),
    "greyscale-small": Preset(
        "small ladder on any folder of images, 64 x 64 in grey; add --data.path FOLDER",
        "25 min expected; 1 core",
        greyscale_small,
    ),
    "arrays": Preset(
        "small ladder on images in a .npy or .npz file; add --data.path FILE", "25 min expected; 1 core", arrays
    ),
    "table": Preset(
        "flat VAE of a table of numbers and names with gaps, .csv; add --data.path FILE",
        "3 min expected; 1 core",
        table,
    ),
}
"""By name."""
