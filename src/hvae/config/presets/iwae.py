"""The table of importance weighted autoencoders (Burda, Grosse and Salakhutdinov 2015, arXiv 1509.00519): one level.

50 latents, two layers of 200 hyperbolic tangents each way, MNIST binarised anew each time it is seen, K = 1, 5 or 50
draws in training.  Published -log p(x) by IW-5000: 86.76, 85.54 and 84.78, after 3280 epochs of batches of 20.

Three things differ from the published runs: larger batches, one fall of the learning rate along a cosine where theirs
takes eight steps, and averaged weights.  All three buy with a hundredth of the steps most of what they would bring.
"""

from __future__ import annotations

from functools import partial

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import VAEConfig
from hvae.config.objective import ObjectiveConfig, WarmUpConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig


def mnist_iwae(samples: int, steps: int, batch: int) -> RunConfig:
    """K = 1 is the flat VAE: its rate is warmed up, which an importance-weighted bound cannot be."""
    vae = ObjectiveConfig(warmup=WarmUpConfig(length=steps // 10))
    return RunConfig(
        model=VAEConfig(network="mlp-tanh", latent=50, widths=(200,), variance="exp"),
        data=DataConfig(name="mnist-dynamic", valid=1_000),
        objective=vae if samples == 1 else ObjectiveConfig(kind="iwae", samples=samples),
        train=TrainConfig(
            steps=steps,
            batch=batch,
            lr=1e-3,
            floor=1e-3,
            ema=0.999,
            keep="best",
            save_every=5_000,
            valid_every=steps // 20,
        ),
        # A tenth of the published K, which takes a core 14 minutes: `--evaluate.samples none` for all of them.
        evaluate=EvaluateConfig(protocol="iwae", samples=500),
    )


IWAE: dict[str, Preset] = {
    "mnist-iwae-1": Preset(
        "flat VAE of the IWAE paper's table", "not timed; 1 core", partial(mnist_iwae, 1, 100_000, 250)
    ),
    "mnist-iwae-5": Preset("the same by IW-5", "175 min, 1 busy core", partial(mnist_iwae, 5, 100_000, 250)),
    "mnist-iwae-50": Preset("the same by IW-50", "not timed; 1 core", partial(mnist_iwae, 50, 100_000, 50)),
}
"""By name."""
