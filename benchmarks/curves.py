"""How seconds and memory grow with depth, batch and resolution: one training step of the small ladder.

Each point is a process of its own.  An exponent is the slope of the logarithms, by least squares: 1 is linear, below 1
something is shared, above 1 the law is broken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

import torch
from alternating import Runner, Work

from hvae.config.model import LadderConfig
from hvae.objectives import ELBO
from hvae.training.loss import Batch, LossStep
from hvae.zoo import build


@dataclass(frozen=True)
class Point:
    size: int
    seconds: float
    bytes: float


@dataclass(frozen=True)
class Curve:
    name: str
    points: Sequence[Point]

    def exponent(self, what: str) -> float:
        """d log(cost) / d log(size)."""
        xs = [math.log(p.size) for p in self.points]
        ys = [math.log(max(getattr(p, what), 1e-12)) for p in self.points]
        mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
        return sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / sum((x - mx) ** 2 for x in xs)

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "seconds": self.exponent("seconds"), "bytes": self.exponent("bytes")}


def step(levels: int, batch: int, side: int) -> Work:
    """Loss and gradient of a ladder whose levels are spread over two scales, the finer having a quarter."""
    config = LadderConfig(groups=(levels // 4, levels - levels // 4), width=16, latent=4)
    loss = LossStep(build(config, (1, side, side), 1), ELBO())
    x = torch.bernoulli(torch.full((batch, 1, side, side), 0.3))

    def work() -> float:
        loss.zero_grad(set_to_none=True)
        total, _ = loss(Batch(x), 0)
        total.backward()
        return total.item()

    return work


CURVES: Mapping[str, Sequence[tuple[int, tuple[int, int, int]]]] = {
    "depth": [(n, (n, 8, 28)) for n in (8, 16, 32, 78)],
    "batch": [(n, (8, n, 28)) for n in (4, 8, 16, 32)],
    "pixels": [(n * n, (8, 4, n)) for n in (32, 64, 128)],
}
"""By name: the size of each point, and its levels, batch and side."""


def trace(name: str, rounds: int = 5) -> Curve:
    """One curve, on one thread: medians of processor time, and the peak of the process."""
    points = []
    for size, sizes in CURVES[name]:
        runner = Runner(partial(step, *sizes), 1, keep_heap=True)
        runner.ask(1)
        seconds = median(runner.ask(1)[1] for _ in range(rounds))
        points.append(Point(size, seconds, float(runner.peak())))
        runner.stop()
    return Curve(name, points)
