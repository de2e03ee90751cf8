"""Codecs of tiny models that were never trained, and pictures that fit them well enough to be worth coding."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hvae.coding import Codec, Picture
from hvae.config.model import LadderConfig, MarkovConfig, ModelConfig, VAEConfig
from hvae.walk import Model
from hvae.zoo import build

BINARY = (1, 4, 5)
COLOUR = (3, 8, 8)
_SMALL: dict[str, ModelConfig] = {
    "vae": VAEConfig(latent=2, widths=(8,)),
    "chain": MarkovConfig(latents=(2, 2), widths=(8, 8), norm="none"),
    "grouped": LadderConfig(groups=(1, 1), width=32, latent=1, norm="group"),
    "colour": LadderConfig(groups=(1, 1), width=8, latent=1, likelihood="dmol", mixtures=2),
}


def tiny_model(kind: str) -> Model:
    """Binary images by a "vae", a "chain" or a "grouped" ladder, or "colour" by a ladder.

    What it expects is mostly 0, or near mid-grey.
    """
    torch.manual_seed(3)
    colour = kind == "colour"
    model = build(_SMALL[kind], COLOUR if colour else BINARY, bits=8 if colour else 1).eval()
    leave = model.get_submodule("leave")
    last = [m for m in leave.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    assert last.bias is not None
    with torch.no_grad():
        last.weight *= 0.1
        # The raw numbers of two components: 2 logits, then 6 locations, 6 log-scales and 6 coefficients.
        last.bias[8:14] -= 2.5 if colour else 0.0
        last.bias[:] -= 0.0 if colour else 3.0
    return model


def tiny(kind: str = "vae") -> Codec:
    return Codec(tiny_model(kind), bits=8 if kind == "colour" else 1, run="tiny")


def drawings(count: int, shape: tuple[int, ...] = BINARY, seed: int = 0) -> list[Picture]:
    """Values without any pattern that a classic format could find: one in twenty is 1, or colours near mid-grey."""
    rng = np.random.default_rng(seed)
    colour = rng.normal(128, 6, (count, *shape)).round().clip(0, 255)
    levels = (colour if shape[0] == 3 else rng.random((count, *shape)) < 0.05).astype(np.uint8)
    return [Picture(f"{i}", one, 0) for i, one in enumerate(levels)]
