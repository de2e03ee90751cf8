"""BIVA of CIFAR-10 as published: a training step and an evaluation, ours or by the authors' PyTorch release.

`bench.py --biva FOLDER` measures both, FOLDER a clone of github.com/vlievin/biva-pytorch, of which the model and its
likelihood are imported.  Each has its own weights: that both compute the same numbers from the same weights is a test
(`tests/zoo/test_biva.py`), and sizes are compared here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from hvae.config.biva import CIFAR10
from hvae.config.train import TrainConfig
from hvae.datum import Datum
from hvae.objectives import ELBO
from hvae.training.loss import Batch, LossStep
from hvae.training.optimisers import optimiser
from hvae.zoo import build

MIXTURES, RAW = 10, 100
"""Components of the likelihood, and its numbers a pixel."""
Task = Callable[[], float]


def pictures(batch: int) -> Tensor:
    return torch.randint(0, 256, (batch, 3, 32, 32)) / 255


def ours(kind: str, batch: int) -> Task:
    model, x = build(CIFAR10, (3, 32, 32), 8), pictures(batch)
    model.prepare(Datum(x))
    if kind == "evaluation":
        model.eval()
        return without_gradient(lambda: -model(x).elbo().mean())
    loss = LossStep(model.train(), ELBO())
    adamax = optimiser(TrainConfig(optimiser="adamax", lr=2e-3), model.parameters())
    return step(lambda: loss(Batch(x), 0)[0], adamax)


def official(folder: Path, kind: str, batch: int) -> Task:
    sys.path.insert(0, str(folder))
    sys.modules["biva.utils.logging"] = ModuleType("biva.utils.logging")  # draws pictures, with more packages
    from biva.model import BivaStage, DeepVae, get_deep_vae_cifar
    from biva.utils.discretized_mixture_logits import DiscretizedMixtureLogits

    stages, latents = get_deep_vae_cifar()
    torch.manual_seed(0)
    model: Any = DeepVae(
        Stage=BivaStage,
        tensor_shp=(-1, 3, 32, 32),
        stages=stages,
        latents=latents,
        features_out=RAW,
        q_dropout=CIFAR10.dropout_q,
        p_dropout=CIFAR10.dropout_p,
    )
    likelihood, x = DiscretizedMixtureLogits(MIXTURES), 2 * pictures(batch) - 1
    with torch.no_grad():
        model(x)  # starts its weights from data

    def bound() -> Tensor:
        outputs = model(x)
        spent = sum(kl.sum() for kl in outputs["kl"])
        return (spent - likelihood(logits=outputs["x_"]).log_prob(x).sum()) / batch

    if kind == "evaluation":
        model.eval()
        return without_gradient(bound)
    return step(bound, torch.optim.Adamax(model.train().parameters(), lr=2e-3))


def step(loss: Callable[[], Tensor], moments: torch.optim.Optimizer) -> Task:
    def work() -> float:
        moments.zero_grad(set_to_none=True)
        total = loss()
        total.backward()
        moments.step()
        return total.item()

    return work


def without_gradient(bound: Callable[[], Tensor]) -> Task:
    @torch.no_grad()
    def work() -> float:
        return bound().item()

    return work
