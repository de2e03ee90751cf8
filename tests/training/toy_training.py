"""Data and settings of a toy model that is trained in a moment; run as a program, it trains.

python toy_training.py FOLDER {"steps": 100} [resume]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor
from toys import Pair

from hvae.config.train import TrainConfig
from hvae.objectives import ELBO
from hvae.training import FitResult, fit


class Data:
    """Random patterns with a noise of their own, so that the generator of each batch matters."""

    def __init__(self, n: int = 50) -> None:
        self.x = (torch.rand(n, 6, generator=torch.Generator().manual_seed(7)) > 0.5).float()

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        x = self.x[indices]
        return x + 0.05 * torch.randn(x.shape, generator=generator)


def settings(**changes: object) -> TrainConfig:
    """Quick settings of a test."""
    quick = {"steps": 40, "batch": 8, "lr": 0.01, "warmup": 5, "log_every": 5, "save_every": 10, "valid_every": 0}
    return TrainConfig(**{"accelerator": "cpu", "devices": 1, **quick, **changes})


def toy(seed: int = 0) -> Pair:
    torch.manual_seed(seed)
    return Pair()


def train(folder: Path, *, resume: bool = False, model: Pair | None = None, **changes: object) -> FitResult:
    """One run of the toy."""
    model = toy() if model is None else model
    return fit(model, ELBO(), Data(), settings(**changes), folder, valid=Data(20), resume=resume)


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), resume="resume" in sys.argv[3:], **json.loads(sys.argv[2]))
