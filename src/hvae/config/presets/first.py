"""The first families' runs: digits, five models at one budget, and any folder of images.

The five `mnist-static-*` share data, objective, a budget of 2.2 million parameters, and the time a core takes for their
steps (about 25 minutes), so that their results can be set side by side.
"""

from __future__ import annotations

from dataclasses import replace

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.config.objective import FreeBitsConfig, ObjectiveConfig, WarmUpConfig
from hvae.config.presets.preset import YOUR_FOLDER, Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig


def digits() -> RunConfig:
    """The demonstration: it needs no download and no GPU.

    The top level is free while the lower ones are charged from the start, so it learns first what all images differ
    in, their class; a floor of free nats keeps the lower levels in use afterwards.
    """
    return RunConfig(
        model=LadderConfig(likelihood="dmol", mixtures=5, groups=(1, 1, 1), width=32, latent=6),
        data=DataConfig(name="digits"),
        objective=ObjectiveConfig(
            warmup=WarmUpConfig(length={"z3": 800, "z2": 100}),
            free_bits=FreeBitsConfig(nats={"z2": 3.0, "z1": 3.0}),
        ),
        train=TrainConfig(steps=1200, batch=64, lr=2e-3, ema=0.995, valid_every=300),
        evaluate=EvaluateConfig(samples=50),
    )


# What keeps the upper levels of the MLP hierarchies in use: they are free for long, so that they learn first, while the
# lower ones are charged nearly from the start but for a few free nats.  With one warm-up for all, z4 and z5 of LVAE
# stay at 0 nats.
SLOWLY = {"z5": 15_000, "z4": 12_000, "z3": 9_000, "z2": 4_500, "z1": 600}
FREE = {"z5": 2.0, "z4": 2.0, "z3": 2.0, "z2": 3.0, "z1": 5.0}


def _mnist_static(model: ModelConfig, objective: ObjectiveConfig, steps: int, batch: int = 64) -> RunConfig:
    return RunConfig(
        model=model,
        data=DataConfig(name="mnist-static"),
        objective=objective,
        train=TrainConfig(
            steps=steps, batch=batch, lr=1e-3, keep="best", save_every=1000, valid_every=steps // 20, valid_size=1000
        ),
        evaluate=EvaluateConfig(samples=100, limit=1000),
    )


def _uniform(length: int) -> ObjectiveConfig:
    return ObjectiveConfig(warmup=WarmUpConfig(length=length))


def _upper_first(levels: int) -> ObjectiveConfig:
    names = [f"z{i}" for i in range(1, levels + 1)]
    return ObjectiveConfig(
        warmup=WarmUpConfig(length={name: SLOWLY[name] for name in names}),
        free_bits=FreeBitsConfig(nats={name: FREE[name] for name in names}),
    )


def mnist_static_vae() -> RunConfig:
    return _mnist_static(VAEConfig(latent=64, widths=(448, 448)), _uniform(9_000), steps=45_000)


def mnist_static_markov() -> RunConfig:
    return _mnist_static(MarkovConfig(), _upper_first(5), steps=45_000)


def mnist_static_lvae() -> RunConfig:
    return _mnist_static(LVAEConfig(), _upper_first(5), steps=45_000)


def mnist_static_vlae() -> RunConfig:
    model = VLAEConfig(latents=(16, 16, 16), widths=(384, 256, 256))
    return _mnist_static(model, _upper_first(3), steps=45_000)


def mnist_static_ladder() -> RunConfig:
    """A sixth of the others' parameters: a convolution uses each of its weights at every position."""
    model = LadderConfig(groups=(0, 2, 3), width=32, latent=8)
    return _mnist_static(model, _uniform(3_000), steps=15_000, batch=16)


def mnist_static_ladder_quick() -> RunConfig:
    """More of the data in the same time: twice the images a step, few channels at 28 x 28, a threefold rate, bf16."""
    model = LadderConfig(groups=(0, 2, 3), width=32, widths=(8, 32, 32), latent=8)
    run = _mnist_static(model, _uniform(3_000), steps=15_000, batch=32)
    train = replace(run.train, lr=3e-3, betas=(0.9, 0.95), precision="auto", valid_every=3_000)
    return replace(run, train=train)


