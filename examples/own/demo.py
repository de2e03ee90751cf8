"""What every example here does with its model: train it on handwritten digits, measure it, and use its levels."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import torch
from torch import Tensor

import hvae
from hvae.config import preset
from hvae.config.data import DataConfig
from hvae.data import load


def demo(
    model: hvae.Model, name: str, *, context: Mapping[str, Tensor] | None = None, draw: hvae.Draw = hvae.posterior
) -> None:
    """Train `model` on binary digits (1, 8, 8), and print what its levels do; `draw` decides values in training."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", default=f"runs/{name}")
    args = parser.parse_args()
    data = load(DataConfig(name="digits", bits=1))
    config = preset("digits", {"train.steps": args.steps, "train.batch": 64, "train.warmup": 20}).train
    hvae.fit(model, hvae.ELBO(draw=draw), data.train, config, args.out, valid=data.valid)
    result = hvae.bounds(model, data.test.batches(60), samples=16)
    bounds = f"-ELBO {result.negative_elbo_nats} nats, -IW-{result.samples} {result.negative_iw_nats} nats"
    print(f"{bounds}, of {result.data} data")
    pictures = hvae.sample(model, 10, context=context, seed=0)
    latents = hvae.encode(model, data.test.batch(range(4)))
    print(f"{len(pictures)} samples of mean {pictures.mean():.2f}; latents {list(latents)[:4]} ...")


torch.manual_seed(0)
