"""A model of two levels, its data and settings: hundreds of steps a second; run as a program, it trains.

python toy_training.py FOLDER {"steps": 100} [resume]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from hvae.config.train import TrainConfig
from hvae.datum import Datum
from hvae.distributions import Normal
from hvae.objectives import ELBO
from hvae.site import Site
from hvae.train import FitResult, fit
from hvae.walk import Evidence, Model, Visit

SIZE, WIDTH = 6, 3


def normal(parameters: Tensor) -> Normal:
    loc, raw = parameters.float().chunk(2, -1)
    return Normal(loc, torch.nn.functional.softplus(raw) + 1e-3)


class Toy(Model):
    """z2 -> z1 -> x, all Gaussian; `scale` is a weight that a test can break."""

    shape = (SIZE,)

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.width = width
        self.q1, self.q2 = nn.Linear(SIZE, 2 * width), nn.Linear(SIZE, 2 * width)
        self.p1, self.px = nn.Linear(width, 2 * width), nn.Linear(width, SIZE)
        self.register_buffer("seen", torch.zeros(()))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"x": datum.x}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        x = evidence.feature("x")
        top = Normal(self.px.weight.new_zeros(evidence.n, self.width), self.px.weight.new_ones(evidence.n, self.width))
        z2 = visit(Site("z2", p=top, q=None if x is None else normal(self.q2(x))))
        z1 = visit(Site("z1", p=normal(self.p1(z2)), q=None if x is None else normal(self.q1(x))))
        loc = torch.sigmoid(self.px(z1)).float()
        value = evidence.x
        return visit(Site("x", p=Normal(loc, torch.full_like(loc, 0.3)), value=value, data=True))


class Data:
    """Random patterns with a noise of their own, so that the generator of each batch matters."""

    def __init__(self, n: int = 50) -> None:
        self.x = (torch.rand(n, SIZE, generator=torch.Generator().manual_seed(7)) > 0.5).float()

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        x = self.x[indices]
        return x + 0.05 * torch.randn(x.shape, generator=generator)


def settings(**changes: object) -> TrainConfig:
    """Quick settings of a test."""
    quick = {"steps": 40, "batch": 8, "lr": 0.01, "warmup": 5, "log_every": 5, "save_every": 10, "valid_every": 0}
    return TrainConfig(**{"accelerator": "cpu", "devices": 1, **quick, **changes})


def toy(seed: int = 0) -> Toy:
    torch.manual_seed(seed)
    return Toy()


def train(folder: Path, *, resume: bool = False, model: Toy | None = None, **changes: object) -> FitResult:
    """One run of the toy."""
    model = toy() if model is None else model
    return fit(model, ELBO(), Data(), settings(**changes), folder, valid=Data(20), resume=resume)


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), resume="resume" in sys.argv[3:], **json.loads(sys.argv[2]))