def mnist() -> RunConfig:
    """Grey values, not binarised: bits per dimension, not comparable with any binarised set."""
    return RunConfig(
        model=LadderConfig(likelihood="dmol", groups=(2, 3, 3), width=64, latent=8),
        data=DataConfig(name="mnist"),
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=2_000)),
        train=TrainConfig(steps=50_000, batch=128, clip=200.0),
    )


def fashion_mnist() -> RunConfig:
    run = mnist()
    return RunConfig(model=run.model, data=DataConfig(name="fashion-mnist"), objective=run.objective, train=run.train)


def cifar10() -> RunConfig:
    return RunConfig(
        model=LadderConfig(likelihood="dmol", groups=(3, 5, 4, 3), width=128, latent=16),
        data=DataConfig(name="cifar10", flip=True),
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=5_000)),
        train=TrainConfig(steps=100_000, batch=128, lr=5e-4, ema=0.9995, clip=200.0),
    )


def fashion_mnist_small() -> RunConfig:
    return _small(LadderConfig(likelihood="dmol", groups=(0, 2, 3), width=32, latent=8), "fashion-mnist", steps=15_000)


def cifar10_small() -> RunConfig:
    model = LadderConfig(likelihood="dmol", mixtures=5, groups=(0, 2, 2, 1), width=40, latent=8)
    return _small(model, "cifar10", steps=9_000)


def _small(model: ModelConfig, data: str, steps: int) -> RunConfig:
    """What one core trains in 25 minutes: two to five epochs, far from the end of learning."""
    return RunConfig(
        model=model,
        data=DataConfig(name=data),
        objective=_uniform(steps // 10),
        train=TrainConfig(steps=steps, batch=16, lr=1e-3, clip=200.0, save_every=1000, valid_every=steps // 10),
        evaluate=EvaluateConfig(samples=100, limit=200),
    )


def folder() -> RunConfig:
    """Any images, brought to 64 x 64 and three colours."""
    return RunConfig(
        model=LadderConfig(likelihood="dmol", groups=(1, 3, 4, 3, 2), width=96, latent=16),
        data=DataConfig(name="folder", path=YOUR_FOLDER, size=(64, 64), crop="center", channels=3, flip=True),
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=5_000)),
        train=TrainConfig(steps=100_000, batch=32, lr=5e-4, clip=200.0),
    )


FIRST: dict[str, Preset] = {
    "digits": Preset("deep ladder on the 8x8 digits inside scikit-learn; no download", "2 min, 2 cores", digits),
    "mnist-static-vae": Preset("flat VAE on statically binarised MNIST", "25 min, 1 core", mnist_static_vae),
    "mnist-static-markov": Preset(
        "Markov hierarchy on statically binarised MNIST", "25 min, 1 core", mnist_static_markov
    ),
    "mnist-static-lvae": Preset("Ladder VAE on statically binarised MNIST", "25 min, 1 core", mnist_static_lvae),
    "mnist-static-vlae": Preset("VLAE on statically binarised MNIST", "25 min, 1 core", mnist_static_vlae),
    "mnist-static-ladder": Preset("deep ladder on statically binarised MNIST", "25 min, 1 core", mnist_static_ladder),
    "mnist-static-ladder-quick": Preset(
        "the same, better trained in the same time", "25 min, 1 core with bf16", mnist_static_ladder_quick
    ),
    "mnist": Preset("deep ladder on grey MNIST, 8 bits", "not timed; 1 GPU", mnist),
    "fashion-mnist": Preset("deep ladder on grey Fashion-MNIST, 8 bits", "not timed; 1 GPU", fashion_mnist),
    "cifar10": Preset("deep ladder on CIFAR-10", "not timed; 1 GPU", cifar10),
    "fashion-mnist-small": Preset("small ladder on grey Fashion-MNIST, 8 bits", "25 min, 1 core", fashion_mnist_small),
    "cifar10-small": Preset("small ladder on CIFAR-10", "25 min, 1 core", cifar10_small),
    "folder": Preset("deep ladder on any folder of images; add --data.path FOLDER", "not timed; 1 GPU", folder),
}
"""By name."""
