"""A family of sequences for the tests: a Gaussian latent a step under a standard prior, and independent keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hvae import Datum, Evidence, Model, Site
from hvae.config.families import family
from hvae.config.model import ModelConfig
from hvae.distributions import Bernoulli, Normal, standard_normal
from hvae.site import Visit

KEYS = 4
NAME = "steps-of-tests"


class Steps(Model):
    """z_t ~ N(0, I), x_t given z_t ~ Bernoulli."""

    timed = True

    def __init__(self, shape: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.shape, self.latent = shape, latent
        self.read, self.write = nn.Linear(shape[1], 2 * latent), nn.Linear(latent, shape[1])

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"z": self.read(datum.x)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        raw, xs = evidence.feature("z"), []
        for t in range(evidence.steps or self.shape[0]):
            p = standard_normal(torch.zeros(evidence.n, self.latent), (self.latent,))
            mean, log_scale = (None, None) if raw is None else raw[:, t].chunk(2, -1)
            q = None if raw is None else Normal(mean, log_scale.exp())
            z = visit(Site("z", p, q, step=t, mask=evidence.exists(t)))
            x = None if evidence.x is None else evidence.x[:, t]
            law = Bernoulli(self.write(z))
            xs.append(visit(Site("x", law, value=x, step=t, mask=evidence.exists(t), data=True)))
        return torch.stack(xs, 1)


@dataclass(frozen=True, kw_only=True)
class StepsConfig(ModelConfig):
    """Its one size."""

    latent: int = 3


@family(StepsConfig, name=NAME)
def build(config: StepsConfig, shape: tuple[int, ...], bits: int) -> Model:
    return Steps(shape, config.latent)


def rolls(path: Path, counts: dict[str, int] | None = None) -> Path:
    """An .npz of random piano rolls of 4 keys and 2 to 7 steps."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (counts or {"train": 20, "valid": 6, "test": 6}).items():
        lengths = random.integers(2, 8, count)
        arrays[split] = (random.random((lengths.sum(), KEYS)) < 0.4).astype(np.uint8)
        arrays[f"{split}_len"] = lengths
    np.savez(path, **arrays)
    return path
