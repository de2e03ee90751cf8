"""Every family of maps at toy size, plain, for what is promised of the keys that they share."""

from __future__ import annotations

import torch
from families import NVAE, SHAPE
from torch import Tensor

from hvae.config.biva import BIVAConfig
from hvae.config.iafvae import IAFVAEConfig
from hvae.config.model import ModelConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.qresvae import QResVAEConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.draw import posterior
from hvae.walk import Model, run
from hvae.zoo import build

CONVOLUTIONAL = ("vae", "markov", "lvae", "vlae", "ladder", "pixelvae", "vdvae", "nvae", "biva", "iafvae", "qresvae",
                 "vqvae", "vqvae2", "rqvae", "vdm")  # fmt: skip
BIVA = BIVAConfig(latents=(3, 2, 2), strides=(2, 1, 1), kernels=(3, 3, 3), width=4, blocks=2, dropout_q=0, dropout_p=0)
IAF = IAFVAEConfig(blocks=(3, 2), width=8, latent=2, likelihood="bernoulli")
QRES = QResVAEConfig(patch=2, groups=(2, 2), widths=(6, 8), latent=2, likelihood="bernoulli")
DEEP = VDVAEConfig(
    encoder="6x2,6d2,3x1,3d2,1x1", decoder="1x1,3m1,3x1,6m3,6x1", width=8, latent=2, likelihood="bernoulli"
)
NV = NVAEConfig(**NVAE, groups=(2, 3), norm="group")


def toy(config: ModelConfig) -> Model:
    torch.manual_seed(0)
    return build(config, SHAPE, 1).double().eval()


def data() -> Tensor:
    torch.manual_seed(1)
    return torch.bernoulli(torch.full((3, *SHAPE), 0.4, dtype=torch.float64))


def elbo(model: Model) -> Tensor:
    evidence = model.evidence(data())
    torch.manual_seed(2)
    return run(model, posterior, evidence).elbo()
