"""The least number of tensors is one, and near enough to the number that there are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from families import FAMILIES, SHAPE

from hvae.config.biva import BIVAConfig
from hvae.config.counts import least_tensors
from hvae.config.iafvae import IAFVAEConfig
from hvae.config.model import LadderConfig, ModelConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.presets import PRESETS
from hvae.config.qresvae import QResVAEConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.zoo import build

BINARY = {"likelihood": "bernoulli"}
LADDER = LadderConfig(width=4, latent=2)
QUANTISED = QResVAEConfig(latent=2, patch=2, groups=(2, 2), widths=(8, 8))
NVAE = NVAEConfig(latent=2, encoder_width=4, decoder_width=4)
BIVA = BIVAConfig(latents=(2, 2, 2), strides=(1, 1, 1), kernels=(3, 3, 3), width=4)
IAFVAE = IAFVAEConfig(**BINARY, width=8, latent=2)
VDVAE = VDVAEConfig(**BINARY, width=8, latent=2, encoder="16x1,16d16,1x1", decoder="1x1,16m1")
DEEP: tuple[ModelConfig, ...] = (
    *(
        replace(LADDER, groups=g, blocks=b, posterior=p)
        for g in ((9,), (0, 5))
        for b in (1, 7)
        for p in ("linear", "residual")
    ),
    *(replace(QUANTISED, groups=g, blocks=b) for g in ((9, 0), (0, 5)) for b in (1, 7)),
    *(
        replace(NVAE, gates=gates, groups=(8,), encoder_cells=e, decoder_cells=d)
        for gates in (True, False)
        for e in (1, 6)
        for d in (1, 6)
    ),
    replace(NVAE, groups=(4, 4), flows=9),
    replace(NVAE, groups=(2,), blocks=2, block_cells=30),
    *(replace(BIVA, blocks=b, maps=maps) for b in (1, 9) for maps in ((), (3, 3, 3))),
    *(replace(IAFVAE, blocks=b, posterior=p) for b in ((9,), (4, 4)) for p in ("iaf", "gaussian")),
    replace(VDVAE, encoder="16x30,16d16,1x1"),
    replace(VDVAE, decoder="1x30,16m1,16x30"),
)


def tensors(config: ModelConfig, shape: tuple[int, ...], bits: int) -> int:
    with torch.device("meta"):
        return len(list(build(config, shape, bits).parameters()))


SHARED: tuple[ModelConfig, ...] = (
    *(replace(LADDER, groups=(5, 4), blocks=b, share=s) for b in (1, 7) for s in ("levels", "ways", "both")),
    *(replace(QUANTISED, groups=(5, 4), blocks=b, share=s) for b in (1, 7) for s in ("levels", "ways", "both")),
    *(replace(NVAE, groups=g, norm="group", share="levels") for g in ((8,), (4, 4), (3, 1))),
    replace(NVAE, groups=(8,), norm="group", share="levels", flows=9),
    *(replace(BIVA, latents=(2,) * 9, strides=(1,) * 9, kernels=(3,) * 9, blocks=b, share="levels") for b in (1, 9)),
    *(replace(IAFVAE, blocks=b, share="levels") for b in ((9,), (4, 4))),
    *(replace(VDVAE, decoder="1x30,16m1,16x30", share=s) for s in ("levels", "ways", "both")),
)


@pytest.mark.parametrize("config", SHARED, ids=str)
def test_shared_weights_are_counted_once(config: ModelConfig) -> None:
    count = tensors(config, (1, 16, 16), 1)
    assert least_tensors(config) <= count < tensors(replace(config, share="none"), (1, 16, 16), 1)


@pytest.mark.parametrize("config", DEEP, ids=str)
def test_deep_models_have_at_least_so_many_and_at_most_three_times_as_many(config: ModelConfig) -> None:
    least, count = least_tensors(config), tensors(config, (1, 16, 16), 1)
    assert least <= count <= 3 * least


@pytest.mark.parametrize("kind", FAMILIES)
def test_small_models_have_at_least_so_many(kind: str) -> None:
    assert least_tensors(FAMILIES[kind]) <= tensors(FAMILIES[kind], SHAPE, 1)


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_is_near_the_bound(name: str) -> None:
    assert least_tensors(PRESETS[name].make().model) < 10_000
