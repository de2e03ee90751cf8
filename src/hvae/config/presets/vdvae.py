"""The very deep VAE's published runs (Child 2021, arXiv 2011.10650, table of hyperparameters and released code).

What differs from the published runs, first what does not change what is learned:

- the published loss is in nats a dimension, ours in nats an image, D times as large; the norm to which gradients are
  clipped and Adam's epsilon are therefore D times the published numbers, which makes the steps the same;
- the average of the weights rises to its decay over the first steps, so that it forgets the first ones sooner.

And what does:

- steps are skipped by how their gradient compares with recent ones (`train.skip_factor`), not above a fixed norm (400,
  300, 380, 180, 500 by set), which can stop a run for ever: the steps that are left out are other ones;
- 256-pixel faces are learned with a likelihood that sums to one, and the encoder sees the five bits that are scored:
  another model and another task.  `--model.likelihood dmol-vdvae5 --data.bits 8` is the published one, whose encoder
  sees eight bits of the five it scores;
- the images held out, of faces also those for testing, are drawn by a seed of ours, not by the published ones: put the
  published test images into a folder test beside train to test on them.
"""

from __future__ import annotations

from dataclasses import replace

from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.presets.preset import YOUR_FOLDER, Preset
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig
from hvae.config.vdvae import PUBLISHED, VDVAEConfig

_CLIP = 200.0


def _train(dims: int, *, steps: int, batch: int, lr: float, clip: float, ema: float = 0.999) -> TrainConfig:
    """The published optimiser; `clip` in nats a dimension, `dims` of an image."""
    return TrainConfig(
        steps=steps,
        batch=batch,
        lr=lr,
        betas=(0.9, 0.9),
        weight_decay=0.01,
        eps=1e-8 * dims,
        schedule="constant",
        warmup=100,
        ema=ema,
        clip=clip * dims,
        save_every=5_000,
        valid_every=10_000,
    )


def _run(model: VDVAEConfig, data: DataConfig, train: TrainConfig) -> RunConfig:
    evaluate = EvaluateConfig(protocol="vdvae", batch=train.batch)
    return RunConfig(model=model, data=data, train=train, evaluate=evaluate)


def _faces(side: int, bits: int, test: int) -> DataConfig:
    """A folder of faces, of which as many as in the published runs are held out where it has no `test` folder."""
    return DataConfig(
        name="folder",
        path=YOUR_FOLDER,
        size=(side, side),
        crop="center",
        channels=3,
        bits=bits,
        valid=1_000,
        test=test,
    )


def vdvae_cifar10() -> RunConfig:
    """39.1 M parameters, 43 levels; 2.87 bits a dimension, the mean of four seeds, after 650,000 to 1,050,000 steps."""
    train = _train(32 * 32 * 3, steps=1_000_000, batch=32, lr=2e-4, clip=_CLIP, ema=0.9999)
    return _run(PUBLISHED["cifar10"], DataConfig(name="cifar10", valid=5_000), train)


def vdvae_imagenet32() -> RunConfig:
    """119.3 M parameters, 78 levels; 3.80 bits a dimension on the set of 2016 (van den Oord), after 1.7 M steps."""
    train = _train(32 * 32 * 3, steps=1_700_000, batch=256, lr=1.5e-4, clip=_CLIP)
    return _run(PUBLISHED["imagenet32"], DataConfig(name="imagenet32-old", valid=5_000), train)


def vdvae_imagenet64() -> RunConfig:
    """125.0 M parameters, 75 levels; 3.52 bits a dimension on the set of 2016 (van den Oord), after 1.6 M steps."""
    train = _train(64 * 64 * 3, steps=1_600_000, batch=128, lr=1.5e-4, clip=220.0)
    return _run(PUBLISHED["imagenet64"], DataConfig(name="imagenet64-old", valid=5_000), train)


def vdvae_ffhq256() -> RunConfig:
    """114.9 M parameters, 66 levels; 5 bits.  The published 0.61 is of the other likelihood: see the module."""
    train = _train(256 * 256 * 3, steps=1_700_000, batch=32, lr=1.5e-4, clip=130.0)
    model = replace(PUBLISHED["ffhq256"], likelihood="dmol")
    return _run(model, _faces(256, bits=5, test=7_000), train)


def vdvae_ffhq1024() -> RunConfig:
    """109.4 M parameters, 70 levels; 2.42 bits a dimension after 1.7 M steps."""
    train = _train(1024 * 1024 * 3, steps=1_700_000, batch=32, lr=7e-5, clip=360.0)
    return _run(PUBLISHED["ffhq1024"], _faces(1024, bits=8, test=5_000), train)


def vdvae_cifar10_small() -> RunConfig:
    """The published kind, in the time that one core takes for `cifar10-small`, the plain ladder beside it.

    Narrow and wide inside: at full resolution a core spends its time on what it reads and writes, not on products.
    """
    model = replace(
        PUBLISHED["cifar10"],
        encoder="32,32d2,16x1,16d2,8x1,8d2,4x1,4d4,1x1",
        decoder="1x1,4m1,4x1,8m4,8x2,16m8,16x3,32m16",
        width=48,
        bottleneck=0.5,
        latent=8,
        mixtures=5,
    )
    train = _train(32 * 32 * 3, steps=4_900, batch=16, lr=1.5e-3, clip=_CLIP)
    run = _run(
        model,
        DataConfig(name="cifar10"),
        replace(train, schedule="cosine", save_every=1_000, valid_every=490),
    )
    return replace(run, evaluate=replace(run.evaluate, limit=200))


VDVAE: dict[str, Preset] = {
    "vdvae-cifar10": Preset("very deep VAE on CIFAR-10, as published", "1 week, 2 V100 (published)", vdvae_cifar10),
    "vdvae-cifar10-small": Preset("small very deep VAE on CIFAR-10", "50 min, 1 busy core", vdvae_cifar10_small),
    "vdvae-imagenet32": Preset(
        "very deep VAE on ImageNet-32, as published", "2.5 weeks, 32 V100 (published)", vdvae_imagenet32
    ),
    "vdvae-imagenet64": Preset(
        "very deep VAE on ImageNet-64, as published", "2.5 weeks, 32 V100 (published)", vdvae_imagenet64
    ),
    "vdvae-ffhq256": Preset(
        "very deep VAE on 256-pixel faces, 5 bits; add --data.path FOLDER",
        "2.5 weeks, 32 V100 (published)",
        vdvae_ffhq256,
    ),
    "vdvae-ffhq1024": Preset(
        "very deep VAE on 1024-pixel faces; add --data.path FOLDER", "2.5 weeks, 32 V100 (published)", vdvae_ffhq1024
    ),
}
"""By name."""
