"""NVAE's published runs (Vahdat and Kautz 2020, arXiv 2007.03898, table 6 and released code), and a small one.

What differs from the published runs:

- they computed in half precision on 2 to 24 GPUs, each with the batch norm statistics of all; `train.precision bf16` is
  the nearest to it, and `train.accumulate` divides a batch that is too large (each part has statistics of its own);
- their learning rate moved once an epoch, here it moves every step between the same ends;
- colours are learned with a likelihood that sums to one; `--model.likelihood dmol-nvae` is the published one;
- CelebA is cropped to the centre (there to rows 40 to 188 and columns 15 to 163 of the aligned images).

As there, all images that are not for testing are trained on, the weights are not averaged, and no step is skipped.
"""

from __future__ import annotations

from dataclasses import replace

from hvae.config import nvae
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.objective import ObjectiveConfig, RegulariserConfig, WarmUpConfig
from hvae.config.presets.preset import YOUR_FOLDER, Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig

ANNEALED = 1.0
"""Where the weight of the regularisers starts in the runs that anneal it."""


def _objective(steps: int, weight: float, start: float = 0.0) -> ObjectiveConfig:
    """Rates are balanced and warmed up over 0.3 of the run, after 0.0001 of it at a weight of 0.0001."""
    return ObjectiveConfig(
        warmup=WarmUpConfig(start=round(0.0001 * steps), length=round(0.3 * steps), floor=1e-4),
        balance=True,
        regulariser=RegulariserConfig(weight=weight, start=start),
    )


def _train(epochs: int, warmup: int, images: int, batch: int, lr: float = 1e-2) -> TrainConfig:
    """Adamax, its learning rate warmed up over so many epochs and then down a cosine to 0.0001; full batches only."""
    epoch = images // batch
    return TrainConfig(
        steps=epochs * epoch,
        batch=batch,
        optimiser="adamax",
        lr=lr,
        floor=1e-4 / lr,
        eps=1e-3,
        weight_decay=3e-4,
        warmup=warmup * epoch,
        ema=0.0,
        skip_factor=0.0,
        save_every=1_000,
        valid_every=5_000,
    )


def _run(model: NVAEConfig, data: DataConfig, train: TrainConfig, weight: float, start: float = 0.0) -> RunConfig:
    evaluate = EvaluateConfig(protocol="nvae", batch=train.batch // 4)
    objective = _objective(train.steps, weight, start)
    return RunConfig(model=model, data=data, objective=objective, train=train, evaluate=evaluate)


def nvae_mnist() -> RunConfig:
    """33.4 M parameters, 15 levels; 78.01 nats (IW-1000) on dynamically binarised digits."""
    data = DataConfig(name="mnist-dynamic", valid=0)
    return _run(nvae.MNIST, data, _train(400, 5, images=60_000, batch=400), weight=1e-2)


def nvae_cifar10() -> RunConfig:
    """130.9 M parameters, 30 levels; 2.91 bits a dimension (IW-1000, with the published likelihood)."""
    data = DataConfig(name="cifar10", flip=True, valid=0)
    return _run(nvae.CIFAR10, data, _train(400, 5, images=50_000, batch=256), weight=1e-2)


def nvae_celeba64() -> RunConfig:
    """153.3 M parameters, 35 levels."""
    data = DataConfig(name="folder", path=YOUR_FOLDER, size=(64, 64), crop="center", channels=3, flip=True, valid=0)
    return _run(nvae.CELEBA64, data, _train(90, 5, images=162_770, batch=128), weight=1e-1)


def nvae_imagenet32() -> RunConfig:
    """268.5 M parameters, 28 levels; trained on the set of 2016 (van den Oord)."""
    data = DataConfig(name="imagenet32-old", flip=True, valid=0)
    train = _train(45, 1, images=1_281_149, batch=576)
    return _run(nvae.IMAGENET32, data, train, weight=1e-2, start=ANNEALED)


def nvae_faces256() -> RunConfig:
    """330.8 M parameters, 36 levels, 5 bits; CelebA-HQ (FFHQ: lr 0.008, floor 0.0125, regulariser.weight 0.1)."""
    data = DataConfig(name="folder", path=YOUR_FOLDER, size=(256, 256), channels=3, bits=5, flip=True, valid=0)
    train = _train(300, 5, images=27_000, batch=96)
    return _run(nvae.FACES256, data, train, weight=1e-2, start=ANNEALED)


def nvae_cifar10_small() -> RunConfig:
    """Five levels, in the time that one core takes for `cifar10-small`, the plain ladder beside it."""
    steps = 6_500
    model = NVAEConfig(
        likelihood="dmol",
        mixtures=5,
        groups=(3, 2),
        latent=10,
        encoder_width=12,
        decoder_width=12,
        encoder_cells=1,
        decoder_cells=1,
    )
    return RunConfig(
        model=model,
        data=DataConfig(name="cifar10", flip=True),
        # Two epochs have no time for a warm-up of a third of the run.
        objective=replace(_objective(steps, 1e-2), warmup=WarmUpConfig(length=steps // 10)),
        train=TrainConfig(
            steps=steps,
            batch=16,
            optimiser="adamax",
            lr=1e-2,
            eps=1e-3,
            weight_decay=3e-4,
            warmup=200,
            save_every=1_000,
            valid_every=650,
            valid_size=1_000,
        ),
        evaluate=EvaluateConfig(limit=200),
    )


NVAE: dict[str, Preset] = {
    "nvae-mnist": Preset("NVAE on dynamically binarised MNIST, as published", "21 h, 2 V100 (published)", nvae_mnist),
    "nvae-cifar10": Preset("NVAE on CIFAR-10, as published", "55 h, 8 V100 (published)", nvae_cifar10),
    "nvae-celeba64": Preset(
        "NVAE on 64 x 64 faces, as published; add --data.path FOLDER", "92 h, 8 V100 (published)", nvae_celeba64
    ),
    "nvae-imagenet32": Preset("NVAE on ImageNet-32 (old), as published", "70 h, 24 V100 (published)", nvae_imagenet32),
    "nvae-faces256": Preset(
        "NVAE on 256 x 256 faces of 5 bits, as published; add --data.path FOLDER",
        "94 h, 24 V100 of 32 GB (published)",
        nvae_faces256,
    ),
    "nvae-cifar10-small": Preset("a small NVAE on CIFAR-10", "60 min, 1 busy core", nvae_cifar10_small),
}
"""By name."""
