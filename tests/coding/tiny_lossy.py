"""A lossy codec of a tiny model, trained for a moment, and pictures that it has something to say about."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from hvae.coding import LossyCodec, Picture
from hvae.config.qresvae import QResVAEConfig
from hvae.walk import Model
from hvae.zoo import build

SHAPE = (3, 16, 16)
CONFIG = QResVAEConfig(patch=2, groups=(1, 1, 1), widths=(10, 12, 12), latent=3, sigma=0.05)
LEVELS = 3


def untrained() -> Model:
    torch.manual_seed(5)
    return build(CONFIG, SHAPE)


@cache
def _trained() -> Model:
    model, x = untrained(), torch.from_numpy(np.stack([p.levels for p in waves(64, (16, 16))])) / 255
    optimiser = torch.optim.Adam(model.parameters(), 4e-3)
    for _ in range(60):
        optimiser.zero_grad()
        (-model(x).elbo().mean()).backward()
        optimiser.step()
    return model.eval()


def codec(model: Model | None = None) -> LossyCodec:
    return LossyCodec(model or _trained(), build=lambda shape: build(CONFIG, shape), bits=8, run="tiny")


def waves(count: int, size: tuple[int, int], seed: int = 0) -> list[Picture]:
    """Smooth colours and a little noise, (3, *size) each."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]] / 5
    pictures = []
    for i in range(count):
        a, b, c, d = rng.normal(size=(4, 3, 1, 1))
        wave = 128 + 50 * np.sin(a * x + b * y + c) + 20 * d + rng.normal(size=(3, *size)) * 6
        pictures.append(Picture(f"{i}", wave.round().clip(0, 255).astype(np.uint8), 3))
    return pictures
